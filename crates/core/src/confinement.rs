//! Confinement and proof: how well a run is shut in, and how its calls prove it. Attested, never claimed by the run.

use std::fmt;

/// How well a run is shut in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confinement {
    /// Not at all: it can reach whatever its user can.
    None,
    /// Landlock denies our data, keys and sockets.
    Landlock,
    /// A user id of its own.
    OwnUid,
    /// A network namespace of its own.
    Netns,
    /// Another machine, attested from there.
    Remote,
}

impl Confinement {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Landlock => "landlock",
            Self::OwnUid => "own-uid",
            Self::Netns => "netns",
            Self::Remote => "remote",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::None,
            Self::Landlock,
            Self::OwnUid,
            Self::Netns,
            Self::Remote,
        ]
        .into_iter()
        .find(|c| c.as_str() == text)
    }

    /// True when a human's verdict given on this machine's own channels could have been given by the run itself.
    #[must_use]
    pub const fn reaches_people(self) -> bool {
        matches!(self, Self::None)
    }
}

/// How a call proves which run it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The token alone.
    Bearer,
    /// The token, and the kernel says the peer is the run's process.
    Peer,
    /// The token, and a signature by the run's key.
    Key,
}

impl Proof {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Peer => "peer",
            Self::Key => "key",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Bearer, Self::Peer, Self::Key]
            .into_iter()
            .find(|proof| proof.as_str() == text)
    }
}

/// The key a run must prove with every call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BoundKey {
    /// JWK thumbprint of a DPoP key (RFC 9449, 6.1): base64url of a SHA-256.
    Jkt(Box<str>),
    /// SHA-256 of a client certificate (RFC 8705, 3.1), base64url.
    Certificate(Box<str>),
}

impl BoundKey {
    /// The thumbprint.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        match self {
            Self::Jkt(text) | Self::Certificate(text) => text,
        }
    }

    /// Reads `jkt:…` or `x5t:…`, each with 43 letters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, thumbprint) = text.split_once(':')?;
        let letters = thumbprint
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if thumbprint.len() != 43 || !letters {
            return None;
        }
        match kind {
            "jkt" => Some(Self::Jkt(thumbprint.into())),
            "x5t" => Some(Self::Certificate(thumbprint.into())),
            _ => None,
        }
    }
}

impl fmt::Display for BoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jkt(text) => write!(f, "jkt:{text}"),
            Self::Certificate(text) => write!(f, "x5t:{text}"),
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
