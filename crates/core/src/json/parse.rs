//! The parser: one pass over the bytes, one level of recursion per level of the document.

use super::order::utf16_order;
use super::{Bounds, Error, ErrorKind, Number, Object, Value};
use crate::limits::JSON_DEPTH_MAX;
use std::cmp::Ordering;

type Result<T> = std::result::Result<T, Error>;

/// Reads one document.
///
/// # Errors
/// The first thing that is wrong with it, in the order: length, byte order mark, encoding, then from left
/// to right; a duplicate key is found when its object ends, at the latest.
pub fn parse(bytes: &[u8], bounds: &Bounds) -> Result<Value> {
    if bytes.len() > bounds.bytes_max {
        return Err(Error {
            kind: ErrorKind::TooLarge,
            offset: bounds.bytes_max,
        });
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(Error {
            kind: ErrorKind::ByteOrderMark,
            offset: 0,
        });
    }
    let text = str::from_utf8(bytes).map_err(|error| Error {
        kind: ErrorKind::InvalidUtf8,
        offset: error.valid_up_to(),
    })?;
    let mut parser = Parser {
        text,
        bytes,
        at: 0,
        nodes: 0,
        bounds,
    };
    parser.space();
    if parser.peek().is_none() {
        return Err(parser.error(ErrorKind::Empty));
    }
    let value = parser.value(0)?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(b'/' | b'#') => Err(parser.error(ErrorKind::Comment)),
        Some(_) => Err(parser.error(ErrorKind::TrailingData)),
    }
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    /// The bytes of `text`.
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    nodes: usize,
    pub(super) bounds: &'a Bounds,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) const fn error(&self, kind: ErrorKind) -> Error {
        Error {
            kind,
            offset: self.at,
        }
    }

    pub(super) const fn end_error(&self) -> Error {
        Error {
            kind: ErrorKind::UnexpectedEnd,
            offset: self.bytes.len(),
        }
    }

    /// What is wrong with the byte here, which starts no token that may stand here.
    fn unexpected(&self) -> Error {
        self.error(match self.peek() {
            None => ErrorKind::UnexpectedEnd,
            Some(b'/' | b'#') => ErrorKind::Comment,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => ErrorKind::UnknownWord,
            Some(_) => ErrorKind::UnexpectedCharacter,
        })
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Reads a value, standing at its first byte, inside `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Result<Value> {
        self.count()?;
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'+' | b'.') => Err(self.error(ErrorKind::InvalidNumber)),
            _ => Err(self.unexpected()),
        }
    }

    fn count(&mut self) -> Result<()> {
        if self.nodes >= self.bounds.nodes_max {
            return Err(self.error(ErrorKind::TooManyNodes));
        }
        self.nodes += 1;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else if word.as_bytes().starts_with(rest) {
            Err(self.end_error())
        } else {
            Err(self.error(ErrorKind::UnknownWord))
        }
    }

    fn enter(&mut self, depth: usize) -> Result<()> {
        if depth > self.bounds.depth_max.min(JSON_DEPTH_MAX) {
            return Err(self.error(ErrorKind::TooDeep));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Steps over what follows a member or an item: true at a comma, false at `close`.
    fn more(&mut self, close: u8) -> Result<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            _ => self.expect(close).map(|()| false),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if !self.more(b']')? {
                return Ok(Value::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value> {
        self.enter(depth)?;
        let first = self.at;
        let mut members: Vec<(String, Value)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::new()));
        }
        let mut sorted = true;
        loop {
            let offset = self.at;
            let key = self.key()?;
            match members.last().map(|(last, _)| utf16_order(last, &key)) {
                None | Some(Ordering::Less) => {}
                Some(Ordering::Equal) => {
                    return Err(Error {
                        kind: ErrorKind::DuplicateKey,
                        offset,
                    });
                }
                Some(Ordering::Greater) => sorted = false,
            }
            let value = self.value(depth)?;
            members.push((key, value));
            if !self.more(b'}')? {
                break;
            }
        }
        if !sorted {
            members.sort_unstable_by(|(a, _), (b, _)| utf16_order(a, b));
            let twice = members.array_windows().find(|[(a, _), (b, _)]| a == b);
            if let Some([(key, _), _]) = twice {
                let offset = self.second(key, first, depth);
                return Err(Error {
                    kind: ErrorKind::DuplicateKey,
                    offset,
                });
            }
        }
        Ok(Value::Object(Object::from_sorted(members)))
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<String> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        self.count()?;
        let key = self.string()?;
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(key)
    }

    /// Where `key` stands for the second time in the object whose first key is at `first`. Reads the object
    /// once more, so that documents without duplicates need not remember where their keys are.
    fn second(&mut self, key: &str, first: usize, depth: usize) -> usize {
        self.at = first;
        self.nodes = 0;
        let mut seen = false;
        loop {
            let offset = self.at;
            match self.key() {
                Ok(found) if found == key && seen => return offset,
                Ok(found) => seen |= found == key,
                Err(_) => return first,
            }
            if self.value(depth).is_err() || !matches!(self.more(b'}'), Ok(true)) {
                return first;
            }
        }
    }

    fn number(&mut self) -> Result<Number> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let leading_zero = self.peek() == Some(b'0');
        let digits_at = self.at;
        let magnitude = self.digits()?;
        let digits = self.at - digits_at;
        if leading_zero && digits > 1 {
            return Err(Error {
                kind: ErrorKind::InvalidNumber,
                offset: start,
            });
        }
        let plain = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        if plain && digits <= 15 && !(negative && magnitude == 0) {
            return Ok(Number::from_integer(if negative {
                -magnitude
            } else {
                magnitude
            }));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Number::from_lexeme(self.slice(start..self.at), self.bounds.numbers).ok_or(Error {
            kind: ErrorKind::InexactNumber,
            offset: start,
        })
    }

    /// Steps over one digit or more; gives their value, wrapped when they are more than 18.
    fn digits(&mut self) -> Result<i64> {
        let start = self.at;
        let mut value: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        match (self.at == start, self.peek()) {
            (false, _) => Ok(value),
            (true, None) => Err(self.end_error()),
            (true, Some(_)) => Err(self.error(ErrorKind::InvalidNumber)),
        }
    }
}
