//! The stable short form of the fuzz target: seeds broken in seeded ways.

use super::invariants::check;

const SEEDS: &[&str] = &[
    r#"{"path":"/srv/notes.txt","limit":10,"recursive":true,"tags":["a","b",null]}"#,
    r#"{"b":{"z":[1,2.5,-3e-7,1e21],"y":{}},"a":"\u00e9\ud83d\ude00\n\\","":[[[[]]]]}"#,
    "[0,-0,1.0,100e-2,9007199254740991,18446744073709552000,5e-324,1.7976931348623157e308]",
    "{\"\u{e000}\":1,\"\u{10000}\":2,\"\u{ffff}\":3,\"\u{7f}\":\"\u{2028}\"}",
];

const PARTS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\udc00",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"NaN",
    b"-",
    b"0",
    b"9",
    b".",
    b"e",
    b"E+",
    b"e400",
    b"9007199254740993",
    b"\0",
    b"\n",
    b"\x80",
    b"\xEF\xBB\xBF",
    b"\xF0\x9F\x98\x80",
    b"/*",
    b"\"a\":1,",
    b" ",
    b"00000000000000000000",
    b"\"a\":2,",
];

/// SplitMix64: the same numbers on every machine and in every year.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mixed = usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits");
        mixed % end
    }
}

#[test]
fn nothing_breaks_on_broken_documents() {
    let mut numbers = Numbers(8785);
    for _ in 0..20_000 {
        let mut document = SEEDS[numbers.below(SEEDS.len())].as_bytes().to_vec();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(document.len() + 1);
            let end = (at + numbers.below(4)).min(document.len());
            let part = match numbers.below(4) {
                0 => vec![u8::try_from(numbers.below(256)).expect("a byte")],
                1 => document[at..end].to_vec(),
                _ => PARTS[numbers.below(PARTS.len())].to_vec(),
            };
            let gone = if numbers.below(2) == 0 { at..end } else { at..at };
            document.splice(gone, part);
        }
        check(&document);
    }
}

#[test]
fn nothing_breaks_on_cut_documents() {
    for seed in SEEDS {
        for end in 0..=seed.len() {
            check(&seed.as_bytes()[..end]);
        }
    }
}
