//! The examples of RFC 8785 (JSON Canonicalization Scheme).

use remit_core::json::{Bounds, ErrorKind, Number, Value, parse};

/// Appendix B: the bits of a double and its text.
const NUMBERS: &[(u64, &str)] = &[
    (0x0000_0000_0000_0000, "0"),
    (0x8000_0000_0000_0000, "0"),
    (0x0000_0000_0000_0001, "5e-324"),
    (0x8000_0000_0000_0001, "-5e-324"),
    (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
    (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
    (0x4340_0000_0000_0000, "9007199254740992"),
    (0xc340_0000_0000_0000, "-9007199254740992"),
    (0x4430_0000_0000_0000, "295147905179352830000"),
    (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
    (0x44b5_2d02_c7e1_4af6, "1e+23"),
    (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
    (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
    (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
    (0x444b_1ae4_d6e2_ef50, "1e+21"),
    (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
    (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
    (0x41b3_de43_5555_5553, "333333333.3333332"),
    (0x41b3_de43_5555_5554, "333333333.33333325"),
    (0x41b3_de43_5555_5555, "333333333.3333333"),
    (0x41b3_de43_5555_5556, "333333333.3333334"),
    (0x41b3_de43_5555_5557, "333333333.33333343"),
    (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
    (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
];

#[test]
fn numbers_of_appendix_b() {
    for (bits, text) in NUMBERS {
        let double = f64::from_bits(*bits);
        assert_eq!(Number::try_from(double).expect(text).lexeme(), *text);
        let parsed = parse(text.as_bytes(), &Bounds::REQUEST).expect(text);
        assert_eq!(parsed.to_string(), *text);
        assert_eq!(parsed.as_f64(), Some(double));
        assert_eq!(Value::try_from(double).expect(text), parsed);
    }
    for bits in [0x7fff_ffff_ffff_ffff, 0x7ff0_0000_0000_0000] {
        assert!(Number::try_from(f64::from_bits(bits)).is_err());
    }
}

/// Section 3.2.2. A double does not carry the first number of its sample as written, so we refuse it, and take
/// the sample with the number that a double makes of it.
#[test]
fn sample_of_section_3_2() {
    let sample = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let canonical = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
                     \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
    let error = parse(sample.as_bytes(), &Bounds::REQUEST).expect_err("inexact");
    assert_eq!((error.kind, error.offset), (ErrorKind::InexactNumber, 22));
    let sample = sample.replace("333333333.33333329", "333333333.3333333");
    let value = parse(sample.as_bytes(), &Bounds::REQUEST).expect("sample");
    assert_eq!(value.to_string(), canonical);
    assert_eq!(value.to_canonical(), canonical.as_bytes());
}

#[test]
fn sorting_example_of_section_3_2_3() {
    let sample = r#"{
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let value = parse(sample.as_bytes(), &Bounds::REQUEST).expect("sample");
    let names: Vec<&str> = value
        .as_object()
        .expect("object")
        .values()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "Carriage Return",
            "One",
            "Control",
            "Latin Small Letter O With Diaeresis",
            "Euro Sign",
            "Emoji: Grinning Face",
            "Hebrew Letter Dalet With Dagesh",
        ]
    );
}
