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
    if let Err(error) = std::str::from_utf8(leaf) {
        return Err(Flaw {
            offset: error.valid_up_to(),
            what: "not UTF-8",
        });
    }
    let mut cursor = Cursor {
        rest: leaf,
        total: leaf.len(),
        seq: None,
        time_ms: None,
        format: None,
    };
    cursor.object(1)?;
    if !cursor.rest.is_empty() {
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

/// Reads valid UTF-8 from the front.
struct Cursor<'a> {
    rest: &'a [u8],
    total: usize,
    seq: Option<u64>,
    time_ms: Option<u64>,
    format: Option<u64>,
}

impl<'a> Cursor<'a> {
    const fn flaw(&self, what: &'static str) -> Flaw {
        Flaw {
            offset: self.total - self.rest.len(),
            what,
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Flaw> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.flaw(what))
        }
    }

    /// Takes `length` bytes, at most all.
    fn split(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }

    /// `depth` counts this object: 1 for the record itself.
    fn object(&mut self, depth: usize) -> Result<(), Flaw> {
        self.expect(b'{', "an object must start here")?;
        if self.take(b'}') {
            return Ok(());
        }
        let mut last: Option<Text<'_>> = None;
        loop {
            let start = self.flaw("a key is out of order or stands twice");
            let key = self.string()?;
            if last.is_some_and(|last| !last.is_before(key)) {
                return Err(start);
            }
            last = Some(key);
            self.expect(b':', "a colon must stand here")?;
            let value = self.value(depth)?;
            if depth == 1 {
                match key.written {
                    b"seq" => self.seq = value,
                    b"time" => self.time_ms = value,
                    b"v" => self.format = value,
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
        let word = match self.rest {
            [b'"', ..] => return self.string().map(|_| None),
            [b'-' | b'0'..=b'9', ..] => return self.number(),
            [b'{' | b'[', ..] if depth >= JSON_DEPTH_MAX => return Err(self.flaw("nested too deep")),
            [b'{', ..] => return self.object(depth + 1).map(|()| None),
            [b'[', ..] => return self.array(depth + 1).map(|()| None),
            [b'n', b'u', b'l', b'l', ..] | [b't', b'r', b'u', b'e', ..] => 4,
            [b'f', b'a', b'l', b's', b'e', ..] => 5,
            _ => return Err(self.flaw("a value must stand here")),
        };
        self.split(word);
        Ok(None)
    }

    fn string(&mut self) -> Result<Text<'a>, Flaw> {
        self.expect(b'"', "a string must start here")?;
        let (start, mut escaped) = (self.rest, false);
        loop {
            self.split(plain_run(self.rest));
            match self.rest {
                [b'"', ..] => break,
                [b'\\', ..] => self.escape()?,
                [_, ..] => return Err(self.flaw("a control character must be escaped")),
                [] => return Err(self.flaw("the record ends inside a string")),
            }
            escaped = true;
        }
        let written = start.get(..start.len() - self.rest.len()).unwrap_or_default();
        self.split(1);
        Ok(Text { written, escaped })
    }

    /// RFC 8785: the short escapes where they exist, `\u00xx` in lower case for the other controls, no others.
    fn escape(&mut self) -> Result<(), Flaw> {
        let length = match self.rest {
            [_, b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f', ..]
            | [_, b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return Err(self.flaw("this escape is not the canonical one")),
        };
        self.split(length);
        Ok(())
    }

    /// Whole numbers of up to 15 digits are read here; any other is left to the one who knows doubles.
    fn number(&mut self) -> Result<Option<u64>, Flaw> {
        let part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest.iter().take_while(part).count();
        let token = self.rest.get(..length).unwrap_or_default();
        let whole = std::str::from_utf8(token)
            .ok()
            .and_then(crate::checkpoint::parse_decimal);
        if whole.is_none() || length > 15 {
            let canonical = json::parse(token, &LEAF).map(|value| value.to_canonical());
            if canonical.as_deref() != Ok(token) {
                return Err(self.flaw("this number is not in its canonical form"));
            }
        }
        self.split(length);
        Ok(whole.filter(|&whole| whole <= SIZE_MAX))
    }
}

/// A string between its quotes.
#[derive(Clone, Copy)]
struct Text<'a> {
    written: &'a [u8],
    escaped: bool,
}

impl Text<'_> {
    /// Whether this key comes before `other` in canonical order.
    fn is_before(self, other: Self) -> bool {
        // Below EE the order of bytes is the order of UTF-16; so it is for all keys that occur.
        let plain = !self.escaped && !other.escaped;
        match self.written.iter().zip(other.written).find(|(a, b)| a != b) {
            None if plain => self.written.len() < other.written.len(),
            Some((&a, &b)) if plain && a < 0xee && b < 0xee => a < b,
            _ => utf16_order(&self.unescaped(), &other.unescaped()).is_lt(),
        }
    }

    /// What is meant. Keys with escapes are rare, so this may allocate.
    fn unescaped(self) -> String {
        let value = json::parse(&[b"\"", self.written, b"\""].concat(), &LEAF);
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
