//! Redirect addresses: compared whole (RFC 9700, 2.1); on loopback the port may differ (RFC 8252, 7.3).

/// Schemes a browser would run or show as content of its own.
const NEVER: [&str; 7] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "view-source",
];
/// Longest redirect address, in bytes.
const BYTES_MAX: usize = 2048;
/// Hosts of this machine (RFC 8252, 7.3 and 8.3).
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The parts that are compared: the port stands apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: String,
    host: &'a str,
    port: &'a str,
    rest: &'a str,
}

fn parts(uri: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = uri.split_once(':')?;
    let plain = scheme.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !plain {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let Some(rest) = rest.strip_prefix("//") else {
        return Some(Parts {
            scheme,
            host: "",
            port: "",
            rest,
        });
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let host_end = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end)?;
    Some(Parts {
        scheme,
        host,
        port,
        rest,
    })
}

/// Refuses what no client may register: wildcards, fragments, user names, schemes that run in the page, plain `http`
/// beyond this machine.
///
/// # Errors
/// A sentence with what is wrong.
pub(crate) fn acceptable(uri: &str) -> Result<(), String> {
    let bad = |why: &str| {
        let shown: String = uri.chars().take(200).flat_map(char::escape_debug).collect();
        Err(format!("`{shown}` cannot be a redirect address: {why}"))
    };
    if uri.len() > BYTES_MAX {
        return bad("it is too long");
    }
    if !uri.bytes().all(|b| b.is_ascii_graphic()) || uri.contains(['\\', '"', '<', '>', '`', '{', '}']) {
        return bad("it holds characters that an address does not hold");
    }
    if uri.contains('*') {
        return bad("wildcards are not taken, it is compared whole");
    }
    if uri.contains('#') {
        return bad("it has a fragment");
    }
    let Some(parts) = parts(uri) else {
        return bad("it is no address");
    };
    if parts.host.contains('@') || parts.port.contains('@') {
        return bad("it has a user name");
    }
    match parts.scheme.as_str() {
        "https" if parts.host.is_empty() => bad("it has no host"),
        "http" if !LOOPBACK.contains(&parts.host) => bad("`http` is taken on this machine only"),
        scheme if NEVER.contains(&scheme) => bad("this scheme is not taken"),
        _ if parts.rest.split(['/', '?']).any(|segment| segment == "..") => bad("it has dot segments"),
        _ => Ok(()),
    }
}

/// True when `asked` is one of the `registered` ones.
pub(crate) fn is_one_of(asked: &str, registered: &[String]) -> bool {
    acceptable(asked).is_ok() && registered.iter().any(|known| same(asked, known))
}

fn same(asked: &str, known: &str) -> bool {
    if asked == known {
        return true;
    }
    let (Some(asked), Some(known)) = (parts(asked), parts(known)) else {
        return false;
    };
    let port = asked
        .port
        .strip_prefix(':')
        .is_none_or(|digits| digits.parse::<u16>().is_ok_and(|port| port > 0));
    asked.scheme == "http"
        && known.scheme == "http"
        && LOOPBACK.contains(&asked.host)
        && asked.host == known.host
        && port
        && asked.rest == known.rest
}

/// What a page that leads there must allow as the target of its form (`form-action`): the origin, or the scheme.
pub(crate) fn form_target(uri: &str) -> String {
    match parts(uri) {
        Some(parts) if matches!(parts.scheme.as_str(), "http" | "https") => {
            format!("{}://{}{}", parts.scheme, parts.host, parts.port)
        }
        Some(parts) => format!("{}:", parts.scheme),
        None => "'none'".to_owned(),
    }
}

/// The address with parameters added to its query.
pub(crate) fn with(uri: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{joint}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_whole_but_for_the_port_on_loopback() {
        let known = [
            "http://127.0.0.1/callback".to_owned(),
            "https://app.example/cb?x=1".to_owned(),
            "cursor://anysphere.cursor/cb".to_owned(),
        ];
        for good in [
            "http://127.0.0.1/callback",
            "http://127.0.0.1:53112/callback",
            "https://app.example/cb?x=1",
            "cursor://anysphere.cursor/cb",
        ] {
            assert!(is_one_of(good, &known), "{good}");
        }
        for bad in [
            "http://localhost:53112/callback",
            "http://127.0.0.1:0/callback",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1:1/callback/",
            "http://127.0.0.1:1/callback?a=b",
            "https://127.0.0.1/callback",
            "https://app.example:444/cb?x=1",
            "https://app.example/cb",
            "https://app.example/cb?x=1&y=2",
            "https://app.example.evil/cb?x=1",
            "https://evil.example/https://app.example/cb?x=1",
            "HTTPS://app.example/cb?x=1",
            "cursor://anysphere.cursor/cb2",
        ] {
            assert!(!is_one_of(bad, &known), "{bad}");
        }
    }

    #[test]
    fn wildcards_and_dangerous_schemes_are_no_redirect_addresses() {
        for bad in [
            "",
            "https://",
            "https://*.example/cb",
            "https://app.example/*",
            "https://app.example/cb#x",
            "https://user@app.example/cb",
            "http://app.example/cb",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "https://app.example/a/../b",
            "https://app.example/\\evil",
            "https://app.example/ b",
            "https://app.example/\"onload",
            "//app.example/cb",
        ] {
            assert!(acceptable(bad).is_err(), "{bad}");
            assert!(!is_one_of(bad, &[bad.to_owned()]), "{bad}");
        }
    }

    #[test]
    fn a_form_may_lead_to_the_origin_only() {
        assert_eq!(form_target("http://127.0.0.1:7/cb?x"), "http://127.0.0.1:7");
        assert_eq!(form_target("cursor://a/b"), "cursor:");
    }
}
