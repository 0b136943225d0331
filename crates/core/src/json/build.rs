//! Literals: [`object!`](crate::object) and [`array!`](crate::array).

/// Builds a [`Value`](crate::json::Value) that is an object; keys are literals, names of constants, or
/// expressions in parentheses; of two members with one key the later counts.
///
/// ```
/// use remit_core::{array, json::Value, object};
///
/// let name = "depth";
/// let value = object! { "tags": array!["a", 1, Value::Null], (name): 2, "empty": object! {} };
/// assert_eq!(value.to_string(), r#"{"depth":2,"empty":{},"tags":["a",1,null]}"#);
/// ```
#[macro_export]
macro_rules! object {
    ($($key:tt : $value:expr),* $(,)?) => {{
        let members = ::std::vec::Vec::<(::std::string::String, $crate::json::Value)>::from([
            $(($key.into(), $crate::json::Value::from($value))),*
        ]);
        $crate::json::Value::Object(members.into_iter().collect())
    }};
}

/// Builds a [`Value`](crate::json::Value) that is an array; its items may be of different types.
#[macro_export]
macro_rules! array {
    ($($item:expr),* $(,)?) => {
        $crate::json::Value::Array(::std::vec![$($crate::json::Value::from($item)),*])
    };
}
