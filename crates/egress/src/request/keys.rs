//! Names that differ from a declared one by their letters' case alone: some servers read them as the same, and the last of
//! them counts.

use remit_core::json::{Object, Value};

use super::Head;
use super::body::Decoded;
use crate::describe::Operation;
use crate::refusal::{Refusal, shown};

/// # Errors
/// [`Refusal`] when the query or the body holds such a name.
pub(super) fn expect_exact(operation: &Operation, head: &Head, decoded: &Decoded) -> Result<(), Refusal> {
    let fields = operation.fields.keys().map(String::as_str);
    let conditions = operation.when.keys().map(String::as_str);
    for at in fields.chain(conditions).chain(operation.naming()) {
        let twin = match (at.strip_prefix("query."), at.strip_prefix("body.")) {
            (Some(name), _) => head
                .target
                .query()
                .iter()
                .map(|(key, _)| key.as_str())
                .find(|key| is_twin(key, name)),
            (_, Some(path)) => decoded.object().and_then(|body| in_body(body, path)),
            _ => None,
        };
        if let Some(twin) = twin {
            return Err(Refusal::opaque(format!(
                "`{}` differs from `{at}` in the case of its letters alone: some servers take one for the other",
                shown(twin)
            )));
        }
    }
    Ok(())
}

fn is_twin(key: &str, name: &str) -> bool {
    if key == name {
        return false;
    }
    if key.is_ascii() && name.is_ascii() {
        return key.eq_ignore_ascii_case(name);
    }
    // Both ways: the long s is an `S` only in upper case, the Kelvin sign a `k` only in lower case.
    let folded = |text: &str| text.to_uppercase().to_lowercase();
    folded(key) == folded(name)
}

fn in_body<'b>(body: &'b Object, path: &str) -> Option<&'b str> {
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(first, rest)| (first, Some(rest)));
    let twin = body.keys().find(|key| is_twin(key, first));
    twin.or_else(|| deeper(body.get(first)?, rest?))
}

fn deeper<'b>(value: &'b Value, path: &str) -> Option<&'b str> {
    match (value, path.strip_prefix("*")) {
        (Value::Object(object), None) => in_body(object, path),
        (Value::Array(items), Some(rest)) => {
            let rest = rest.strip_prefix('.')?;
            items.iter().find_map(|item| deeper(item, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_case_is_a_twin_whatever_letters_it_takes() {
        for twin in ["Destination", "DESTINATION", "de\u{17f}tination"] {
            assert!(is_twin(twin, "destination"), "{twin}");
        }
        assert!(is_twin("\u{212a}ey", "key"));
        for other in ["destination", "destinations", "d\u{e9}stination", ""] {
            assert!(!is_twin(other, "destination"), "{other}");
        }
    }
}
