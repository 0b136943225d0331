//! Documents that are refused: the kind, and where.

use remit_core::json::{Bounds, ErrorKind, Numbers, parse};

use ErrorKind::*;

/// Refused whatever the bounds say: name, document, kind, offset.
const ALWAYS: &[(&str, &[u8], ErrorKind, usize)] = &[
    ("nothing", b"", Empty, 0),
    ("only white space", b" \t\r\n", Empty, 4),
    ("byte order mark", b"\xEF\xBB\xBF{}", ByteOrderMark, 0),
    (
        "byte order mark inside",
        b"[\xEF\xBB\xBF1]",
        UnexpectedCharacter,
        1,
    ),
    ("utf-16", b"\xFF\xFE[\0]\0", InvalidUtf8, 0),
    ("utf-16 without mark", b"[\0]\0", UnexpectedCharacter, 1),
    ("latin-1", b"[\"caf\xE9\"]", InvalidUtf8, 5),
    ("overlong slash", b"\"\xC0\xAF\"", InvalidUtf8, 1),
    ("surrogate in utf-8", b"\"\xED\xA0\x80\"", InvalidUtf8, 1),
    ("beyond unicode", b"\"\xF4\x90\x80\x80\"", InvalidUtf8, 1),
    ("cut character", b"\"\xE2\x82", InvalidUtf8, 1),
    ("bad bytes outside a string", b"[1,\x80]", InvalidUtf8, 3),
    // Duplicates.
    ("duplicate", br#"{"a":1,"a":2}"#, DuplicateKey, 7),
    ("duplicate with equal value", br#"{"a":1,"a":1}"#, DuplicateKey, 7),
    (
        "duplicate after unescaping",
        br#"{"a":1,"\u0061":2}"#,
        DuplicateKey,
        7,
    ),
    ("duplicate slash", br#"{"\/":1,"/":2}"#, DuplicateKey, 8),
    (
        "duplicate pair",
        "{\"\u{1F600}\":1,\"\\ud83d\\uDE00\":2}".as_bytes(),
        DuplicateKey,
        10,
    ),
    (
        "duplicate out of order",
        br#"{"b":1,"a":{"x":[1,{}]},"b":3}"#,
        DuplicateKey,
        24,
    ),
    (
        "duplicate out of order, twice",
        br#"{"z":0,"a":1, "a" :2,"a":3}"#,
        DuplicateKey,
        14,
    ),
    (
        "duplicate deep down",
        br#"[{"c":{"k":1,"a":2,"k":3}}]"#,
        DuplicateKey,
        19,
    ),
    ("duplicate empty key", br#"{"":1,"":2}"#, DuplicateKey, 6),
    (
        "duplicate __proto__",
        br#"{"__proto__":{},"x":1,"__proto__":{}}"#,
        DuplicateKey,
        22,
    ),
    // Surrogates and escapes.
    ("lone high", br#""\ud800""#, LoneSurrogate, 1),
    ("lone low", br#""a\udc00""#, LoneSurrogate, 2),
    ("high then text", br#""\ud800x""#, LoneSurrogate, 1),
    ("high then other escape", br#""\ud800\n""#, LoneSurrogate, 1),
    ("high then high", br#""\ud800\ud800""#, LoneSurrogate, 1),
    ("swapped halves", br#""\ude00\ud83d""#, LoneSurrogate, 1),
    ("lone high in a key", br#"{"\udbff":1}"#, LoneSurrogate, 2),
    ("unknown escape", br#""\x41""#, InvalidEscape, 1),
    ("upper case escape", br#""\N""#, InvalidEscape, 1),
    ("escaped quote of javascript", br#""\'""#, InvalidEscape, 1),
    ("short unicode escape", br#""\u00""#, InvalidEscape, 1),
    ("unicode escape of es6", br#""\u{41}""#, InvalidEscape, 1),
    ("unicode escape with sign", br#""\u+041""#, InvalidEscape, 1),
    ("escaped control", b"\"\\\n\"", InvalidEscape, 1),
    // Controls.
    ("raw nul", b"\"a\0\"", ControlCharacter, 2),
    ("raw line feed", b"\"a\nb\"", ControlCharacter, 2),
    ("raw tab", b"\"long enough for a word\t\"", ControlCharacter, 23),
    ("raw control in a key", b"{\"\x1F\":1}", ControlCharacter, 2),
    ("raw control after an escape", b"\"\\n\x01\"", ControlCharacter, 3),
    // White space that JSON does not have.
    ("form feed", b"[\x0C1]", UnexpectedCharacter, 1),
    ("no-break space", b"[\xC2\xA01]", UnexpectedCharacter, 1),
    ("nul after", b"{}\0", TrailingData, 2),
    // Trailing data.
    ("two values", b"1 2", TrailingData, 2),
    ("two objects", b"{}{}", TrailingData, 2),
    ("closing twice", b"[1]]", TrailingData, 3),
    ("trailing comma after", b"{},", TrailingData, 2),
    ("trailing word", b"nullx", TrailingData, 4),
    ("string then quote", b"\"\"\"", TrailingData, 2),
    // Comments.
    ("block comment", b"/**/1", Comment, 0),
    ("comment after", b"1 // one", Comment, 2),
    ("comment inside", b"[1,/* two */2]", Comment, 3),
    ("comment before colon", br#"{"a"/**/:1}"#, Comment, 4),
    ("hash comment", b"1 #", Comment, 2),
    // Words.
    ("NaN", b"NaN", UnknownWord, 0),
    ("Infinity", b"[Infinity]", UnknownWord, 1),
    ("undefined", b"undefined", UnknownWord, 0),
    ("capital true", b"True", UnknownWord, 0),
    ("wrong true", b"trux", UnknownWord, 0),
    ("bare key", b"{a:1}", UnknownWord, 1),
    ("number key", b"{1:1}", UnexpectedCharacter, 1),
    ("cut word", b"[tru", UnexpectedEnd, 4),
    // Structure.
    ("open array", b"[", UnexpectedEnd, 1),
    ("open array after comma", b"[1,", UnexpectedEnd, 3),
    ("open object", b"{\"a\"", UnexpectedEnd, 4),
    ("open string", b"\"abc", UnexpectedEnd, 4),
    ("open string at backslash", b"\"abc\\", UnexpectedEnd, 5),
    ("open string in escape", b"\"\\u00", UnexpectedEnd, 5),
    ("open string between halves", b"\"\\ud83d", UnexpectedEnd, 7),
    ("trailing comma", b"[1,]", UnexpectedCharacter, 3),
    ("trailing comma in object", br#"{"a":1,}"#, UnexpectedCharacter, 7),
    ("two commas", b"[1,,2]", UnexpectedCharacter, 3),
    ("leading comma", b"[,1]", UnexpectedCharacter, 1),
    ("no comma", b"[1 2]", UnexpectedCharacter, 3),
    ("no colon", br#"{"a" 1}"#, UnexpectedCharacter, 5),
    ("no value", br#"{"a":}"#, UnexpectedCharacter, 5),
    ("crossed brackets", b"[1}", UnexpectedCharacter, 2),
    ("closing only", b"]", UnexpectedCharacter, 0),
    ("single quotes", b"'a'", UnexpectedCharacter, 0),
    ("json sequence", b"\x1E{}", UnexpectedCharacter, 0),
    // Numbers outside the grammar.
    ("plus", b"+1", InvalidNumber, 0),
    ("leading zero", b"01", InvalidNumber, 0),
    ("negative leading zero", b"[-01]", InvalidNumber, 1),
    ("no whole part", b".5", InvalidNumber, 0),
    ("no fraction", b"[1.]", InvalidNumber, 3),
    ("no exponent", b"[1e]", InvalidNumber, 3),
    ("no exponent after sign", b"[1e+]", InvalidNumber, 4),
    ("only a sign", b"[-]", InvalidNumber, 2),
    ("negative infinity", b"-Infinity", InvalidNumber, 1),
    ("hexadecimal", b"0x10", TrailingData, 1),
    ("underscore", b"1_000", TrailingData, 1),
    ("two points", b"1.2.3", TrailingData, 3),
    ("full width digit", "\u{FF11}".as_bytes(), UnexpectedCharacter, 0),
    ("cut number", b"-", UnexpectedEnd, 1),
    ("cut exponent", b"1e", UnexpectedEnd, 2),
];

#[test]
fn is_refused_whatever_the_bounds() {
    for (name, document, kind, offset) in ALWAYS {
        for bounds in [Bounds::REQUEST, Bounds::RESPONSE] {
            let error = parse(document, &bounds).expect_err(name);
            assert_eq!((error.kind, error.offset), (*kind, *offset), "{name}");
        }
    }
}

#[test]
fn numbers_a_double_does_not_carry_are_refused_in_requests_and_kept_in_responses() {
    for number in [
        "9007199254740993",
        "-9007199254740993",
        "9223372036854775807",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890",
        "1e400",
        "-1E+400",
        "1e99999999999999999999999",
        "1e-400",
        "1e-99999999999999999999999",
        "4e-324",
        "0.1000000000000000055",
        "0.30000000000000004440892098500626",
        "1.00000000000000000001",
        "3.141592653589793238462643383279",
        "100000000000000000000000000000001e-32",
        "9007199254740992.5",
    ] {
        let document = format!("[0,{number}]");
        let error = parse(document.as_bytes(), &Bounds::REQUEST).expect_err(number);
        assert_eq!((error.kind, error.offset), (InexactNumber, 3), "{number}");
        let kept = parse(document.as_bytes(), &Bounds::RESPONSE).expect(number);
        assert_eq!(kept.to_string(), document);
    }
}

#[test]
fn an_escaped_nul_is_refused_in_requests_and_kept_in_responses() {
    for (document, offset) in [(r#""a\u0000b""#, 2), (r#"{"\u0000":1}"#, 2)] {
        let error = parse(document.as_bytes(), &Bounds::REQUEST).expect_err(document);
        assert_eq!((error.kind, error.offset), (NulCharacter, offset), "{document}");
        assert_eq!(
            parse(document.as_bytes(), &Bounds::RESPONSE)
                .expect(document)
                .to_string(),
            document
        );
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let bounds = Bounds {
        depth_max: 3,
        ..Bounds::REQUEST
    };
    assert!(parse(&nested(3), &bounds).is_ok());
    assert!(parse(b"[1,[2],{\"a\":[3]},[[4]]]", &bounds).is_ok());
    let error = parse(&nested(4), &bounds).expect_err("four levels");
    assert_eq!((error.kind, error.offset), (TooDeep, 3));
    let error = parse(br#"{"a":{"a":{"a":{}}}}"#, &bounds).expect_err("four levels");
    assert_eq!((error.kind, error.offset), (TooDeep, 15));

    let error = parse(
        b"[]",
        &Bounds {
            depth_max: 0,
            ..Bounds::REQUEST
        },
    )
    .expect_err("no level");
    assert_eq!(error.kind, TooDeep);
    assert!(
        parse(
            b"1",
            &Bounds {
                depth_max: 0,
                ..Bounds::REQUEST
            }
        )
        .is_ok()
    );
}

#[test]
fn no_bounds_allow_more_than_the_limit_of_depth() {
    let bounds = Bounds {
        depth_max: usize::MAX,
        ..Bounds::REQUEST
    };
    let mut nested = vec![b'['; 1_000_000];
    assert_eq!(
        parse(&nested, &bounds).map_err(|error| (error.kind, error.offset)),
        Err((TooDeep, 64))
    );
    nested.truncate(64);
    nested.extend(vec![b']'; 64]);
    assert!(parse(&nested, &bounds).is_ok());
}

#[test]
fn nodes_are_bounded() {
    let bounds = Bounds {
        nodes_max: 4,
        ..Bounds::REQUEST
    };
    assert!(parse(b"[1,2,3]", &bounds).is_ok());
    let error = parse(b"[1,2,3,4]", &bounds).expect_err("five values");
    assert_eq!((error.kind, error.offset), (TooManyNodes, 7));
    let error = parse(br#"{"a":1,"b":2}"#, &bounds).expect_err("three values, two keys");
    assert_eq!((error.kind, error.offset), (TooManyNodes, 11));
    assert!(parse(br#"{"a":[1]}"#, &bounds).is_ok());
}

#[test]
fn a_duplicate_is_located_at_the_bound_of_nodes_too() {
    let bounds = Bounds {
        nodes_max: 9,
        ..Bounds::REQUEST
    };
    let error = parse(br#"[1,{"b":0,"a":1,"b":2}]"#, &bounds).expect_err("duplicate");
    assert_eq!((error.kind, error.offset), (DuplicateKey, 16));
}

#[test]
fn bytes_are_bounded() {
    let bounds = Bounds {
        bytes_max: 5,
        ..Bounds::REQUEST
    };
    assert!(parse(b"[1,2]", &bounds).is_ok());
    let error = parse(b"[1,2] ", &bounds).expect_err("six bytes");
    assert_eq!((error.kind, error.offset), (TooLarge, 5));
}

#[test]
fn a_long_number_costs_no_more_than_its_length() {
    let long = format!("{}1{}", "0.".to_owned() + &"0".repeat(60_000), "e60001");
    assert_eq!(
        parse(long.as_bytes(), &Bounds::REQUEST).expect("one").to_string(),
        "1"
    );
    let long = "1".repeat(1 << 20);
    let error = parse(long.as_bytes(), &Bounds::REQUEST).expect_err("beyond doubles");
    assert_eq!(error.kind, InexactNumber);
    let verbatim = Bounds {
        numbers: Numbers::Verbatim,
        ..Bounds::REQUEST
    };
    assert_eq!(parse(long.as_bytes(), &verbatim).expect("kept").to_string(), long);
}

#[test]
fn the_message_says_what_where_and_what_to_do() {
    let error = parse(br#"{"a":1,"a":2}"#, &Bounds::REQUEST).expect_err("duplicate");
    assert_eq!(
        error.to_string(),
        "duplicate key at byte 7: send each key of an object once"
    );
    let error = parse(b"9007199254740993", &Bounds::REQUEST).expect_err("inexact");
    assert_eq!(
        error.to_string(),
        "a double does not carry this number exactly at byte 0: send it as a string"
    );
    assert_eq!(error.kind.name(), "inexact_number");
}
