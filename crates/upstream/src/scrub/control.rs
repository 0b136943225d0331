//! Terminal escape sequences and control characters (ECMA-48), which have no business in an answer.

use std::borrow::Cow;

const ESC: char = '\u{1b}';
const BEL: char = '\u{7}';

/// The text without them. New lines, tabs and the carriage return of a line ending stay.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    let Some(first) = first_suspect(text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let (start, rest) = text.split_at_checked(first).unwrap_or(("", text));
    let mut clean = String::with_capacity(text.len());
    clean.push_str(start);
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => clean.push(c),
            '\r' if chars.peek() == Some(&'\n') => clean.push(c),
            ESC => match chars.next() {
                Some('[') => skip_parameters(&mut chars),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                // Two-character sequences with an intermediate byte, such as the choice of a character set.
                Some(' '..='/') => drop(chars.next()),
                _ => {}
            },
            '\u{9b}' => skip_parameters(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    if clean.len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(clean)
}

/// Offset of the first byte that may begin something to remove; on a character boundary.
fn first_suspect(bytes: &[u8]) -> Option<usize> {
    bytes.iter().enumerate().position(|(at, &byte)| match byte {
        b'\n' | b'\t' => false,
        0..=0x1f | 0x7f => true,
        // C1 controls are U+0080 to U+009F, in UTF-8 C2 80 to C2 9F.
        0xc2 => bytes.get(at + 1).is_some_and(|next| *next < 0xa0),
        _ => false,
    })
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// CSI: parameters and intermediates up to a final byte. Anything else ends it and stays.
fn skip_parameters(chars: &mut Chars<'_>) {
    while let Some(&c) = chars.peek() {
        match c {
            ' '..='?' => drop(chars.next()),
            '@'..='~' => {
                chars.next();
                return;
            }
            _ => return,
        }
    }
}

/// OSC, DCS and the like: up to BEL or ST. One that never ends takes its line only, or it could hide a whole answer.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(&c) = chars.peek() {
        match c {
            '\n' => return,
            BEL | '\u{9c}' => {
                chars.next();
                return;
            }
            ESC => {
                chars.next();
                if chars.peek() == Some(&'\\') {
                    chars.next();
                }
                return;
            }
            _ => drop(chars.next()),
        }
    }
}
