//! Host and Origin: a page in a browser must not reach us through a name that happens to point here.

use axum::http::{HeaderMap, StatusCode, Uri, header};

use crate::rpc::RpcError;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Names that are ours besides the loopback ones (`localhost`, `127.0.0.1`, `[::1]`, any port).
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    /// Further hosts, `name` (any port) or `name:port`, lower case.
    pub hosts: Vec<String>,
    /// Further origins, `scheme://name[:port]`, lower case.
    pub origins: Vec<String>,
}

impl AllowedHosts {
    /// Checks the target and the headers of one request.
    ///
    /// # Errors
    /// HTTP 403 when a name in `Host`, in the request target or in `Origin` is not ours.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), RpcError> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|value| value.to_str().ok());
        if hosts.next().is_some() || !host.is_some_and(|host| self.host(host)) {
            return Err(refused("Host", host));
        }
        if let Some(authority) = uri.authority()
            && !self.host(authority.as_str())
        {
            return Err(refused("request target", Some(authority.as_str())));
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().ok();
            if !origin.is_some_and(|origin| self.origin(origin)) {
                return Err(refused("Origin", origin));
            }
        }
        Ok(())
    }

    /// True when the names in `Host`, in the target and in `Origin` are ours: for routes beside the gateway's own.
    #[must_use]
    pub fn admits(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.check(uri, headers).is_ok()
    }

    fn host(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let Some(name) = without_port(&text) else {
            return false;
        };
        LOOPBACK.contains(&name) || self.hosts.iter().any(|host| *host == text || host == name)
    }

    fn origin(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let host = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        host.is_some_and(|host| self.host(host)) || self.origins.contains(&text)
    }
}

/// The name of `name[:port]`; `None` when what follows the name is no port.
fn without_port(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at_checked(end)?;
    let good = match rest.strip_prefix(':') {
        Some(port) => port.parse::<u16>().is_ok(),
        None => rest.is_empty(),
    };
    good.then_some(name)
}

fn refused(what: &str, found: Option<&str>) -> RpcError {
    let shown: String = found
        .unwrap_or_default()
        .chars()
        .take(80)
        .flat_map(char::escape_debug)
        .collect();
    RpcError::invalid_request(format!(
        "the {what} `{shown}` is not one of ours: use `127.0.0.1` or `localhost`, or add the name under `[listen]`"
    ))
    .with_status(StatusCode::FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_pass() {
        let hosts = AllowedHosts {
            hosts: vec!["gw.example".into(), "other.example:8443".into()],
            origins: vec!["app://remit".into()],
        };
        for good in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:7420",
            "[::1]",
            "[::1]:80",
            "gw.example:9",
            "other.example:8443",
        ] {
            assert!(hosts.host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:80x",
            "localhost:",
            "localhost@evil.example",
            "127.0.0.1:80:90",
            "[::1",
            "[::2]",
            "::1",
            "other.example:1",
            "127.1",
            "localhost/evil",
        ] {
            assert!(!hosts.host(bad), "{bad}");
        }
        assert!(hosts.origin("http://localhost:3000") && hosts.origin("app://remit"));
        for bad in [
            "null",
            "http://evil.example",
            "file://",
            "localhost",
            "http://localhost/x",
        ] {
            assert!(!hosts.origin(bad), "{bad}");
        }
    }
}
