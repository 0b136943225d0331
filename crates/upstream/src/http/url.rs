//! Addresses of servers: parsed once, written back in one form.

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

/// Longest address, in bytes.
const URL_BYTES_MAX: usize = 10 * 1024;

/// A checked address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// TLS is spoken.
    pub(crate) https: bool,
    /// Host in lower case, an IPv6 address without brackets.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// What `Host` says: the port only where it is not the scheme's own.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: PathAndQuery,
}

/// Text that cannot be the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not an absolute `http` or `https` address.
    #[error("`{0}` is not an address of the form `https://host[:port]/path`")]
    Form(String),
    /// A name or password before the host.
    #[error("the address holds a user name or password before its host: register a secret instead")]
    UserInfo,
}

impl Endpoint {
    /// Scheme, host and port: `https://host`, the port only where it is not the scheme's own.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.path()
    }

    /// Reads an absolute `http` or `https` address.
    ///
    /// # Errors
    /// [`BadUrl`] without repeating a password somebody put into it.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let form = || {
            let shown: String = text.chars().take(200).flat_map(char::escape_debug).collect();
            // Never repeat a password that somebody put into an address.
            BadUrl::Form(if shown.contains('@') {
                "…".to_owned()
            } else {
                shown
            })
        };
        let uri: Uri = text
            .parse()
            .ok()
            .filter(|_| text.len() <= URL_BYTES_MAX && !text.contains('#'))
            .ok_or_else(form)?;
        let https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(form()),
        };
        let authority = uri.authority().ok_or_else(form)?;
        if authority.as_str().contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let written = authority.host().to_ascii_lowercase();
        let host = written
            .trim_start_matches('[')
            .trim_end_matches(']')
            .trim_end_matches('.');
        let port = match authority.port_u16() {
            Some(0) => return Err(form()),
            Some(port) => port,
            // Something stands behind the host that is no port.
            None if authority.as_str() != authority.host() => return Err(form()),
            None if https => 443,
            None => 80,
        };
        if host.is_empty() {
            return Err(form());
        }
        let bracketed = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let own_port = if https { 443 } else { 80 };
        Ok(Self {
            https,
            authority: if port == own_port {
                bracketed
            } else {
                format!("{bracketed}:{port}")
            },
            host: host.to_owned(),
            port,
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

/// The address in the one form that is compared and hashed.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for (text, form) in [
            ("https://Example.ORG./mcp", "https://example.org/mcp"),
            ("https://example.org:443", "https://example.org/"),
            ("HTTP://127.0.0.1:8080/a?b=c", "http://127.0.0.1:8080/a?b=c"),
            ("http://[::1]:9/mcp", "http://[::1]:9/mcp"),
            ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), form);
        }
    }

    #[test]
    fn nonsense_is_refused_without_repeating_passwords() {
        for text in [
            "",
            "example.org",
            "/mcp",
            "ftp://example.org/",
            "file:///etc/passwd",
            "https:///mcp",
            "https://",
            "https://:443/",
            "https://a:0/",
            "https://a:99999/",
            "https://a:/",
            "https://a b/",
            "https://exämple.org/",
            "https://a/#frag",
            "https://a/\r\nHost: b",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
        for text in [
            "https://user:hunter2@a/",
            "ftp://user:hunter2@a/",
            "https://a@b:x/",
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
