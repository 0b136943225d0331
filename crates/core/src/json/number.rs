//! Numbers by their text: canonical where they were checked, as written where they are only relayed.

use super::Numbers;
use std::borrow::Cow;
use std::fmt;

/// The largest integer, 2^53 - 1, up to which every reader of JSON agrees on every integer.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A JSON number. Two numbers are equal when their texts are.
#[derive(Clone, Debug, PartialEq)]
pub struct Number(Repr);

/// Every text has one representation: the first of these that gives it back.
#[derive(Clone, Debug, PartialEq)]
enum Repr {
    /// An integer without exponent or fraction.
    Integer(i64),
    /// The shortest text ECMAScript gives a double: finite, never negative zero.
    Double(f64),
    /// Any other text of the grammar, kept under [`Numbers::Verbatim`].
    Text(Box<str>),
}

impl Eq for Number {}

/// A value no JSON number stands for: not finite, or an integer beyond [`MAX_SAFE_INTEGER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("JSON has no number for this value that every reader reads alike: send it as a string")]
pub struct NotANumber;

impl Number {
    /// Takes a text that the grammar of RFC 8259 has accepted; `None` when `numbers` refuses it.
    pub(super) fn from_lexeme(lexeme: &str, numbers: Numbers) -> Option<Self> {
        match numbers {
            Numbers::Exact => exact(lexeme),
            Numbers::Verbatim => Some(verbatim(lexeme)),
        }
    }

    pub(super) const fn from_integer(value: i64) -> Self {
        Self(Repr::Integer(value))
    }

    /// The text of this number.
    #[must_use]
    pub fn lexeme(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Text(text) => Cow::Borrowed(text),
            _ => Cow::Owned(self.to_string()),
        }
    }

    /// The nearest double: infinite for a text beyond all doubles, which only [`Numbers::Verbatim`] keeps.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub fn as_f64(&self) -> f64 {
        match &self.0 {
            Repr::Integer(value) => *value as f64,
            Repr::Double(value) => *value,
            Repr::Text(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The integer, when this is one that every reader reads alike: at most [`MAX_SAFE_INTEGER`] away from
    /// zero. Larger ones are `None`, for a reader with doubles and one with 64-bit integers would disagree.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let value = match &self.0 {
            Repr::Integer(value) => *value,
            Repr::Text(text) => match exact(text)?.0 {
                Repr::Integer(value) => value,
                _ => return None,
            },
            Repr::Double(_) => return None,
        };
        is_safe(value).then_some(value)
    }

    /// Hands the text to `sink`, without allocating.
    pub(super) fn write<S: FnMut(&str)>(&self, sink: &mut S) {
        match &self.0 {
            Repr::Integer(value) => write_integer(*value, sink),
            Repr::Double(value) => sink(ryu_js::Buffer::new().format_finite(*value)),
            Repr::Text(text) => sink(text),
        }
    }
}

const fn is_safe(value: i64) -> bool {
    value.unsigned_abs() <= MAX_SAFE_INTEGER.unsigned_abs()
}

fn exact(lexeme: &str) -> Option<Number> {
    if let Ok(value) = lexeme.parse::<i64>()
        && is_safe(value)
    {
        return Some(Number(Repr::Integer(value)));
    }
    let double: f64 = lexeme.parse().ok().filter(|value: &f64| value.is_finite())?;
    let mut buffer = ryu_js::Buffer::new();
    let shortest = buffer.format_finite(double);
    (shortest == lexeme || same_decimal(shortest, lexeme)).then(|| from_shortest(shortest, double))
}

fn verbatim(lexeme: &str) -> Number {
    if lexeme != "-0"
        && let Ok(value) = lexeme.parse::<i64>()
    {
        return Number(Repr::Integer(value));
    }
    if let Some(double) = lexeme.parse().ok().filter(|value: &f64| value.is_finite())
        && ryu_js::Buffer::new().format_finite(double) == lexeme
    {
        return from_shortest(lexeme, double);
    }
    Number(Repr::Text(lexeme.into()))
}

/// `shortest` is the text of `double`.
fn from_shortest(shortest: &str, double: f64) -> Number {
    Number(shortest.parse().map_or(Repr::Double(double), Repr::Integer))
}

/// Whether two texts of the grammar stand for the same decimal number; zero has no sign.
fn same_decimal(a: &str, b: &str) -> bool {
    let (a, b) = (Decimal::read(a), Decimal::read(b));
    let (mut x, mut y) = (a.digits(), b.digits());
    let mut zero = true;
    loop {
        let (p, q) = match (x.next(), y.next()) {
            (None, None) => break,
            (p, q) => (p.unwrap_or(b'0'), q.unwrap_or(b'0')),
        };
        if p != q {
            return false;
        }
        zero = false;
    }
    zero || (a.negative == b.negative && a.point == b.point)
}

/// A decimal number taken apart: its digits from the first that is not zero on, and how many of them
/// stand before the point (saturating: far beyond any double).
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    point: i64,
}

impl<'a> Decimal<'a> {
    fn read(lexeme: &'a str) -> Self {
        let (negative, rest) = lexeme
            .strip_prefix('-')
            .map_or((false, lexeme), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') {
            i64::MIN
        } else {
            i64::MAX
        });
        let decimal = Self {
            negative,
            whole,
            fraction,
            point: 0,
        };
        let length = i64::try_from(whole.len()).unwrap_or(i64::MAX);
        let zeros = whole.len() + fraction.len() - decimal.digits().count();
        let zeros = i64::try_from(zeros).unwrap_or(i64::MAX);
        Self {
            point: exponent.saturating_add(length.saturating_sub(zeros)),
            ..decimal
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'a> {
        self.whole
            .bytes()
            .chain(self.fraction.bytes())
            .skip_while(|digit| *digit == b'0')
    }
}

fn write_integer<S: FnMut(&str)>(value: i64, sink: &mut S) {
    // 19 digits and a sign.
    let mut buffer = [0_u8; 20];
    let mut rest = value.unsigned_abs();
    let mut used = 0;
    for slot in buffer.iter_mut().rev() {
        *slot = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        used += 1;
        if let Some(slot) = buffer.iter_mut().rev().nth(used - 1) {
            *slot = b'-';
        }
    }
    let text = buffer.get(buffer.len() - used..).unwrap_or_default();
    sink(str::from_utf8(text).unwrap_or_default());
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut done = Ok(());
        self.write(&mut |text| {
            done = done.and_then(|()| f.write_str(text));
        });
        done
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::from_integer(value.into())
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::from_integer(value.into())
    }
}

/// Keeps all digits. Beyond [`MAX_SAFE_INTEGER`] readers may round it, and our own parser refuses it under
/// [`Numbers::Exact`] where a double would: send such integers as strings.
impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::from_integer(value)
    }
}

/// Errors: beyond [`MAX_SAFE_INTEGER`].
impl TryFrom<u64> for Number {
    type Error = NotANumber;

    fn try_from(value: u64) -> Result<Self, NotANumber> {
        i64::try_from(value)
            .ok()
            .filter(|value| is_safe(*value))
            .map(Self::from_integer)
            .ok_or(NotANumber)
    }
}

/// Errors: beyond [`MAX_SAFE_INTEGER`].
impl TryFrom<usize> for Number {
    type Error = NotANumber;

    fn try_from(value: usize) -> Result<Self, NotANumber> {
        u64::try_from(value).map_err(|_| NotANumber)?.try_into()
    }
}

/// Errors: not finite.
impl TryFrom<f64> for Number {
    type Error = NotANumber;

    fn try_from(value: f64) -> Result<Self, NotANumber> {
        if !value.is_finite() {
            return Err(NotANumber);
        }
        Ok(from_shortest(ryu_js::Buffer::new().format_finite(value), value))
    }
}
