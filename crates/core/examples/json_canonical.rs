//! Reads one document per line, in base64, from standard input, and prints what our parser makes of it: `ok`
//! and the canonical bytes in base64, or `error`, the kind and the offset.

use remit_core::json::{Bounds, parse};
use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        match parse(&decode(&line?), &Bounds::REQUEST) {
            Ok(value) => writeln!(out, "ok {}", encode(&value.to_canonical()))?,
            Err(error) => writeln!(out, "error {} {}", error.kind.name(), error.offset)?,
        }
    }
    out.flush()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn decode(line: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in line.bytes() {
        let Some(digit) = ALPHABET.iter().zip(0_u32..).find(|(known, _)| **known == byte) else {
            continue;
        };
        bits = (bits << 6) | digit.1;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.extend(u8::try_from((bits >> held) & 0xFF));
        }
    }
    bytes
}

fn encode(bytes: &[u8]) -> String {
    let mut line = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .fold(0_usize, |word, byte| (word << 8) | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET
                .get((word >> (18 - 6 * place)) & 63)
                .filter(|_| place <= chunk.len());
            line.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    line
}
