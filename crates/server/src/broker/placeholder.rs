//! Placeholders: what agents carry in place of secrets. Worthless anywhere else: each is made for one run and one secret,
//! and leads back for that run and towards that secret's system only.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use remit_core::id::RunId;
use remit_core::name::Name;

use super::backends;
use crate::app::App;

/// What every placeholder starts with.
pub const PLACEHOLDER: &str = "remit-placeholder-";

/// The placeholder of `secret` for `run`: always the same one.
#[must_use]
pub fn placeholder(app: &App, run: RunId, secret: &Name) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app.broker.placeholders.bytes());
    let tag = hmac::sign(&key, format!("{run}/{secret}").as_bytes());
    let mut text = PLACEHOLDER.to_owned();
    for byte in tag.as_ref().iter().take(16) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The secret or credential a placeholder stands for, if it was made for `run` and opens `system`.
#[must_use]
pub fn resolve(app: &App, run: RunId, system: &Name, text: &str) -> Option<Name> {
    if !text.starts_with(PLACEHOLDER) {
        return None;
    }
    openers(app)
        .filter(|(_, of)| of == system)
        .find(|(name, _)| {
            let expected = placeholder(app, run, name);
            verify_slices_are_equal(expected.as_bytes(), text.as_bytes()).is_ok()
        })
        .map(|(name, _)| name)
}

/// Everything that opens a system, with that system: what is made for tasks, and secrets. One name stands for one of them.
pub(super) fn openers(app: &App) -> impl Iterator<Item = (Name, Name)> {
    let secrets = app.broker.secrets();
    let secrets: Vec<(Name, Name)> = secrets
        .values()
        .filter(|secret| !secret.retired && !app.config.credentials.contains_key(secret.name.as_str()))
        .filter_map(|secret| Some((secret.name.clone(), secret.system.clone()?)))
        .collect();
    backends::all(app).chain(secrets)
}

/// The decoy of a run: it looks like a placeholder and stands for nothing. Whoever uses it went looking for credentials.
#[must_use]
pub fn decoy(app: &App, run: RunId) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app.broker.placeholders.bytes());
    // No secret has this name, so no placeholder is ever the same.
    let tag = hmac::sign(&key, format!("{run}/ decoy").as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{PLACEHOLDER}{hex}")
}

/// What a run gets in its environment instead of secrets: a placeholder per secret whose system its task may reach, under
/// the secret's name in capitals, and the decoy under a name that promises much.
#[must_use]
pub fn environment(app: &App, run: RunId, reaches: impl Fn(&Name) -> bool) -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = openers(app)
        .filter(|(_, system)| reaches(system))
        .map(|(name, _)| (variable(&name), placeholder(app, run, &name)))
        .collect();
    variables.push((DECOY_VARIABLE.to_owned(), decoy(app, run)));
    variables
}

/// Under which name the decoy lies in the environment.
const DECOY_VARIABLE: &str = "ADMIN_BACKUP_TOKEN";

fn variable(secret: &Name) -> String {
    let letter = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = secret.as_str().chars().map(letter).collect();
    // A variable does not begin with a digit (POSIX.1-2017, 8.1).
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}
