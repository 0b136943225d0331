//! Reads strings: unescaped, whole characters only.

use super::parse::Parser;
use super::scan::plain_run;
use super::{ErrorKind, Nul};
use std::ops::Range;

type Result<T> = std::result::Result<T, super::Error>;

impl Parser<'_> {
    /// Reads a string, standing at its opening quote.
    pub(super) fn string(&mut self) -> Result<String> {
        let start = self.at + 1;
        let end = self.plain_end(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(self.slice(start..end).to_owned());
        }
        let mut unescaped = String::new();
        let mut run = start..end;
        loop {
            unescaped.push_str(self.slice(run.clone()));
            self.at = run.end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(unescaped);
                }
                Some(b'\\') => unescaped.push(self.escape()?),
                Some(_) => return Err(self.error(ErrorKind::ControlCharacter)),
                None => return Err(self.error(ErrorKind::UnexpectedEnd)),
            }
            run = self.at..self.plain_end(self.at);
        }
    }

    fn plain_end(&self, start: usize) -> usize {
        start + self.bytes.get(start..).map_or(0, plain_run)
    }

    /// The text of a range whose ends are ASCII bytes or the end, so on character boundaries.
    pub(super) fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// Reads an escape, standing at its backslash. An error leaves the reader there.
    fn escape(&mut self) -> Result<char> {
        let Some(letter) = self.bytes.get(self.at + 1) else {
            return Err(self.end_error());
        };
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(*letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.error(ErrorKind::InvalidEscape)),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex(self.at + 2)?;
        let (scalar, length) = match first {
            0xD800..0xDC00 => {
                let low = self.low_surrogate(self.at + 6)?;
                (0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00), 12)
            }
            _ => (first, 6),
        };
        if scalar == 0 && self.bounds.nul == Nul::Refused {
            return Err(self.error(ErrorKind::NulCharacter));
        }
        // The scalar is below U+110000, so what is left is a low half without its high one.
        let character = char::from_u32(scalar).ok_or_else(|| self.error(ErrorKind::LoneSurrogate))?;
        self.at += length;
        Ok(character)
    }

    fn low_surrogate(&self, at: usize) -> Result<u32> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        if rest.is_empty() || rest == b"\\" {
            return Err(self.end_error());
        }
        if !rest.starts_with(b"\\u") {
            return Err(self.error(ErrorKind::LoneSurrogate));
        }
        let low = self.hex(at + 2)?;
        if (0xDC00..0xE000).contains(&low) {
            Ok(low)
        } else {
            Err(self.error(ErrorKind::LoneSurrogate))
        }
    }

    /// The four hexadecimal digits at `at`.
    fn hex(&self, at: usize) -> Result<u32> {
        let mut value = 0;
        for place in at..at + 4 {
            let Some(byte) = self.bytes.get(place) else {
                return Err(self.end_error());
            };
            let digit = char::from(*byte)
                .to_digit(16)
                .ok_or_else(|| self.error(ErrorKind::InvalidEscape))?;
            value = value * 16 + digit;
        }
        Ok(value)
    }
}
