//! JSON pointers, RFC 6901.

use super::Value;
use std::borrow::Cow;

impl Value {
    /// The value at `pointer`, such as `/items/0/name`; the empty pointer is this value. `None` when nothing
    /// is there or the pointer is malformed.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Self::Object(object) => object.get(&unescape(step)?),
            Self::Array(items) => items.get(index(step)?),
            _ => None,
        })
    }

    /// The value at `pointer`, to be changed: see [`Value::pointer`].
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Self::Object(object) => object.get_mut(&unescape(step)?),
            Self::Array(items) => items.get_mut(index(step)?),
            _ => None,
        })
    }
}

fn steps(pointer: &str) -> Option<impl Iterator<Item = &str>> {
    let mut steps = pointer.split('/');
    (steps.next() == Some("")).then_some(steps)
}

fn unescape(step: &str) -> Option<Cow<'_, str>> {
    if !step.contains('~') {
        return Some(Cow::Borrowed(step));
    }
    let mut parts = step.split('~');
    let mut key = parts.next()?.to_owned();
    for part in parts {
        let (mark, rest) = part.split_at_checked(1)?;
        key.push(match mark {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        key.push_str(rest);
    }
    Some(Cow::Owned(key))
}

fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
    step.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use crate::{array, json::Value, object};

    #[test]
    fn finds_what_rfc_6901_section_5_finds() {
        let value = object! {
            "foo": array!["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
        };
        let at = |pointer: &str| value.pointer(pointer).map(ToString::to_string);
        assert_eq!(value.pointer(""), Some(&value));
        assert_eq!(at("/foo").as_deref(), Some(r#"["bar","baz"]"#));
        assert_eq!(at("/foo/0").as_deref(), Some(r#""bar""#));
        for (pointer, number) in [
            ("/", 0),
            ("/a~1b", 1),
            ("/c%d", 2),
            ("/e^f", 3),
            ("/g|h", 4),
            ("/i\\j", 5),
            ("/k\"l", 6),
            ("/ ", 7),
            ("/m~0n", 8),
        ] {
            assert_eq!(
                value.pointer(pointer).and_then(Value::as_i64),
                Some(number),
                "{pointer}"
            );
        }
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        let value = object! { "a": array![1, 2], "m~n": 1 };
        for pointer in [
            "a", "/b", "/a/2", "/a/-", "/a/01", "/a/+1", "/a/", "/a/0/x", "/m~n", "/m~2n", "/m~", "/m~é",
            "//",
        ] {
            assert_eq!(value.pointer(pointer), None, "{pointer}");
        }
    }

    #[test]
    fn changes_in_place() {
        let mut value = object! { "a": array![object! { "b": 1 }] };
        *value.pointer_mut("/a/0/b").expect("is there") = "new".into();
        assert_eq!(value.to_string(), r#"{"a":[{"b":"new"}]}"#);
    }
}
