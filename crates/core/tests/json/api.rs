//! Building values, and reading them.

use remit_core::json::{Bounds, MAX_SAFE_INTEGER, Number, Object, Value, parse};
use remit_core::{array, object};

#[test]
fn macros_build_canonical_values() {
    const KEY: &str = "z";
    let nested = object! { "b": Some("text"), "a": None::<bool> };
    let value = object! {
        KEY: array![],
        ("y".to_owned()): vec![1_u32, 2],
        "x": nested,
        "w": -5_i64,
        "w": 7,
        "v": Value::Null,
    };
    assert_eq!(
        value.to_string(),
        r#"{"v":null,"w":7,"x":{"a":null,"b":"text"},"y":[1,2],"z":[]}"#
    );
    assert_eq!(object! {}.to_string(), "{}");
    assert_eq!(
        array![1, "two", true, array![3]].to_string(),
        r#"[1,"two",true,[3]]"#
    );
}

#[test]
fn an_object_stays_unique_and_in_order() {
    let mut object = Object::new();
    assert!(object.is_empty());
    assert_eq!(object.insert("b", 1), None);
    assert_eq!(object.insert("a", 2), None);
    assert_eq!(object.insert("b", 3), Some(Value::from(1)));
    *object.get_or_insert_with("c", || array![]) = "set".into();
    assert_eq!(object.get_or_insert_with("a", || Value::Null), &Value::from(2));
    assert_eq!(object.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(object.remove("b"), Some(Value::from(3)));
    assert_eq!(object.remove("b"), None);
    if let Some(value) = object.get_mut("a") {
        *value = false.into();
    }
    object.extend([("d", Value::Null), ("a", true.into()), ("0", 0.into())]);
    assert_eq!(
        Value::from(object.clone()).to_string(),
        r#"{"0":0,"a":true,"c":"set","d":null}"#
    );
    object.retain(|_, value| !value.is_null());
    assert!(object.contains_key("c") && !object.contains_key("d"));
    for (_, value) in object.iter_mut() {
        *value = Value::Null;
    }
    assert_eq!((object.len(), object.values().all(Value::is_null)), (3, true));
    let back: Object = object.into_iter().rev().collect();
    assert_eq!(
        back.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["0", "a", "c"]
    );
}

#[test]
fn of_equal_keys_the_last_collected_counts() {
    let object: Object = [("a", 1), ("b", 2), ("a", 3), ("a", 4)].into_iter().collect();
    assert_eq!(Value::from(object).to_string(), r#"{"a":4,"b":2}"#);
}

#[test]
fn integers_are_given_only_where_every_reader_agrees() {
    let number = |text: &str| parse(text.as_bytes(), &Bounds::RESPONSE).expect(text);
    for (text, integer) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("1.0", Some(1)),
        ("12e1", Some(120)),
        ("9007199254740991", Some(MAX_SAFE_INTEGER)),
        ("-9007199254740991", Some(-MAX_SAFE_INTEGER)),
        ("9007199254740992", None),
        ("9007199254740993", None),
        ("9223372036854775808", None),
        ("0.5", None),
        ("1e400", None),
    ] {
        assert_eq!(number(text).as_i64(), integer, "{text}");
    }
    assert_eq!((number("5").as_u64(), number("-5").as_u64()), (Some(5), None));
    assert_eq!(number("1e400").as_f64(), Some(f64::INFINITY));
    assert_eq!(number("0.10").as_f64(), Some(0.1));
}

#[test]
fn checked_conversions_refuse_what_json_does_not_carry() {
    assert_eq!(
        Value::try_from(9_007_199_254_740_991_u64).expect("safe").as_i64(),
        Some(MAX_SAFE_INTEGER)
    );
    assert!(Value::try_from(9_007_199_254_740_992_u64).is_err());
    assert!(Number::try_from(usize::MAX).is_err());
    assert!(Value::try_from(f64::NAN).is_err());
    assert_eq!(Value::try_from(-0.0).expect("zero").to_string(), "0");
    assert_eq!(Value::from(i64::MIN).to_string(), "-9223372036854775808");
    assert_eq!(Value::from(i64::MAX).to_string(), "9223372036854775807");
}

#[test]
fn accessors_give_only_their_own_type() {
    let values = [
        Value::Null,
        true.into(),
        1.into(),
        "s".into(),
        array![],
        object! {},
    ];
    let names = ["null", "boolean", "number", "string", "array", "object"];
    for (place, value) in values.iter().enumerate() {
        assert_eq!(value.type_name(), names[place]);
        let given = [
            value.is_null(),
            value.as_bool().is_some(),
            value.as_number().is_some() && value.as_f64().is_some(),
            value.as_str().is_some(),
            value.as_array().is_some() && value.clone().as_array_mut().is_some(),
            value.as_object().is_some() && value.clone().as_object_mut().is_some(),
        ];
        assert_eq!(given.iter().position(|given| *given), Some(place));
        assert_eq!(given.iter().filter(|given| **given).count(), 1);
    }
}
