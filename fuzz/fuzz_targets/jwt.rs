//! Any text as a token, a proof, a key set and a bundle: `cargo +nightly fuzz run jwt`. Nothing is ever taken without a
//! signature of ours, which no fuzzer makes; the stable short form is `crates/identity/tests/it/jwt.rs`.
#![no_main]

use remit_core::time::Timestamp;
use remit_identity::dpop::{self, Expected};
use remit_identity::{Bundle, Expect, Jws, KeySet, SigningKey, Verifier};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(jws) = Jws::read(text) {
        let _ = jws.unverified();
    }
    let _ = KeySet::parse(text.as_bytes());
    let _ = Bundle::parse(text.as_bytes());
    let now = Timestamp(1_795_000_000_000);
    if let Ok(key) = SigningKey::from_seed(&[1; 32]) {
        let keys = KeySet::new(vec![key.public().clone()]);
        let expect = Expect {
            audiences: &["us"],
            ..Expect::default()
        };
        assert!(Verifier { keys: &keys, expect }.verify(text, now).is_err());
    }
    let expected = Expected {
        method: "POST",
        urls: &["https://us/mcp"],
        access_token: None,
    };
    let _ = dpop::verify(text, &expected, None, now);
});
