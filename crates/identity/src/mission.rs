//! Integrity anchors of mission-bound authorization (draft-mcguinness-oauth-mission, "Integrity Anchor"):
//! `sha-256:` over the canonical form of `{iss, typ, value}`. The shape is borrowed, conformance is not claimed.

use remit_core::digest::Digest;
use remit_core::json::Value;
use remit_core::object;

/// `typ` of an intent.
pub const INTENT: &str = "mission-intent";
/// `typ` of an authority set.
pub const AUTHORITY: &str = "mission-authority-set";

/// The anchor of `value`: what kind it is and who says so are part of what is hashed.
#[must_use]
pub fn anchor(issuer: &str, typ: &str, value: &Value) -> Digest {
    let envelope = object! { "iss": issuer, "typ": typ, "value": value.clone() };
    Digest::of(&envelope.to_canonical())
}
