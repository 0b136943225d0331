//! Addresses as far as they are compared here: origin and path of an absolute `http` or `https` address.

use http::Uri;

/// Longest address taken from a document, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// An absolute address, split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) https: bool,
    /// Host in lower case.
    pub(crate) host: String,
    /// `scheme://host[:port]`, lower case, the port only where it is not the scheme's own.
    pub(crate) origin: String,
    /// The path without a trailing slash: empty for the root.
    pub(crate) path: String,
    pub(crate) query: bool,
}

/// Splits an address made of nothing but what may stand in one (RFC 3986), so that it can be shown, logged and opened.
pub(crate) fn split(text: &str) -> Option<Split> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?[]@!$&()*+,;=%".contains(&b);
    if text.len() > URL_BYTES_MAX || !text.bytes().all(plain) {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let https = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.as_str() == authority.host() => default_port(https),
        None => return None,
    };
    let scheme = if https { "https" } else { "http" };
    let origin = if port == default_port(https) {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    };
    Some(Split {
        https,
        host,
        origin,
        path: uri.path().trim_end_matches('/').to_owned(),
        query: uri.query().is_some(),
    })
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

impl Split {
    /// A person may be sent there: TLS, or this machine.
    pub(crate) fn is_safe_for_browsers(&self) -> bool {
        self.https || matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// True when `other` is the same address or lies below it, segment by segment.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let below = other.path.strip_prefix(&self.path);
        self.origin == other.origin
            && !self.query
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_refuses() {
        let it = split("https://A.example:443/x/y/").unwrap();
        assert_eq!(
            (it.origin.as_str(), it.path.as_str()),
            ("https://a.example", "/x/y")
        );
        assert!(split("http://127.0.0.1:8080").unwrap().is_safe_for_browsers());
        assert!(!split("http://a.example/").unwrap().is_safe_for_browsers());
        for bad in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://u:p@a.example/",
            "https://a.example/$(id)'",
            "https://a.example/`id`",
            "https://a.example/\"",
            "https://a.example/#f",
            "https://a.example/a b",
            "//a.example",
            "https://",
            "https://a:/",
            "https://ä.example",
        ] {
            assert!(split(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn covers_by_segments() {
        let of = |a: &str, b: &str| split(a).unwrap().covers(&split(b).unwrap());
        assert!(of("https://a.example/mcp", "https://a.example/mcp"));
        assert!(of("https://a.example", "https://a.example/mcp"));
        assert!(of("https://a.example/m/", "https://A.example:443/m/x"));
        for (a, b) in [
            ("https://a.example/mc", "https://a.example/mcp"),
            ("https://a.example/mcp/x", "https://a.example/mcp"),
            ("http://a.example", "https://a.example"),
            ("https://a.example:8443", "https://a.example"),
            ("https://a.example.evil", "https://a.example"),
            ("https://a.example/mcp?x", "https://a.example/mcp"),
        ] {
            assert!(!of(a, b), "{a} {b}");
        }
    }
}
