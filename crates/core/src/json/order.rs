//! The order of keys in canonical JSON.

use std::cmp::Ordering;

/// Compares two strings by their UTF-16 code units, as RFC 8785 section 3.2.3 sorts keys.
///
/// It is the order of the bytes of UTF-8, but for one swap: UTF-16 writes U+10000 and above with units from
/// D800 on, so they sort before U+E000 to U+FFFF, whose first bytes are EE and EF.
#[must_use]
pub fn utf16_order(a: &str, b: &str) -> Ordering {
    let differing = a.bytes().zip(b.bytes()).find(|(x, y)| x != y);
    match differing {
        Some((x, y)) => rank(x).cmp(&rank(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// The place of a byte of UTF-8: EE and EF go behind F0 to F4, which end at F4.
const fn rank(byte: u8) -> u8 {
    if byte == 0xEE || byte == 0xEF {
        byte + 0x10
    } else {
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_utf16(a in "\\PC{0,4}[\\u{D7F0}-\\u{10040}a]{0,3}", b in "\\PC{0,4}[\\u{D7F0}-\\u{10040}a]{0,3}") {
            prop_assert_eq!(utf16_order(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
        }

        #[test]
        fn agrees_with_utf16_around_the_swap(a in "[a\\u{D7FF}\\u{E000}\\u{FFFF}\\u{10000}\\u{10FFFF}]{0,4}", b in "[a\\u{D7FF}\\u{E000}\\u{FFFF}\\u{10000}\\u{10FFFF}]{0,4}") {
            prop_assert_eq!(utf16_order(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
        }
    }
}
