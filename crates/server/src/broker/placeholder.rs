//! Placeholders: what agents carry in place of secrets. Worthless anywhere else: each is made for one run and one secret,
//! and leads back for that run and towards that secret's system only.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use remit_core::id::RunId;
use remit_core::name::Name;

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

/// The secret a placeholder stands for, if it was made for `run` and the secret belongs to `system`.
#[must_use]
pub fn resolve(app: &App, run: RunId, system: &Name, text: &str) -> Option<Name> {
    if !text.starts_with(PLACEHOLDER) {
        return None;
    }
    let secrets = app.broker.secrets();
    secrets
        .values()
        .filter(|secret| secret.system.as_ref() == Some(system))
        .find(|secret| {
            let expected = placeholder(app, run, &secret.name);
            verify_slices_are_equal(expected.as_bytes(), text.as_bytes()).is_ok()
        })
        .map(|secret| secret.name.clone())
}
