//! Amounts: how much of something a call moves, in the unit its API states (cents at one, whole pieces at another). Numbers, or
//! text where an API takes forms; nothing is converted, and nothing that could be read in two ways is read.

use crate::json::Value;

/// Digits that a double keeps exactly.
const DIGITS_MAX: usize = 15;

/// The amount an argument states: a number, or a plain decimal as text (`500`, `12.50`, `-3`), without exponent, sign `+`,
/// spaces, separators or leading zeros. `None` for anything else.
#[must_use]
pub fn of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => Some(number.as_f64()),
        Value::String(text) => decimal(text),
        _ => None,
    }
}

fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && whole.len() + fraction.map_or(0, str::len) <= DIGITS_MAX;
    is_plain.then(|| text.parse().ok()).flatten()
}

/// What an argument takes from a sum, in whole units, rounded up. What is negative, too large, not read or not there counts as
/// everything: an API may take it for more than anybody guesses, and where an amount is left out many take all there is.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked in front of the cast"
)]
pub fn whole_units(value: Option<&Value>) -> u64 {
    match value.and_then(of) {
        Some(amount) if (0.0..=9_007_199_254_740_991.0).contains(&amount) => amount.ceil() as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_one_way_or_not_at_all() {
        for (text, amount) in [
            ("500", 500.0),
            ("12.50", 12.5),
            ("0", 0.0),
            ("0.01", 0.01),
            ("-3", -3.0),
        ] {
            assert_eq!(of(&Value::from(text)), Some(amount), "{text}");
        }
        for text in [
            "",
            "-",
            "+5",
            " 5",
            "5 ",
            "05",
            "1e3",
            "1,000",
            "1_000",
            "0x10",
            ".5",
            "5.",
            "1.2.3",
            "٥",
            "inf",
            "NaN",
            "100.00000000000000001",
            "9007199254740993",
        ] {
            assert_eq!(of(&Value::from(text)), None, "{text}");
        }
        assert_eq!(of(&Value::from(true)), None);
        assert_eq!(of(&Value::Array(vec![Value::from(5)])), None);
    }

    #[test]
    fn what_cannot_be_counted_counts_as_everything() {
        assert_eq!(whole_units(Some(&Value::from("12.50"))), 13);
        assert_eq!(whole_units(Some(&Value::from(7))), 7);
        assert_eq!(whole_units(Some(&Value::from("0"))), 0);
        for odd in [
            Value::from("1e3"),
            Value::from("-3"),
            Value::from(-3),
            Value::Null,
            Value::Array(vec![Value::from(1), Value::from(2)]),
        ] {
            assert_eq!(whole_units(Some(&odd)), u64::MAX, "{odd}");
        }
        assert_eq!(whole_units(None), u64::MAX);
    }
}
