//! What methods and names say an operation does and a field means.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::file::OperationFile;
use super::fields::Schema;
use super::resolve;

/// Words in names and paths that say data or value goes to somebody else.
const TRANSFER: [&str; 17] = [
    "send", "pay", "payment", "transfer", "refund", "payout", "publish", "share", "invite", "notify",
    "forward", "withdraw", "export", "message", "mail", "email", "sms",
];
/// Words that say who may do what is changed.
const PRIVILEGE: [&str; 12] = [
    "permission",
    "permissions",
    "role",
    "roles",
    "policy",
    "policies",
    "token",
    "tokens",
    "key",
    "keys",
    "grant",
    "member",
];
/// Words that say code runs.
const EXEC: [&str; 6] = ["exec", "execute", "run", "eval", "script", "command"];
/// Names of fields that name people by mail address.
const MAIL: [&str; 10] = [
    "to",
    "cc",
    "bcc",
    "recipient",
    "recipients",
    "mail",
    "email",
    "emails",
    "replyto",
    "invitees",
];
/// Members of an answer that are credentials.
const CREDENTIALS: [&str; 9] = [
    "accesstoken",
    "refreshtoken",
    "apikey",
    "apitoken",
    "clientsecret",
    "privatekey",
    "secretkey",
    "secret",
    "password",
];

/// The class a method, and words that say more, propose.
pub(super) fn class(method: &str, name: &str, path: &str) -> &'static str {
    let words: BTreeSet<String> = split(name).chain(split(path)).collect();
    let says = |list: &[&str]| list.iter().any(|word| words.contains(*word));
    match method {
        "GET" | "HEAD" | "OPTIONS" => "read",
        "DELETE" => "delete",
        _ if says(&PRIVILEGE) => "privilege",
        _ if says(&EXEC) => "exec",
        _ if says(&TRANSFER) => "transfer",
        _ => "write",
    }
}

/// What a field of this name, type and format means.
pub(super) fn role(name: &str, kind: &str, format: &str) -> Option<&'static str> {
    let plain = plain(name);
    match kind {
        "string" | "strings"
            if MAIL.contains(&plain.as_str()) || plain.contains("email") || format == "email" =>
        {
            Some("mail")
        }
        "string" | "strings"
            if ["url", "uri", "webhook", "callback"]
                .iter()
                .any(|word| plain.ends_with(word))
                || matches!(format, "uri" | "url") =>
        {
            Some("url")
        }
        "string" | "strings" if matches!(plain.as_str(), "channel" | "channelid" | "channels") => {
            Some("channel")
        }
        "string" if matches!(plain.as_str(), "iban" | "destinationaccount" | "beneficiary") => {
            Some("account")
        }
        "integer" | "number" | "string"
            if plain == "amount" || (plain.ends_with("amount") && kind != "string") =>
        {
            Some("amount")
        }
        _ => None,
    }
}

/// True when a good answer holds a credential.
pub(super) fn mints(document: &Value, method: &str, made: &OperationFile, operation: &Value) -> bool {
    let responses = operation.get("responses").and_then(Value::as_object);
    let good = responses
        .into_iter()
        .flatten()
        .filter(|(status, _)| status.starts_with('2'));
    let mut schemas = good
        .filter_map(|(_, response)| resolve(document, response)?.get("content")?.as_object())
        .flatten()
        .map(|(_, media)| Schema::of(document, media.get("schema")));
    let issues = made.class == "privilege" && method != "GET";
    schemas.any(|schema| {
        schema.properties().any(|(name, property)| {
            let plain = plain(name);
            property.kind == "string"
                && (CREDENTIALS.contains(&plain.as_str())
                    || (issues && matches!(plain.as_str(), "token" | "key")))
        })
    })
}

/// Letters and digits alone, lower case: `reply-to` and `replyTo` are one.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Words of `createUserKey`, `/user/keys`, `create_user-key`.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    for c in text.chars() {
        let last = words.last_mut();
        if c.is_ascii_uppercase() || !c.is_ascii_alphanumeric() {
            words.push(String::new());
        } else if let Some(last) = last {
            last.push(c);
            continue;
        }
        if let (true, Some(last)) = (c.is_ascii_uppercase(), words.last_mut()) {
            last.push(c.to_ascii_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}
