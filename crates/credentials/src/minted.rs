//! Credentials in an answer that is known to hold some: found by the names of their fields and by known forms, and replaced,
//! so that the agent gets placeholders in their place.

use remit_core::json::{Bounds, Object, Value, parse};
use zeroize::Zeroizing;

use crate::detect::{self, Kind};

/// Names of fields that hold a credential, without `_`, `-` and case.
const FIELDS: [&str; 17] = [
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "authtoken",
    "runnerstoken",
    "secret",
    "clientsecret",
    "webhooksecret",
    "signingsecret",
    "password",
    "privatekey",
    "apikey",
    "secretkey",
    "secretaccesskey",
    "sessiontoken",
    "accesskeyid",
];
/// The elements of an AWS answer in XML.
const ELEMENTS: [&str; 3] = ["AccessKeyId", "SecretAccessKey", "SessionToken"];
/// Shorter values are words, not credentials.
const VALUE_BYTES_MIN: usize = 8;

/// What a found value is to a request that is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A credential that is presented as it is.
    Whole,
    /// The id of an AWS key.
    AwsId,
    /// Its secret.
    AwsSecret,
    /// Its session token.
    AwsSession,
}

/// One credential in an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    /// Its value.
    pub value: Zeroizing<String>,
    /// What it is.
    pub part: Part,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found")
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// Every credential in `body`, in order, each once.
#[must_use]
pub fn find(body: &str) -> Vec<Found> {
    let mut found = Vec::new();
    match parse(body.as_bytes(), &Bounds::RESPONSE) {
        Ok(value) => below(&value, &mut found),
        Err(_) => {
            for name in ELEMENTS {
                if let Some(text) = element(body, name) {
                    push(&mut found, text, part(&plain(name)));
                }
            }
            forms(body, &mut found);
        }
    }
    found
}

/// `body` with each value replaced by what stands for it. JSON comes out in canonical form.
///
/// # Errors
/// A sentence, when a value would be left in it: then nothing of it may be passed on.
pub fn replace(body: &str, pairs: &[(Found, String)]) -> Result<String, &'static str> {
    let text = |text: &str| {
        let mut out = text.to_owned();
        for (found, instead) in pairs {
            if out.contains(found.value.as_str()) {
                out = out.replace(found.value.as_str(), instead);
            }
        }
        out
    };
    let replaced = match parse(body.as_bytes(), &Bounds::RESPONSE) {
        Ok(value) => {
            let canonical = mapped(&value, &text).to_canonical();
            String::from_utf8(canonical.to_vec()).map_err(|_| "the answer cannot be written")?
        }
        Err(_) => text(body),
    };
    if pairs
        .iter()
        .any(|(found, _)| replaced.contains(found.value.as_str()))
    {
        return Err("a credential in the answer cannot be taken out of it");
    }
    Ok(replaced)
}

fn mapped(value: &Value, text: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(inner) => Value::from(text(inner)),
        Value::Array(items) => Value::Array(items.iter().map(|item| mapped(item, text)).collect()),
        Value::Object(object) => {
            let mut out = Object::new();
            for (key, inner) in object.iter() {
                out.insert(text(key), mapped(inner, text));
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn below(value: &Value, found: &mut Vec<Found>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| below(item, found)),
        Value::Object(object) => {
            for (key, inner) in object.iter() {
                match inner {
                    Value::String(text) if FIELDS.contains(&plain(key).as_str()) => {
                        push(found, text, part(&plain(key)));
                    }
                    Value::String(text) => forms(text, found),
                    inner => below(inner, found),
                }
            }
        }
        Value::String(text) => forms(text, found),
        _ => {}
    }
}

/// Credentials in a known form, wherever they stand.
fn forms(text: &str, found: &mut Vec<Found>) {
    for one in detect::find(text) {
        if matches!(one.kind, Kind::Known(_)) {
            push(found, text.get(one.at).unwrap_or_default(), Part::Whole);
        }
    }
}

fn push(found: &mut Vec<Found>, value: &str, part: Part) {
    if value.len() >= VALUE_BYTES_MIN && !found.iter().any(|one| one.value.as_str() == value) {
        found.push(Found {
            value: Zeroizing::new(value.to_owned()),
            part,
        });
    }
}

fn plain(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn part(field: &str) -> Part {
    match field {
        "accesskeyid" => Part::AwsId,
        "secretaccesskey" => Part::AwsSecret,
        "sessiontoken" => Part::AwsSession,
        _ => Part::Whole,
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    (!inner.contains(['<', '&'])).then(|| inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(body: &str) -> (Vec<Part>, String) {
        let found = find(body);
        let parts = found.iter().map(|one| one.part).collect();
        let pairs: Vec<_> = found
            .into_iter()
            .enumerate()
            .map(|(n, one)| (one, format!("PLACEHOLDER{n}")))
            .collect();
        (parts, replace(body, &pairs).unwrap())
    }

    #[test]
    fn fields_and_forms_are_replaced_and_the_rest_stays() {
        let forge = concat!("glpat-", "aBcDeFgHiJkLmNoPqRsT");
        let body = format!(
            r#"{{"id":7,"name":"ci","token":"{forge}","note":"use {forge} twice","scopes":["api"]}}"#
        );
        let (parts, out) = replaced(&body);
        assert_eq!(parts, [Part::Whole]);
        assert_eq!(
            out,
            r#"{"id":7,"name":"ci","note":"use PLACEHOLDER0 twice","scopes":["api"],"token":"PLACEHOLDER0"}"#
        );
        let (_, nested) = replaced(r#"{"data":[{"client_secret":"pl\u0061in-looking-value"}]}"#);
        assert_eq!(nested, r#"{"data":[{"client_secret":"PLACEHOLDER0"}]}"#);
    }

    #[test]
    fn the_keys_of_an_aws_answer_are_three_parts() {
        let xml = "<R><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId><SecretAccessKey>wJalrXUtnFEMI/K7</SecretAccessKey>\
            <SessionToken>FwoGZXIvYXdzEA==</SessionToken></Credentials><Arn>arn:aws:x</Arn></R>";
        let (parts, out) = replaced(xml);
        assert_eq!(parts, [Part::AwsId, Part::AwsSecret, Part::AwsSession]);
        assert!(
            out.contains("<AccessKeyId>PLACEHOLDER0</AccessKeyId>") && out.contains("arn:aws:x"),
            "{out}"
        );
        assert!(!out.contains("FwoG") && !out.contains("wJalr"), "{out}");
    }

    #[test]
    fn an_answer_without_any_stays_without_any() {
        for body in [
            "",
            "ok",
            r#"{"token":null,"password":""}"#,
            r#"{"token":"short"}"#,
        ] {
            assert!(find(body).is_empty(), "{body}");
        }
    }
}
