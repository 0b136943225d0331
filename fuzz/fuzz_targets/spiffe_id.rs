//! Any text as a SPIFFE ID: `cargo +nightly fuzz run spiffe_id`. What is taken is its own only spelling; the stable short
//! form is `crates/identity/tests/it/spiffe.rs`.
#![no_main]

use remit_identity::SpiffeId;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.as_str(), text);
        assert_eq!(format!("{}{}", id.trust_domain().id(), id.path()), text);
        assert!(
            id.segments()
                .all(|segment| !segment.is_empty() && segment != "." && segment != "..")
        );
        assert!(id.is_under(&id));
    }
});
