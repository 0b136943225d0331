//! Checking a leaf without building it: canonical JSON or the first byte that is not, and the two facts the
//! verifier needs of every record. No allocation, so a log is verified at the speed of its hashes.
//!
//! [`super::Record::decode`] is the other reader of the same rules; a property test holds the two together.

use remit_core::json::{self, utf16_order};
use remit_core::limits::JSON_DEPTH_MAX;

use super::encode::LEAF;
use super::{FORMAT, LEAF_BYTES_MAX};
use crate::tree::SIZE_MAX;

/// What the verifier needs of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Place in the log the record claims.
    pub seq: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Why a leaf is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} (byte {offset} of the record)")]
pub struct Flaw {
    /// Zero-based byte of the leaf where it stops being canonical JSON.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// Checks that `leaf` is one canonical JSON object with the members every record has.
///
/// # Errors
/// [`Flaw`] names the first byte that does not fit.
pub fn scan(leaf: &[u8]) -> Result<Facts, Flaw> {
    if leaf.len() > LEAF_BYTES_MAX {
        return Err(Flaw {
            offset: LEAF_BYTES_MAX,
            what: "longer than 65535 bytes",
        });
    }
    let text = std::str::from_utf8(leaf).map_err(|error| Flaw {
        offset: error.valid_up_to(),
        what: "not UTF-8",
    })?;
    let mut cursor = Cursor {
        text,
        at: 0,
        seq: None,
        time_ms: None,
        format: None,
    };
    cursor.object(1)?;
    if cursor.at != leaf.len() {
        return Err(cursor.flaw("something follows the record"));
    }
    if cursor.format != Some(FORMAT) {
        return Err(cursor.flaw("the member `v` is missing or not 1"));
    }
    match (cursor.seq, cursor.time_ms) {
        (Some(seq), Some(time_ms)) => Ok(Facts { seq, time_ms }),
        _ => Err(cursor.flaw("the member `seq` or `time` is missing or not a whole number")),
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    seq: Option<u64>,
    time_ms: Option<u64>,
    format: Option<u64>,
}

impl<'a> Cursor<'a> {
    const fn flaw(&self, what: &'static str) -> Flaw {
        Flaw {
            offset: self.at,
            what,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Flaw> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.flaw(what))
        }
    }

    /// `depth` counts this object: 1 for the record itself.
    fn object(&mut self, depth: usize) -> Result<(), Flaw> {
        self.expect(b'{', "an object must start here")?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut last: Option<Text<'_>> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if last.is_some_and(|last| !last.is_before(key)) {
                return Err(Flaw {
                    offset: start,
                    what: "a key is out of order or stands twice",
                });
            }
            last = Some(key);
            self.expect(b':', "a colon must stand here")?;
            let value = self.value(depth)?;
            if depth == 1 {
                match key.written {
                    "seq" => self.seq = value,
                    "time" => self.time_ms = value,
                    "v" => self.format = value,
                    _ => {}
                }
            }
            if !self.take(b',') {
                return self.expect(b'}', "a comma or a brace must stand here");
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Flaw> {
        self.expect(b'[', "an array must start here")?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.take(b',') {
                return self.expect(b']', "a comma or a bracket must stand here");
            }
        }
    }

    /// Reads one value inside `depth` arrays and objects; a whole number below 2^53 is handed back.
    fn value(&mut self, depth: usize) -> Result<Option<u64>, Flaw> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| None),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{' | b'[') if depth >= JSON_DEPTH_MAX => Err(self.flaw("nested too deep")),
            Some(b'{') => self.object(depth + 1).map(|()| None),
            Some(b'[') => self.array(depth + 1).map(|()| None),
            _ => {
                for word in ["null", "true", "false"] {
                    if self
                        .text
                        .as_bytes()
                        .get(self.at..)
                        .is_some_and(|rest| rest.starts_with(word.as_bytes()))
                    {
                        self.at += word.len();
                        return Ok(None);
                    }
                }
                Err(self.flaw("a value must stand here"))
            }
        }
    }

    fn string(&mut self) -> Result<Text<'a>, Flaw> {
        self.expect(b'"', "a string must start here")?;
        let (start, mut escaped) = (self.at, false);
        loop {
            self.at += plain_run(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let written = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(Text { written, escaped });
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.flaw("a control character must be escaped")),
                None => return Err(self.flaw("the record ends inside a string")),
            }
            escaped = true;
        }
    }

    /// RFC 8785: the short escapes where they exist, `\u00xx` in lower case for the other controls, no others.
    fn escape(&mut self) -> Result<(), Flaw> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let length = match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
            | [b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return Err(self.flaw("this escape is not the canonical one")),
        };
        self.at += length;
        Ok(())
    }

    /// Whole numbers of up to 15 digits are read here; any other is left to the one who knows doubles.
    fn number(&mut self) -> Result<Option<u64>, Flaw> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take_while(part).count();
        let token = rest.get(..length).unwrap_or_default();
        let whole = crate::checkpoint::parse_decimal(token);
        if whole.is_none() || length > 15 {
            let canonical = json::parse(token.as_bytes(), &LEAF).map(|value| value.to_canonical());
            if canonical.as_deref() != Ok(token.as_bytes()) {
                return Err(self.flaw("this number is not in its canonical form"));
            }
        }
        self.at += length;
        Ok(whole.filter(|&whole| whole <= SIZE_MAX))
    }
}

/// A string between its quotes.
#[derive(Clone, Copy)]
struct Text<'a> {
    written: &'a str,
    escaped: bool,
}

impl Text<'_> {
    /// Whether this key comes before `other` in canonical order.
    fn is_before(self, other: Self) -> bool {
        if self.escaped || other.escaped {
            return utf16_order(&self.unescaped(), &other.unescaped()).is_lt();
        }
        utf16_order(self.written, other.written).is_lt()
    }

    /// What is meant. Keys with escapes are rare, so this may allocate.
    fn unescaped(self) -> String {
        let value = json::parse(format!("\"{}\"", self.written).as_bytes(), &LEAF);
        value
            .ok()
            .as_ref()
            .and_then(json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

/// Leading bytes that stand for themselves inside a string. Looks at eight at a time: a byte needs care when it
/// is below 0x20, or becomes zero by xor with `"` or `\`. Both show as a borrow out of its top bit, and the
/// lowest borrow is always a true one.
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (chunks, tail) = bytes.as_chunks::<8>();
    let mut run = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let escape = zero(word ^ (ONES * u64::from(b'\\')));
        let special = (control | quote | escape) & (ONES * 0x80);
        if special != 0 {
            return run + special.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    let special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    run + tail.iter().position(special).unwrap_or(tail.len())
}
