//! Cedar values, made directly: without expressions or JSON on the way.

use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::{EntityUID, Literal, Value};

/// A string.
pub(crate) fn text(text: &str) -> Value {
    Value::new(Literal::from(text), None)
}

/// A Long.
pub(crate) fn long(number: i64) -> Value {
    Value::new(Literal::from(number), None)
}

/// A Bool.
pub(crate) fn boolean(yes: bool) -> Value {
    Value::new(Literal::from(yes), None)
}

/// A reference to an entity.
pub(crate) fn entity(uid: EntityUID) -> Value {
    Value::new(Literal::EntityUID(Arc::new(uid)), None)
}

/// The empty set.
pub(crate) fn empty_set() -> Value {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::empty_set(None));
    EMPTY.clone()
}

/// A set of strings.
pub(crate) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    literals(items.into_iter().map(|item| Literal::from(item.as_ref())))
}

/// A set of references to entities.
pub(crate) fn entities(items: impl IntoIterator<Item = EntityUID>) -> Value {
    literals(items.into_iter().map(|uid| Literal::EntityUID(Arc::new(uid))))
}

fn literals(items: impl Iterator<Item = Literal>) -> Value {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return empty_set();
    }
    Value::set_of_lits(items, None)
}

/// A record.
pub(crate) fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::record(members, None)
}
