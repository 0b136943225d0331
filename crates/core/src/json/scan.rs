//! How far a string runs without a byte that needs care.

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The number of leading bytes that stand for themselves in a JSON string: all but `"`, `\` and controls.
/// Reads eight at a time.
pub fn plain_run(bytes: &[u8]) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*chunk));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    chunks.len() * 8 + special.unwrap_or(rest.len())
}

/// A word whose lowest set bit is the high bit of the first byte, from the low end, that needs care; zero when
/// none does. A borrow can set bits above that one, never below it.
const fn special_bytes(word: u64) -> u64 {
    let quote = (word ^ (EACH * b'"' as u64)).wrapping_sub(EACH) & !(word ^ (EACH * b'"' as u64));
    let escape = (word ^ (EACH * b'\\' as u64)).wrapping_sub(EACH) & !(word ^ (EACH * b'\\' as u64));
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    (quote | escape | control) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain_run;
    use proptest::prelude::*;

    fn naive(bytes: &[u8]) -> usize {
        bytes
            .iter()
            .position(|byte| *byte == b'"' || *byte == b'\\' || *byte < 0x20)
            .unwrap_or(bytes.len())
    }

    #[test]
    fn finds_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for around in [0x20, 0x21, b'a', 0x80, 0xFF] {
                for place in 0..20 {
                    let mut bytes = [around; 20];
                    bytes[place] = byte;
                    assert_eq!(
                        plain_run(&bytes),
                        naive(&bytes),
                        "byte {byte} at {place} among {around}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_scan(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(plain_run(&bytes), naive(&bytes));
        }
    }
}
