//! Destinations: where data would go (a host, a mailbox, an account, a channel, a person).

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::limits::RESOURCE_BYTES_MAX;

/// A place data can be sent to, `<kind>:<value>`: `host:api.example.org`, `mail:bob@example.org`, `account:DE89…`.
///
/// The value is compared whole, after normalising (NFKC, trimmed; hosts and mailboxes lowercased, a host's trailing
/// dot removed). It is never matched as a pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    kind: DestinationKind,
    value: Box<str>,
}

/// What sort of place a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DestinationKind {
    /// A DNS name or an address, as written in a URL.
    Host,
    /// A mailbox.
    Mail,
    /// A bank account or similar.
    Account,
    /// A channel, group or room.
    Channel,
    /// A person or user name.
    Person,
    /// A web address.
    Url,
    /// Anything else that receives data.
    Other,
}

impl DestinationKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Host,
        Self::Mail,
        Self::Account,
        Self::Channel,
        Self::Person,
        Self::Url,
        Self::Other,
    ];

    /// The word in front of the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Mail => "mail",
            Self::Account => "account",
            Self::Channel => "channel",
            Self::Person => "person",
            Self::Url => "url",
            Self::Other => "other",
        }
    }
}

/// Text that is not a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a destination: write `host:`, `mail:`, `account:`, `channel:`, `person:`, `url:` or `other:` and a value"
)]
pub struct BadDestination(pub String);

impl Destination {
    /// A destination of `kind`; `value` is normalised.
    ///
    /// # Errors
    /// [`BadDestination`] when nothing is left of the value, or it is too long or unprintable.
    pub fn new(kind: DestinationKind, value: &str) -> Result<Self, BadDestination> {
        let mut text: String = value.trim().nfkc().collect();
        if matches!(kind, DestinationKind::Host | DestinationKind::Mail) {
            text = text.to_lowercase();
        }
        if matches!(kind, DestinationKind::Host) {
            text = text.strip_suffix('.').map_or(text.clone(), str::to_owned);
        }
        if matches!(kind, DestinationKind::Channel) {
            text = text.strip_prefix('#').map_or(text.clone(), str::to_owned);
        }
        if text.is_empty() || text.len() > RESOURCE_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(BadDestination(
                value.chars().take(80).flat_map(char::escape_debug).collect(),
            ));
        }
        Ok(Self {
            kind,
            value: text.into(),
        })
    }

    /// What sort of place it is.
    #[must_use]
    pub const fn kind(&self) -> DestinationKind {
        self.kind
    }

    /// The normalised value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, BadDestination> {
        let bad = || BadDestination(text.chars().take(80).flat_map(char::escape_debug).collect());
        let (kind, value) = text.split_once(':').ok_or_else(bad)?;
        let kind = DestinationKind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(bad)?;
        Self::new(kind, value)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.value)
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matched_whole_after_normalising() {
        let parse = |text: &str| text.parse::<Destination>().unwrap();
        assert_eq!(parse("host:API.Example.org."), parse("host:api.example.org"));
        assert_eq!(parse("channel:#general"), parse("channel:general"));
        assert_ne!(
            parse("host:api.example.org"),
            parse("host:api.example.org.evil.net")
        );
        assert!("nowhere".parse::<Destination>().is_err());
        assert!("host: ".parse::<Destination>().is_err());
    }
}
