//! Documents that are taken, and what they become.

use remit_core::json::{Bounds, parse};

fn canonical(document: &str, bounds: &Bounds) -> String {
    parse(document.as_bytes(), bounds).expect(document).to_string()
}

#[test]
fn documents_become_canonical() {
    for (document, expected) in [
        ("null", "null"),
        (" true ", "true"),
        ("\t\r\n false", "false"),
        ("\"\"", "\"\""),
        ("[]", "[]"),
        ("[ ]", "[]"),
        ("{ }", "{}"),
        (" [ 1 , [ ] , { } ] ", "[1,[],{}]"),
        (
            r#"{ "b" : 1 , "a" : { "d" : [ ] , "c" : null } }"#,
            r#"{"a":{"c":null,"d":[]},"b":1}"#,
        ),
        (r#""\/\b\f\n\r\t\"\\""#, r#""/\b\f\n\r\t\"\\""#),
        (r#""\u0001\u000B\u001f\u007f""#, "\"\\u0001\\u000b\\u001f\u{7f}\""),
        (r#""\u00e9\u20AC\uD83D\uDE00""#, "\"\u{e9}\u{20ac}\u{1F600}\""),
        (r#""\u2028\uFFFF\uFEFF""#, "\"\u{2028}\u{ffff}\u{feff}\""),
        (r#""\u0022\u005c""#, r#""\"\\""#),
        (r#""0123456789abcdef\u0041""#, r#""0123456789abcdefA""#),
        (r#"{"10":1,"9":2,"":3}"#, r#"{"":3,"10":1,"9":2}"#),
        (
            r#"{"__proto__":1,"constructor":2}"#,
            r#"{"__proto__":1,"constructor":2}"#,
        ),
    ] {
        for bounds in [Bounds::REQUEST, Bounds::RESPONSE] {
            assert_eq!(canonical(document, &bounds), expected);
        }
    }
}

#[test]
fn numbers_take_the_form_of_ecmascript_in_requests_and_stay_in_responses() {
    for (number, expected) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e5", "0"),
        ("-0E-400", "0"),
        ("0e99999999999999999999", "0"),
        ("1.0", "1"),
        ("-1.50", "-1.5"),
        ("1e2", "100"),
        ("1E+2", "100"),
        ("100e-2", "1"),
        ("0.1", "0.1"),
        ("10e-2", "0.1"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("1e21", "1e+21"),
        ("1000000000000000000000", "1e+21"),
        ("100000000000000000000", "100000000000000000000"),
        ("1e20", "100000000000000000000"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740994", "9007199254740994"),
        ("999999999999999.9", "999999999999999.9"),
        ("1234567890123456", "1234567890123456"),
        ("18446744073709552000", "18446744073709552000"),
        ("1152921504606847000", "1152921504606847000"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("17976931348623157e292", "1.7976931348623157e+308"),
        ("5e-324", "5e-324"),
        ("0.00000000000000000000000005e-298", "5e-324"),
        ("123.456e+0000002", "12345.6"),
    ] {
        assert_eq!(canonical(number, &Bounds::REQUEST), expected, "{number}");
        assert_eq!(canonical(number, &Bounds::RESPONSE), number);
    }
}

#[test]
fn many_members_out_of_order_are_sorted() {
    let members: Vec<String> = (0..5000).rev().map(|n| format!("\"{n:04}\":{n}")).collect();
    let value = parse(format!("{{{}}}", members.join(",")).as_bytes(), &Bounds::REQUEST).expect("distinct");
    let keys: Vec<&str> = value.as_object().expect("object").keys().collect();
    assert_eq!((keys.len(), keys[0], keys[4999]), (5000, "0000", "4999"));
    assert!(keys.is_sorted());
    assert_eq!(
        value.get("0042").and_then(remit_core::json::Value::as_i64),
        Some(42)
    );
}
