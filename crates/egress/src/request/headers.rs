//! Headers: which are part of a call, which carry credentials, which are dropped, which refuse the request.

use http::HeaderMap;

use super::carried::{Carried, read_credentials};
use crate::describe::{Credential, System};
use crate::refusal::{Refusal, shown};

/// Headers that are part of every call.
const KEPT: [&str; 12] = [
    "accept",
    "accept-language",
    "content-language",
    "content-type",
    "git-protocol",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "prefer",
    "user-agent",
];

/// Headers that ask for a part of an answer (RFC 9110, sections 13.1.5 and 14.2).
const PARTS: [&str; 2] = ["if-range", "range"];

/// Headers that make a server do something else than the request line says.
const OVERRIDES: [&str; 8] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "x-original-host",
    "x-original-method",
];

/// Longest value that is kept, in bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// What the headers of one request came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Part of the call: name in lower case, value.
    pub kept: Vec<(String, String)>,
    /// Credentials, in no record.
    pub carried: Vec<Carried>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `gzip`, where the body is.
    pub gzip: bool,
    /// The body comes in `aws-chunked` pieces.
    pub aws_chunked: bool,
}

/// Sorts headers. What is neither kept nor a credential is not sent.
///
/// # Errors
/// [`Refusal`] for headers that change the meaning of the request behind our back, and for what cannot be looked into
/// (WebSocket, gRPC).
pub fn sort(system: &System, headers: &HeaderMap) -> Result<Sorted, Refusal> {
    let mut sorted = Sorted::default();
    if headers.contains_key(http::header::UPGRADE) {
        return Err(Refusal::opaque(
            "a WebSocket or another upgrade cannot be looked into",
        ));
    }
    for (name, value) in headers {
        let name = name.as_str();
        if OVERRIDES.contains(&name) {
            return Err(Refusal::opaque(format!(
                "`{name}` would make the server do something else than was decided"
            )));
        }
        if PARTS.contains(&name) && !gives_parts(system) {
            continue;
        }
        if let Some(extra) = is_kept(system, name) {
            let text = value
                .to_str()
                .ok()
                .filter(|text| text.len() <= VALUE_BYTES_MAX)
                .ok_or_else(|| {
                    Refusal::opaque(format!("the header `{name}` is too long or not plain text"))
                })?;
            let repeated = sorted.kept.iter().any(|(before, _)| before == name);
            if repeated && (!extra || name == "content-type") {
                return Err(Refusal::opaque(format!("the header `{name}` stands there twice")));
            }
            sorted.kept.push((name.to_owned(), text.trim().to_owned()));
        }
    }
    sorted.content_type = sorted
        .kept
        .iter()
        .find(|(name, _)| name == "content-type")
        .map(|(_, value)| value.clone());
    if sorted
        .content_type
        .as_deref()
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/grpc"))
    {
        return Err(Refusal::opaque("gRPC cannot be looked into"));
    }
    encoding(headers, &mut sorted)?;
    sorted.carried = read_credentials(system, headers)?;
    sorted.kept.sort();
    Ok(sorted)
}

/// True where the description itself names `range`; a pattern that happens to fit is not meant.
fn gives_parts(system: &System) -> bool {
    system.headers.iter().any(|name| name == "range")
}

/// Takes out what asks for a part of an answer, unless the description says that its system gives parts and the request
/// carries no credential: each part is searched for secrets on its own, so one that lies across two would come through.
/// A server may leave a range out of account (RFC 9110, section 14.2), so the client is given the whole.
///
/// # Errors
/// [`Refusal`] for a signed request: clients of AWS put parts together without a look at whether they are parts.
pub fn without_parts(system: &System, asked: &HeaderMap, sorted: &mut Sorted) -> Result<(), Refusal> {
    if system.sigv4.is_some() && asked.contains_key(http::header::RANGE) {
        return Err(Refusal::opaque(
            "a part of an answer cannot be searched for secrets: ask for the whole, without `Range` (for the AWS tools, a \
             `multipart_threshold` above the size of the object)",
        ));
    }
    if !sorted.carried.is_empty() {
        sorted.kept.retain(|(name, _)| !PARTS.contains(&name.as_str()));
    }
    Ok(())
}

/// `Some(true)` for a header the description adds, `Some(false)` for one of every call.
fn is_kept(system: &System, name: &str) -> Option<bool> {
    let is_credential = system
        .credentials
        .iter()
        .any(|credential: &Credential| credential.is_header(name));
    if is_credential {
        return None;
    }
    if KEPT.contains(&name) {
        Some(false)
    } else {
        is_extra(system, name).then_some(true)
    }
}

/// True for a header the description adds.
pub(super) fn is_extra(system: &System, name: &str) -> bool {
    system
        .headers
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(front) => name.starts_with(front),
            None => name == pattern,
        })
}

fn encoding(headers: &HeaderMap, sorted: &mut Sorted) -> Result<(), Refusal> {
    for value in headers.get_all(http::header::CONTENT_ENCODING) {
        for part in value.to_str().unwrap_or("?").split(',') {
            match part.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !sorted.gzip => sorted.gzip = true,
                "aws-chunked" => sorted.aws_chunked = true,
                other => {
                    return Err(Refusal::opaque(format!(
                        "the body is encoded as `{}`: send it plain or as gzip",
                        shown(other)
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Every credential in the headers, without judging the rest.
///
/// # Errors
/// [`Refusal`] when one cannot be read.
pub fn credentials(system: &System, headers: &HeaderMap) -> Result<Vec<Carried>, Refusal> {
    read_credentials(system, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(more: &str, headers: &[(&'static str, &'static str)]) -> Result<Vec<String>, String> {
        let text = format!(
            "title = \"T\"\nhosts = [\"t.example\"]\ncredentials = [{{ header = \"authorization\" }}]\n{more}\n\
             [[operations]]\nname = \"get\"\ncall = \"GET /{{x...}}\"\nclass = \"read\"\n"
        );
        let system = System::parse(&"t".parse().unwrap(), &text).unwrap();
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        let mut sorted = sort(&system, &headers).map_err(|refusal| refusal.sentence)?;
        without_parts(&system, &headers, &mut sorted).map_err(|refusal| refusal.sentence)?;
        Ok(sorted.kept.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn parts_are_asked_for_where_nothing_of_ours_can_be_in_them() {
        let part = [("range", "bytes=0-22"), ("if-range", "\"a\""), ("accept", "*/*")];
        let with = [
            part.as_slice(),
            &[("authorization", "Bearer remit-placeholder-1")],
        ]
        .concat();
        assert_eq!(kept("", &part).unwrap(), ["accept"]);
        for pattern in ["[\"*\"]", "[\"r*\", \"if-*\"]", "[\"if-range\"]"] {
            assert_eq!(
                kept(&format!("headers = {pattern}"), &part).unwrap(),
                ["accept"],
                "{pattern}"
            );
        }
        let gives = "headers = [\"if-range\", \"range\"]";
        assert_eq!(kept(gives, &part).unwrap(), ["accept", "if-range", "range"]);
        assert_eq!(kept(gives, &with).unwrap(), ["accept"]);
        let why = kept("sigv4 = \"s3\"", &part).unwrap_err();
        assert!(why.contains("multipart_threshold"), "{why}");
    }
}
