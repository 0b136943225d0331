//! Request ids: a string or an integer, echoed as they came.

use remit_core::json::Value;
use remit_core::limits::RPC_ID_BYTES_MAX;

/// The id of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(Value);

impl Id {
    /// `None` for what cannot be an id: `null`, fractions, other types, strings beyond the bound.
    pub(crate) fn from_value(value: Value) -> Option<Self> {
        let good = match &value {
            Value::String(text) => text.len() <= RPC_ID_BYTES_MAX,
            Value::Number(number) => number.as_i64().is_some(),
            _ => false,
        };
        good.then_some(Self(value))
    }

    /// The id as JSON.
    pub(crate) const fn value(&self) -> &Value {
        &self.0
    }

    /// Canonical text: `"1"` and `1` differ.
    pub(crate) fn key(&self) -> String {
        self.0.to_string()
    }
}
