//! Opaque arguments that matter: those by which a call may reach somewhere that rules do not see.

use remit_core::amount;
use remit_core::json::{Object, Value};
use remit_core::tool::{ArgumentRole, Classification};

/// True when an opaque argument is one that decides where the call reaches: a resource or a destination. One of which only
/// members deeper down have such a meaning counts where it has another form than the one in which they are found: what is
/// found is in `context.resources` and `context.destinations`. Amounts count only when they cannot be read, for bounds
/// and budgets read them without Cedar.
#[must_use]
pub fn salient_opaque(opaque: &[String], classification: &Classification, arguments: &Object) -> bool {
    let whole = Value::Object(arguments.clone());
    opaque.iter().any(|pointer| {
        classification
            .arguments
            .iter()
            .filter(|rule| overlaps(pointer, &rule.pointer))
            .any(|rule| match rule.role {
                ArgumentRole::Resource { .. } | ArgumentRole::Destination { .. } => {
                    let deeper = rule.pointer.split('/').skip(pointer.split('/').count());
                    let deeper: Vec<&str> = deeper.collect();
                    deeper.is_empty() || whole.pointer(pointer).is_none_or(|value| hides(value, &deeper))
                }
                ArgumentRole::Amount => whole.pointer(pointer).and_then(amount::of).is_none(),
                ArgumentRole::Content => false,
            })
    })
}

/// One pointer lies at or under the other; `*` in the rule's stands for any segment.
fn overlaps(opaque: &str, rule: &str) -> bool {
    opaque
        .split('/')
        .zip(rule.split('/'))
        .all(|(a, b)| a == b || b == "*")
}

/// True when `value` could hold what is at `path` somewhere else than there. A text or a number in its place holds nothing.
fn hides(value: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        // What is found is read, or is opaque by itself.
        return false;
    };
    match (value, *first) {
        (Value::Array(items), "*") => items.iter().any(|item| hides(item, rest)),
        (Value::Object(_), "*") | (Value::Array(_), _) => true,
        (Value::Object(object), name) => {
            let name = name.replace("~1", "/").replace("~0", "~");
            object.get(&name).is_some_and(|member| hides(member, rest))
        }
        (Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::destination::DestinationKind;
    use remit_core::json::{Bounds, parse};
    use remit_core::label::Labels;
    use remit_core::tool::{ArgumentRule, Marks, ToolClass};

    #[test]
    fn what_is_found_deeper_down_is_seen_and_another_form_hides_it() {
        let classification = Classification {
            class: ToolClass::Read,
            marks: Marks::default(),
            arguments: vec![ArgumentRule {
                pointer: "/input/*/parts/*/url".to_owned(),
                role: ArgumentRole::Destination {
                    kind: DestinationKind::Url,
                },
            }],
            labels: Labels::new(),
            because: String::new(),
        };
        for (arguments, salient) in [
            (r#"{"input":"text"}"#, false),
            (
                r#"{"input":[{"parts":"text"},{"parts":[{"url":"https://a.example"},{"text":"x"}]}]}"#,
                false,
            ),
            (r#"{"input":[]}"#, false),
            (r#"{"input":{"0":{"parts":[{"url":"https://a.example"}]}}}"#, true),
            (r#"{"input":[{"parts":{"url":"https://a.example"}}]}"#, true),
            (r#"{"input":[[{"parts":[]}]]}"#, true),
        ] {
            let value = parse(arguments.as_bytes(), &Bounds::REQUEST).unwrap();
            let found = salient_opaque(
                &["/input".to_owned()],
                &classification,
                value.as_object().unwrap(),
            );
            assert_eq!(found, salient, "{arguments}");
        }
        let exact = salient_opaque(
            &["/input/0/parts/0/url".to_owned()],
            &classification,
            &Object::new(),
        );
        assert!(exact);
    }
}
