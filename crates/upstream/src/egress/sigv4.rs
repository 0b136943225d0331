//! AWS Signature Version 4 (AWS General Reference, "Create a signed AWS API request").

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use http::{HeaderMap, HeaderValue};
use remit_core::time::Timestamp;
use secrecy::ExposeSecret;

use super::injection::AwsKey;
use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;

/// What is signed.
pub(super) struct Signed<'r> {
    pub(super) method: &'r str,
    /// `/path?query`, percent-encoded.
    pub(super) target: &'r str,
    /// SHA-256 of the body, in hexadecimal.
    pub(super) body: &'r str,
}

/// Adds `x-amz-date`, `x-amz-content-sha256`, `x-amz-security-token` and `authorization`. `headers` hold `host` already.
pub(super) fn sign(
    key: &AwsKey,
    request: &Signed<'_>,
    now: Timestamp,
    headers: &mut HeaderMap,
) -> Result<(), Failure> {
    let bad = |why: &str| {
        Failure::new(
            ErrorKind::BadSpec,
            Sent::No,
            format!("the request cannot be signed: {why}"),
        )
    };
    let moment = jiff::Timestamp::from_millisecond(now.0).map_err(|_| bad("the clock is far off"))?;
    let moment = moment.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = moment.get(..8).unwrap_or_default();
    let put = |headers: &mut HeaderMap, name: &'static str, text: &str| {
        let value = HeaderValue::from_str(text).map_err(|_| bad("a header cannot be written"))?;
        headers.insert(name, value);
        Ok::<_, Failure>(())
    };
    put(headers, "x-amz-date", &moment)?;
    put(headers, "x-amz-content-sha256", request.body)?;
    if let Some(session) = &key.session {
        put(headers, "x-amz-security-token", session.expose_secret())?;
    }
    let (canonical, names) = canonical(key, request, headers);
    let scope = format!("{date}/{}/{}/aws4_request", key.region, key.service);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        sha256(canonical.as_bytes())
    );
    let mut signing = format!("AWS4{}", key.secret.expose_secret()).into_bytes();
    for part in [date, &key.region, &key.service, "aws4_request"] {
        signing = mac(&signing, part.as_bytes());
    }
    let signature = hex(&mac(&signing, to_sign.as_bytes()));
    let id = &key.id;
    put(
        headers,
        "authorization",
        &format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
    )?;
    if let Some(value) = headers.get_mut("authorization") {
        value.set_sensitive(true);
    }
    Ok(())
}

fn canonical(key: &AwsKey, request: &Signed<'_>, headers: &HeaderMap) -> (String, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let mut uri = String::new();
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            uri.push('/');
        }
        let mut once = String::new();
        encode_bytes(&decoded(segment), &mut once);
        if key.service == "s3" {
            uri.push_str(&once);
        } else {
            encode(&once, &mut uri);
        }
    }
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let again = |text: &str| {
                let mut out = String::new();
                encode_bytes(&decoded(text), &mut out);
                out
            };
            (again(name), again(value))
        })
        .collect();
    pairs.sort();
    let query = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    let mut signed: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                value.to_str().unwrap_or_default().trim().to_owned(),
            )
        })
        .filter(|(name, _)| *name != "user-agent" && *name != "authorization")
        .collect();
    signed.sort();
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let mut names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    names.dedup();
    let names = names.join(";");
    let canonical = format!(
        "{}\n{uri}\n{query}\n{lines}\n{names}\n{}",
        request.method, request.body
    );
    (canonical, names)
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encodes everything but letters, digits and `-._~` (RFC 3986, section 2.3).
pub(super) fn encode(text: &str, out: &mut String) {
    encode_bytes(text.as_bytes(), out);
}

fn encode_bytes(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                out.extend(
                    high.zip(low)
                        .and_then(|(high, low)| u8::try_from(high * 16 + low).ok()),
                );
            }
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Authenticating Requests: Using the Authorization Header", example "GET Object", of the Amazon S3 API reference.
    #[test]
    fn the_published_example() {
        let key = AwsKey {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
            session: None,
            region: "us-east-1".into(),
            service: "s3".into(),
        };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("examplebucket.s3.amazonaws.com"));
        headers.insert("range", HeaderValue::from_static("bytes=0-9"));
        let request = Signed {
            method: "GET",
            target: "/test.txt",
            body: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        };
        sign(&key, &request, Timestamp(1_369_353_600_000), &mut headers).unwrap();
        let signed = headers["authorization"].to_str().unwrap();
        assert!(
            signed.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{signed}"
        );
        assert!(
            signed.contains("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"),
            "{signed}"
        );
    }
}
