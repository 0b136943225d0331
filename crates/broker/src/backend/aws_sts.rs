//! AWS STS: temporary keys of a role, for a token of our own issuer (`AssumeRoleWithWebIdentity`, STS API 2011-06-15).
//!
//! Nothing takes them back: class R3, they end by their own expiry. Session tags and the source identity are claims of the
//! token, which the role's trust policy may demand, so what AWS logs names task, run and initiator.

use std::fmt;

use remit_core::json::{Object, Value};
use secrecy::SecretString;

use super::BackendError;
use crate::port::{Answer, Ask, Body, Http, Unreached};

/// The claim that carries session tags.
const TAGS: &str = "https://aws.amazon.com/tags";
/// The claim that carries the source identity.
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The role's ARN.
    pub role: String,
    /// Name of the session, as AWS logs it: `[\w+=,.@-]{2,64}`.
    pub session: String,
    /// Life in seconds; AWS takes 900 at least.
    pub duration_s: u64,
    /// A session policy (JSON), which can only take rights away.
    pub policy: Option<String>,
}

/// Keys that were made.
pub struct Made {
    /// Access key id.
    pub id: String,
    /// Secret key.
    pub secret: SecretString,
    /// Session token.
    pub session: SecretString,
    /// When they end.
    pub expires: Expires,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A moment as STS writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expires {
    /// ISO 8601.
    Text(String),
    /// Seconds since 1970.
    Seconds(i64),
}

/// The claims that make session tags and source identity of a token; all tags are passed on when the role is changed.
pub fn claims(into: &mut Object, tags: &[(&str, &str)], source_identity: &str) {
    let mut principal = Object::new();
    for (key, text) in tags {
        principal.insert(*key, vec![Value::from(*text)]);
    }
    let keys: Vec<Value> = tags.iter().map(|(key, _)| Value::from(*key)).collect();
    let mut object = Object::new();
    object.insert("principal_tags", principal);
    object.insert("transitive_tag_keys", keys);
    into.insert(TAGS, object);
    into.insert(SOURCE_IDENTITY, source_identity);
}

/// A text as AWS takes it in session names and source identities: what is not `[A-Za-z0-9_+=,.@-]` becomes `-`, at most 64.
#[must_use]
pub fn word(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect()
}

/// Assumes the role with our token.
///
/// # Errors
/// [`BackendError`].
pub async fn assume(
    url: &str,
    token: &SecretString,
    wish: &Wish,
    allow_private: bool,
    http: &dyn Http,
) -> Result<Made, BackendError> {
    use secrecy::ExposeSecret as _;
    let mut form = String::new();
    let duration = wish.duration_s.to_string();
    let mut fields = vec![
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", wish.role.as_str()),
        ("RoleSessionName", wish.session.as_str()),
        ("DurationSeconds", duration.as_str()),
        ("WebIdentityToken", token.expose_secret()),
    ];
    if let Some(policy) = &wish.policy {
        fields.push(("Policy", policy));
    }
    for (name, text) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        encode(text, &mut form);
    }
    let answer = http
        .ask(Ask {
            url: format!("{}/", url.trim_end_matches('/')),
            body: Body::Form(SecretString::from(form)),
            authorization: None,
            allow_private,
        })
        .await?;
    read(&answer)
}

fn read(answer: &Answer) -> Result<Made, BackendError> {
    let text = std::str::from_utf8(&answer.body)
        .map_err(|_| Unreached::answered(answer.status, "its answer is not text"))?;
    let fields = Fields::of(text);
    if answer.status != 200 {
        let said: String = [fields.get("Code"), fields.get("Message")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(": ");
        let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
        return Err(Unreached::answered(answer.status, said).into());
    }
    let need = |name: &str| {
        fields
            .get(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| BackendError::from(Unreached::answered(200, format!("it says no `{name}`"))))
    };
    let expires = need("Expiration")?;
    Ok(Made {
        id: need("AccessKeyId")?,
        secret: SecretString::from(need("SecretAccessKey")?),
        session: SecretString::from(need("SessionToken")?),
        expires: match expires.parse::<f64>() {
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
            Ok(seconds) => Expires::Seconds(seconds as i64),
            Err(_) => Expires::Text(expires),
        },
    })
}

/// Single values of an answer, which is XML, or JSON where a server answers what was accepted.
enum Fields<'a> {
    Json(serde_json::Value),
    Xml(&'a str),
}

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        match serde_json::from_str(text) {
            Ok(json @ serde_json::Value::Object(_)) => Self::Json(json),
            _ => Self::Xml(text),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Json(json) => below(json, name),
            Self::Xml(text) => {
                let (_, rest) = text.split_once(&format!("<{name}>"))?;
                let (inner, _) = rest.split_once(&format!("</{name}>"))?;
                unescaped(inner.trim())
            }
        }
    }
}

fn below(json: &serde_json::Value, name: &str) -> Option<String> {
    let object = json.as_object()?;
    match object.get(name) {
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        _ => object.values().find_map(|inner| below(inner, name)),
    }
}

/// The text of an element without elements inside (XML 1.0, section 4.6: predefined entities).
fn unescaped(text: &str) -> Option<String> {
    if text.contains('<') {
        return None;
    }
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    Some(plain)
}

/// Percent-encodes everything but letters, digits and `-._~` (RFC 3986, section 2.3).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use zeroize::Zeroizing;

    use super::*;

    fn answer(status: u16, text: &str) -> Answer {
        Answer {
            status,
            body: Zeroizing::new(text.as_bytes().to_vec()),
        }
    }

    /// The example answer of the STS API reference, shortened.
    #[test]
    fn both_forms_of_the_answer_are_read() {
        let xml = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
            <SessionToken>AQoDYXdzEE0a8ANXXXX/EXAMPLE&amp;==</SessionToken><SecretAccessKey>wJalr/bPx</SecretAccessKey>\
            <Expiration>2014-10-24T23:00:23Z</Expiration><AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId></Credentials>\
            </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
        let made = read(&answer(200, xml)).unwrap();
        assert_eq!(made.id, "ASgeIAIOSFODNN7EXAMPLE");
        assert_eq!(made.session.expose_secret(), "AQoDYXdzEE0a8ANXXXX/EXAMPLE&==");
        assert_eq!(made.expires, Expires::Text("2014-10-24T23:00:23Z".to_owned()));
        let json = r#"{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Credentials":
            {"AccessKeyId":"A","SecretAccessKey":"canary","SessionToken":"T","Expiration":1.414191623E9}}}}"#;
        let made = read(&answer(200, json)).unwrap();
        assert_eq!(made.expires, Expires::Seconds(1_414_191_623));
        assert!(!format!("{made:?}").contains("canary"), "keys are not shown");
    }

    #[test]
    fn what_is_missing_or_refused_is_said_without_values() {
        let xml = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider</Message></Error></ErrorResponse>";
        let why = read(&answer(400, xml)).unwrap_err();
        assert!(
            matches!(&why, BackendError::Refused(text) if text.contains("InvalidIdentityToken: No OpenIDConnect"))
        );
        let half = "<AccessKeyId>AKIA</AccessKeyId><SecretAccessKey>canary</SecretAccessKey><Expiration>x</Expiration>";
        let why = read(&answer(200, half)).unwrap_err().to_string();
        assert!(why.contains("SessionToken") && !why.contains("canary"), "{why}");
        assert!(read(&answer(200, "<AccessKeyId><b>x</b></AccessKeyId>")).is_err());
    }

    #[test]
    fn words_and_claims_are_what_aws_takes() {
        assert_eq!(word("alice@example.org"), "alice@example.org");
        assert_eq!(word("spiffe://x/a b"), "spiffe---x-a-b");
        let mut object = Object::new();
        claims(&mut object, &[("task", "task_1")], "alice");
        let text = Value::Object(object).to_canonical();
        assert_eq!(
            String::from_utf8_lossy(&text),
            r#"{"https://aws.amazon.com/source_identity":"alice","https://aws.amazon.com/tags":{"principal_tags":{"task":["task_1"]},"transitive_tag_keys":["task"]}}"#
        );
    }
}
