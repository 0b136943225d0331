//! Against a second parser: what we take, it takes, and reads alike.

use super::strategies::{value, write_freely};
use proptest::prelude::*;
use remit_core::json::{Bounds, ErrorKind, Object, Value, parse};

/// What `serde_json` read, as one of our values.
fn ours(theirs: &serde_json::Value) -> Value {
    match theirs {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => {
            Value::try_from(number.as_f64().expect("a double")).expect("finite")
        }
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => items.iter().map(ours).collect(),
        serde_json::Value::Object(members) => members
            .iter()
            .map(|(key, member)| (key.as_str(), ours(member)))
            .collect::<Object>()
            .into(),
    }
}

/// What we refuse on top of the grammar.
fn stricter(kind: ErrorKind) -> bool {
    use ErrorKind::*;
    matches!(kind, DuplicateKey | InexactNumber | NulCharacter)
}

fn compare(document: &[u8]) -> Result<(), TestCaseError> {
    let theirs: Result<serde_json::Value, _> = serde_json::from_slice(document);
    match (parse(document, &Bounds::REQUEST), theirs) {
        (Ok(value), Ok(theirs)) => prop_assert_eq!(value, ours(&theirs)),
        (Ok(value), Err(error)) => prop_assert!(false, "only we take {}: {}", value, error),
        (Err(error), Ok(theirs)) => {
            prop_assert!(stricter(error.kind), "only we refuse {}: {}", theirs, error);
        }
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn values_written_freely(value in value(), seed in any::<Vec<u8>>()) {
        let mut seed = seed.into_iter().cycle();
        let mut choices = |end: usize| seed.next().map_or(0, usize::from) % end;
        compare(write_freely(&value, &mut choices).as_bytes())?;
    }

    #[test]
    fn json_like_text(text in "[\\[{]?[\\[\\]{}:,\"\\\\ 0-9eE.+\\-ua-ftrnl]{0,20}[\\]}]?") {
        compare(text.as_bytes())?;
    }

    #[test]
    fn decimals(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?") {
        compare(text.as_bytes())?;
    }

    #[test]
    fn strings(text in "\"(\\\\[\"\\\\/bfnrtux]|\\\\u[dD][89abcdEF][0-9a-f]{2}|\\\\u[0-9a-fA-F]{4}|[ -~]|\\PC|\\n){0,12}\"") {
        compare(text.as_bytes())?;
    }
}
