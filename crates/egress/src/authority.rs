//! `host[:port]` in the one form that is compared, decided, recorded and dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// A host and a port. The host is a DNS name in lower case without a trailing dot, or an address in its plain form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Authority {
    host: String,
    port: u16,
}

/// Text that is not one host and one port, read alike by everybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `host[:port]` in a form everybody reads alike")]
pub struct BadAuthority(pub String);

impl Authority {
    /// Reads `host[:port]`.
    ///
    /// # Errors
    /// [`BadAuthority`] for user names, escapes, other scripts (write `xn--…`), empty or over-long labels, and numbers that
    /// some readers take for an address (`127.1`, `0x7f000001`).
    pub fn parse(text: &str, default_port: u16) -> Result<Self, BadAuthority> {
        let bad = || BadAuthority(text.chars().take(120).flat_map(char::escape_debug).collect());
        if let Some(rest) = text.strip_prefix('[') {
            let (inner, after) = rest.split_once(']').ok_or_else(bad)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| bad())?;
            return Ok(Self {
                host: address.to_string(),
                port: port(after, default_port).ok_or_else(bad)?,
            });
        }
        let end = text.find(':').unwrap_or(text.len());
        let (host, after) = text.split_at_checked(end).ok_or_else(bad)?;
        let port = port(after, default_port).ok_or_else(bad)?;
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if host.parse::<Ipv4Addr>().is_ok() || is_name(&host) {
            Ok(Self { host, port })
        } else {
            Err(bad())
        }
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address, where the host is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// As `Host` says it: the port only where it is not the scheme's own.
    #[must_use]
    pub fn written(&self, own_port: u16) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == own_port {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(0))
    }
}

fn port(after: &str, default: u16) -> Option<u16> {
    match after.strip_prefix(':') {
        None if after.is_empty() => Some(default),
        // `+443` and `0443` are read differently elsewhere.
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
            digits.parse().ok()
        }
        _ => None,
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let letters = label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    host.len() <= HOST_BYTES_MAX && host.split('.').all(label) && !numeric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for (text, form) in [
            ("API.Example.org", "api.example.org:443"),
            ("api.example.org.", "api.example.org:443"),
            ("api.example.org:8443", "api.example.org:8443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]", "[::1]:443"),
            ("[0:0:0:0:0:0:0:1]:9", "[::1]:9"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:443"),
            ("under_score.example", "under_score.example:443"),
        ] {
            assert_eq!(Authority::parse(text, 443).unwrap().to_string(), form);
        }
    }

    #[test]
    fn what_others_read_differently_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "user@host",
            "user:pw@host",
            "host:",
            "host:0",
            "host:+80",
            "host:080",
            "host:65536",
            "host:80:80",
            "ho st",
            "host/path",
            "host#x",
            "host%2eexample",
            "bücher.example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.4.5",
            "256.1.1.1",
            "[::1",
            "::1",
            "[fe80::1%25eth0]",
            "-a.example",
            "a\\b",
            "a\u{0}b",
        ] {
            assert!(Authority::parse(text, 443).is_err(), "{text}");
        }
    }
}
