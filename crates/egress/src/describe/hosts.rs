//! Which hosts are a system: a name, or every name one or more labels below one.

use std::fmt;

use crate::authority::Authority;

/// `api.example.org`, or `*.example.org` for everything below it (not for itself).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    /// The name, without `*.`.
    name: String,
    below: bool,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence, when it is no host name; `*` stands alone in front of at least two labels.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let bad = || {
            format!(
                "`{}` is not a host: write `api.example.org` or `*.example.org`",
                crate::refusal::shown(text)
            )
        };
        let read = Authority::parse(name, 1).map_err(|_| bad())?;
        let one_label = !name.contains('.');
        if read.port() != 1 || name.ends_with('.') || (below && (one_label || read.address().is_some())) {
            return Err(bad());
        }
        Ok(Self {
            name: read.host().to_owned(),
            below,
        })
    }

    /// True when `host` (in its one form) is meant.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        if self.below {
            host.strip_suffix(self.name.as_str())
                .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            host == self.name
        }
    }

    /// The name, without `*.`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True for `*.`.
    #[must_use]
    pub const fn is_wild(&self) -> bool {
        self.below
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_labels() {
        let wild = HostPattern::parse("*.Example.org").unwrap();
        assert!(wild.matches("a.example.org") && wild.matches("a.b.example.org"));
        for other in [
            "example.org",
            ".example.org",
            "evilexample.org",
            "a.example.org.evil.net",
        ] {
            assert!(!wild.matches(other), "{other}");
        }
        for bad in [
            "*",
            "*.org",
            "a.*.org",
            "*.1.2.3.4",
            "a b",
            "a:80",
            "*.*.example.org",
            "",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
