//! SPIFFE IDs (SPIFFE-ID, 2) as strictly as they can be read: one spelling per identity, compared bytewise, and a
//! hierarchy that is walked in whole segments only.

use std::fmt;
use std::str::FromStr;

use remit_core::id::RunId;
use remit_core::limits::{SPIFFE_ID_BYTES_MAX, TRUST_DOMAIN_BYTES_MAX};
use remit_core::name::Name;

const SCHEME: &str = "spiffe://";

/// Text that is not a SPIFFE ID, or not a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SPIFFE ID: {why}")]
pub struct BadSpiffeId {
    /// What was given, cut to a readable length.
    pub text: String,
    /// What is wrong.
    pub why: &'static str,
}

impl BadSpiffeId {
    fn new(text: &str, why: &'static str) -> Self {
        Self {
            text: text.chars().take(120).flat_map(char::escape_debug).collect(),
            why,
        }
    }
}

/// A trust domain name: 1 to 255 of `a-z 0-9 - . _` (SPIFFE-ID, 2.1). Upper case is refused, not folded; so is a dot
/// at either end, which name resolution would drop.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Box<str>);

impl TrustDomain {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `spiffe://name`: the key under which SPIFFE bundles are handed out.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }
}

impl FromStr for TrustDomain {
    type Err = BadSpiffeId;

    fn from_str(text: &str) -> Result<Self, BadSpiffeId> {
        let bad = |why| Err(BadSpiffeId::new(text, why));
        if text.is_empty() {
            return bad("the trust domain is empty");
        }
        if text.len() > TRUST_DOMAIN_BYTES_MAX {
            return bad("the trust domain has more than 255 bytes");
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
        {
            return bad("a trust domain has only `a-z 0-9 - . _`: no user, no port, no upper case");
        }
        if text.starts_with('.') || text.ends_with('.') {
            return bad("a trust domain neither starts nor ends with a dot");
        }
        Ok(Self(text.into()))
    }
}

/// A SPIFFE ID: `spiffe://trust-domain/path`, at most 2048 bytes (SPIFFE-ID, 2).
///
/// There is no normalising: what is not in the one canonical spelling (percent-encoding, empty, `.` or `..` segments,
/// a trailing slash, upper case in scheme or trust domain, user, port, query, fragment) is no SPIFFE ID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Box<str>,
    domain: TrustDomain,
}

impl SpiffeId {
    /// The identity of one run: `spiffe://<trust-domain>/agent/<agent>/run/<run>`.
    ///
    /// # Errors
    /// [`BadSpiffeId`] when the agent's name cannot be a segment (`@`).
    pub fn of_run(domain: &TrustDomain, agent: &Name, run: RunId) -> Result<Self, BadSpiffeId> {
        format!("{}/agent/{agent}/run/{run}", domain.id()).parse()
    }

    /// Agent and run, when this is the identity of a run.
    #[must_use]
    pub fn as_run(&self) -> Option<(Name, RunId)> {
        let segments: Vec<&str> = self.segments().collect();
        match segments.as_slice() {
            ["agent", agent, "run", run] => Some((agent.parse().ok()?, run.parse().ok()?)),
            _ => None,
        }
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    #[must_use]
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The path with its leading slash; empty for a trust domain's own identity.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text
            .get(SCHEME.len() + self.domain.0.len()..)
            .unwrap_or_default()
    }

    /// The segments of the path.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path().split('/').skip(1)
    }

    /// True when this identity is `root` or lies below it, in whole segments of the same trust domain.
    ///
    /// A root without a path covers nothing but itself: who means a whole trust domain compares
    /// [`Self::trust_domain`], and says so.
    #[must_use]
    pub fn is_under(&self, root: &Self) -> bool {
        if root.path().is_empty() {
            return self == root;
        }
        self.domain == root.domain
            && self
                .path()
                .strip_prefix(root.path())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for SpiffeId {
    type Err = BadSpiffeId;

    fn from_str(text: &str) -> Result<Self, BadSpiffeId> {
        let bad = |why| Err(BadSpiffeId::new(text, why));
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return bad("it has more than 2048 bytes");
        }
        let Some(rest) = text.strip_prefix(SCHEME) else {
            return bad("it does not start with `spiffe://`");
        };
        let (domain, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let domain: TrustDomain = domain
            .parse()
            .map_err(|error: BadSpiffeId| BadSpiffeId::new(text, error.why))?;
        for segment in path.split('/').skip(1) {
            if segment.is_empty() {
                return bad("a segment of its path is empty: no double and no trailing slash");
            }
            if segment == "." || segment == ".." {
                return bad("`.` and `..` are no segments");
            }
            if !segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            {
                return bad("a path has only `A-Z a-z 0-9 - . _` between its slashes");
            }
        }
        Ok(Self {
            text: text.into(),
            domain,
        })
    }
}

macro_rules! textual {
    ($($name:ident => $text:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text())
            }
        }
    )*};
}
textual!(TrustDomain => as_str SpiffeId => as_str);
