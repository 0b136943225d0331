//! Escapes undone. An echo writes a secret as its format asks: `ab+c/d` is `ab+c\/d` in one JSON, `ab\u002bc/d` in another,
//! `ab&#43;c&#x2F;d` in a page, `ab%2Bc/d` in a form. Which characters are escaped is the writer's choice, so no list of
//! forms holds them all: the search goes through a shadow of the text in which each escape is the character it stands for.

use memchr::memchr3;

/// Longest escape that is undone, in bytes: character references may have any number of zeros in front.
const ESCAPE_BYTES_MAX: usize = 24;

/// Character references that have a name and stand for one character of ASCII (HTML, "Named character references").
const NAMED: [(&str, u8); 41] = [
    ("amp", b'&'),
    ("apos", b'\''),
    ("ast", b'*'),
    ("bsol", b'\\'),
    ("colon", b':'),
    ("comma", b','),
    ("commat", b'@'),
    ("diacriticalgrave", b'`'),
    ("dollar", b'$'),
    ("equals", b'='),
    ("excl", b'!'),
    ("grave", b'`'),
    ("gt", b'>'),
    ("hat", b'^'),
    ("lbrace", b'{'),
    ("lbrack", b'['),
    ("lcub", b'{'),
    ("lowbar", b'_'),
    ("lpar", b'('),
    ("lsqb", b'['),
    ("lt", b'<'),
    ("midast", b'*'),
    ("newline", b'\n'),
    ("num", b'#'),
    ("percnt", b'%'),
    ("period", b'.'),
    ("plus", b'+'),
    ("quest", b'?'),
    ("quot", b'"'),
    ("rbrace", b'}'),
    ("rbrack", b']'),
    ("rcub", b'}'),
    ("rpar", b')'),
    ("rsqb", b']'),
    ("semi", b';'),
    ("sol", b'/'),
    ("tab", b'\t'),
    ("underbar", b'_'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("verticalline", b'|'),
];

/// A text with one layer of escapes undone.
#[derive(Debug)]
pub(super) struct Shadow {
    /// The text.
    pub(super) text: Vec<u8>,
    marks: Vec<Mark>,
    /// Where in the source an escape begins whose end has not come yet; the shadow ends before it.
    pub(super) unfinished: Option<usize>,
}

/// One escape: where it stands in the shadow, and where in the source.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: usize,
    end: usize,
    from: usize,
    to: usize,
}

/// What begins at a byte that may begin an escape.
enum Step {
    /// An escape of so many bytes, and the character.
    Is(char, usize),
    /// An escape of so many bytes that stands for a byte.
    Byte(u8, usize),
    Not,
    /// More has to come before it is known.
    Unfinished,
}

impl Shadow {
    /// The shadow of a text; `None` when it holds no escapes. Only of the `last` piece of a text it is known that nothing
    /// follows.
    pub(super) fn of(source: &[u8], last: bool) -> Option<Self> {
        let mut next = memchr3(b'\\', b'&', b'%', source);
        next?;
        let mut shadow = Self {
            text: Vec::new(),
            marks: Vec::new(),
            unfinished: None,
        };
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = next {
            let at = from + found;
            let rest = source.get(at..).unwrap_or_default();
            let len = match read(rest) {
                Step::Is(c, len) => {
                    shadow.mark(source, copied..at, len, c.encode_utf8(&mut [0; 4]).as_bytes());
                    copied = at + len;
                    len
                }
                Step::Byte(byte, len) => {
                    shadow.mark(source, copied..at, len, &[byte]);
                    copied = at + len;
                    len
                }
                Step::Unfinished if !last => {
                    shadow.unfinished = Some(at);
                    break;
                }
                Step::Not | Step::Unfinished => 1,
            };
            from = at + len;
            next = memchr3(b'\\', b'&', b'%', source.get(from..).unwrap_or_default());
        }
        if shadow.marks.is_empty() && shadow.unfinished.is_none() {
            return None;
        }
        let end = shadow.unfinished.unwrap_or(source.len());
        shadow
            .text
            .extend_from_slice(source.get(copied..end).unwrap_or_default());
        Some(shadow)
    }

    fn mark(&mut self, source: &[u8], plain: std::ops::Range<usize>, len: usize, stands_for: &[u8]) {
        let from = plain.end;
        self.text.extend_from_slice(source.get(plain).unwrap_or_default());
        let at = self.text.len();
        self.text.extend_from_slice(stands_for);
        self.marks.push(Mark {
            at,
            end: self.text.len(),
            from,
            to: from + len,
        });
    }

    /// Where in the source the byte at `offset` begins.
    pub(super) fn start(&self, offset: usize) -> usize {
        match self.before(offset) {
            Some(mark) if offset < mark.end => mark.from,
            Some(mark) => mark.to + (offset - mark.end),
            None => offset,
        }
    }

    /// Where in the source the byte in front of `offset` ends.
    pub(super) fn end(&self, offset: usize) -> usize {
        let Some(byte) = offset.checked_sub(1) else {
            return 0;
        };
        match self.before(byte) {
            Some(mark) if byte < mark.end => mark.to,
            Some(mark) => mark.to + (offset - mark.end),
            None => offset,
        }
    }

    fn before(&self, offset: usize) -> Option<&Mark> {
        let after = self.marks.partition_point(|mark| mark.at <= offset);
        self.marks.get(after.checked_sub(1)?)
    }
}

fn read(rest: &[u8]) -> Step {
    match rest.first() {
        Some(b'\\') => backslash(rest),
        Some(b'&') => reference(rest),
        Some(b'%') => percent(rest),
        _ => Step::Not,
    }
}

/// Escapes of JSON (RFC 8259, section 7), of JavaScript and C, and of a shell.
fn backslash(rest: &[u8]) -> Step {
    let Some(&kind) = rest.get(1) else {
        return Step::Unfinished;
    };
    match kind {
        b'n' => Step::Byte(b'\n', 2),
        b'r' => Step::Byte(b'\r', 2),
        b't' => Step::Byte(b'\t', 2),
        b'b' => Step::Byte(8, 2),
        b'f' => Step::Byte(12, 2),
        b'x' => match digits(rest, 2, 2) {
            Ok(value) => Step::Byte(u8::try_from(value).unwrap_or_default(), 4),
            Err(step) => step,
        },
        b'u' if rest.get(2) == Some(&b'{') => braced(rest),
        b'u' => units(rest, "\\u"),
        b'U' => match digits(rest, 2, 8) {
            Ok(value) => character(value, 10),
            Err(step) => step,
        },
        b'0'..=b'3' => octal(rest),
        kind if kind.is_ascii_punctuation() => Step::Byte(kind, 2),
        _ => Step::Not,
    }
}

/// `%2B` (RFC 3986, section 2.1), and `%u002B` of the `escape` of browsers.
fn percent(rest: &[u8]) -> Step {
    match rest.get(1) {
        None => Step::Unfinished,
        Some(b'u' | b'U') => units(rest, "%u"),
        Some(_) => match digits(rest, 1, 2) {
            Ok(value) => Step::Byte(u8::try_from(value).unwrap_or_default(), 3),
            Err(step) => step,
        },
    }
}

/// A character reference of HTML and XML.
fn reference(rest: &[u8]) -> Step {
    let window = rest.get(1..rest.len().min(ESCAPE_BYTES_MAX)).unwrap_or_default();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let len = window.iter().take_while(|byte| is_part(byte)).count();
    let name = window.get(..len).unwrap_or_default();
    match window.get(len) {
        Some(b';') => {}
        None if rest.len() < ESCAPE_BYTES_MAX => return Step::Unfinished,
        _ => return Step::Not,
    }
    let whole = len + 2;
    let Ok(name) = std::str::from_utf8(name) else {
        return Step::Not;
    };
    match name.strip_prefix('#') {
        Some(number) => {
            let value = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            value.map_or(Step::Not, |value| character(value, whole))
        }
        None => NAMED
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(Step::Not, |(_, byte)| Step::Byte(*byte, whole)),
    }
}

/// `XXXX` after `lead`; two of them where the first is half a character (UTF-16).
fn units(rest: &[u8], lead: &str) -> Step {
    let first = match digits(rest, 2, 4) {
        Ok(value) => value,
        Err(step) => return step,
    };
    if !(0xd800..0xdc00).contains(&first) {
        return character(first, 6);
    }
    let second = rest.get(6..).unwrap_or_default();
    let lead = lead.as_bytes();
    let begun = second.len().min(lead.len());
    if !second
        .get(..begun)
        .unwrap_or_default()
        .eq_ignore_ascii_case(lead.get(..begun).unwrap_or_default())
    {
        return Step::Not;
    }
    match digits(second, 2, 4) {
        Ok(low) if (0xdc00..0xe000).contains(&low) => {
            character(0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        Ok(_) => Step::Not,
        Err(step) => step,
    }
}

/// `\u{2b}`.
fn braced(rest: &[u8]) -> Step {
    let inner = rest.get(3..rest.len().min(ESCAPE_BYTES_MAX)).unwrap_or_default();
    let len = inner.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    match inner.get(len) {
        Some(b'}') => {
            hex(inner.get(..len).unwrap_or_default()).map_or(Step::Not, |value| character(value, len + 4))
        }
        None if rest.len() < ESCAPE_BYTES_MAX => Step::Unfinished,
        _ => Step::Not,
    }
}

/// `\053`: three digits.
fn octal(rest: &[u8]) -> Step {
    let window = rest.get(1..rest.len().min(4)).unwrap_or_default();
    if !window.iter().all(|byte| (b'0'..=b'7').contains(byte)) {
        return Step::Not;
    }
    if window.len() < 3 {
        return Step::Unfinished;
    }
    let value = window
        .iter()
        .fold(0_u32, |value, byte| value * 8 + u32::from(byte - b'0'));
    Step::Byte(u8::try_from(value).unwrap_or_default(), 4)
}

/// The value of exactly `count` hexadecimal digits from `from` on.
fn digits(rest: &[u8], from: usize, count: usize) -> Result<u32, Step> {
    let there = rest.get(from..rest.len().min(from + count)).unwrap_or_default();
    if !there.iter().all(u8::is_ascii_hexdigit) {
        return Err(Step::Not);
    }
    if there.len() < count {
        return Err(Step::Unfinished);
    }
    hex(there).ok_or(Step::Not)
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn character(value: u32, len: usize) -> Step {
    char::from_u32(value).map_or(Step::Not, |c| Step::Is(c, len))
}
