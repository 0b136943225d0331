//! What a body carries that became no argument: a text, an upload, a push. It is looked through whole before policy is
//! asked, on a thread of its own, for the same things as arguments are (`carried.rs`).
//!
//! What is packed is looked into once: the objects of a push, a gzip file. What is packed otherwise, or encrypted, cannot be.

use std::io;
use std::sync::Arc;

use remit_core::call::Call;
use remit_core::json::Value;
use remit_core::limits::REQUEST_BYTES_MAX;
use remit_credentials::detect::{self, Kind};
use remit_egress::request::git;
use remit_egress::spool::Spooled;
use remit_upstream::{Scrubber, Seek};
use tokio::sync::Semaphore;

use super::carried::What;
use crate::app::Failure;

/// Bytes looked at in one go, where no secret is longer.
const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes looked at again with the next ones, so that a credential in a known form is whole once; no form is longer but a
/// private key, which is one by its beginning.
const OVERLAP_BYTES: usize = 12 * 1024;
/// Longer bodies are looked through a few at a time, in bytes.
const SMALL_BYTES: u64 = 4 * 1024 * 1024;
/// How many of those at a time.
const AT_ONCE: usize = 2;
/// What a gzip file begins with (RFC 1952, section 2.3.1).
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// One find: what, and how it may be shown.
pub(super) type Found = (What, String);

/// What is looked for.
pub(super) struct Wanted {
    pub(super) secrets: Arc<Scrubber>,
    pub(super) decoy: String,
    pub(super) placeholders: bool,
}

/// Whose turn it is among long bodies.
#[derive(Debug)]
pub(super) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// True when a call has a body whose content is in none of its arguments, or not all of it.
pub(super) fn is_unread(call: &Call) -> bool {
    let has = |name: &str| call.arguments.get(name).is_some();
    let length = call.arguments.get("body_bytes").and_then(Value::as_i64);
    let is_long = usize::try_from(length.unwrap_or(0)).is_ok_and(|length| length > REQUEST_BYTES_MAX);
    has("body_sha256") && (is_long || !(has("body") || has("document")))
}

/// Looks through a body.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be read.
pub(super) async fn look(turns: &Turns, body: &Spooled, wanted: Wanted) -> Result<Vec<Found>, Failure> {
    let turn = if body.len() > SMALL_BYTES {
        Some(turns.0.acquire().await.map_err(Failure::unavailable)?)
    } else {
        None
    };
    let body = body.clone();
    let found = tokio::task::spawn_blocking(move || through(&body, wanted)).await;
    drop(turn);
    found
        .map_err(Failure::unavailable)?
        .map_err(|error| Failure::Unavailable(format!("the body cannot be read again: {error}")))
}

fn through(body: &Spooled, wanted: Wanted) -> io::Result<Vec<Found>> {
    let mut eye = Eye::new(wanted);
    pieces(body, &mut eye)?;
    eye.gap();
    // Neither is what it is not: where it cannot be unpacked it was seen as it is.
    git::contents(body, &mut |piece| {
        if piece.is_empty() {
            eye.gap();
        } else {
            eye.see(piece);
        }
    });
    if body.piece(0, GZIP.len())?.as_ref() == GZIP
        && let Ok(unpacked) = body.gunzip()
    {
        eye.gap();
        pieces(&unpacked, &mut eye)?;
    }
    eye.gap();
    Ok(eye.found)
}

fn pieces(body: &Spooled, eye: &mut Eye) -> io::Result<()> {
    let mut offset = 0;
    loop {
        let piece = body.piece(offset, CHUNK_BYTES)?;
        if piece.is_empty() {
            return Ok(());
        }
        offset += piece.len() as u64;
        eye.see(&piece);
    }
}

/// What looks at a content as it comes by.
struct Eye {
    wanted: Wanted,
    /// As it is.
    plain: Seek,
    /// Without what stands between the lines of an encoding, and between the letters of UTF-16.
    joined: Seek,
    /// The last byte was a `=`, which may end a line of quoted-printable (RFC 2045, section 6.7).
    soft: bool,
    chunk: usize,
    pending: Vec<u8>,
    window: Vec<u8>,
    found: Vec<Found>,
}

impl Eye {
    fn new(wanted: Wanted) -> Self {
        let (plain, joined) = (wanted.secrets.seek(), wanted.secrets.seek());
        Self {
            chunk: CHUNK_BYTES.max(plain.held_max() * 2),
            plain,
            joined,
            soft: false,
            pending: Vec::new(),
            window: Vec::new(),
            found: Vec::new(),
            wanted,
        }
    }

    fn see(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
        if self.pending.len() >= self.chunk {
            self.examine(false);
        }
    }

    /// What comes next does not belong to what came.
    fn gap(&mut self) {
        self.examine(true);
        self.plain = self.wanted.secrets.seek();
        self.joined = self.wanted.secrets.seek();
        self.soft = false;
        self.window.clear();
    }

    fn examine(&mut self, last: bool) {
        let pending = std::mem::take(&mut self.pending);
        let joined = self.join(&pending);
        if self.plain.push(&pending, last) | self.joined.push(&joined, last) {
            self.note(What::Secret, "a secret that is kept here".to_owned());
        }
        self.window.extend_from_slice(&pending);
        let text = String::from_utf8_lossy(&self.window).into_owned();
        if text.contains(&self.wanted.decoy) {
            self.note(What::Decoy, "the decoy of this run".to_owned());
        }
        for one in detect::known(&text) {
            let what = match one.kind {
                Kind::Placeholder if self.wanted.placeholders => What::Placeholder,
                Kind::Known(_) => What::Foreign,
                // What only looks random is most of what an upload is.
                Kind::Placeholder | Kind::Random => continue,
            };
            self.note(what, detect::masked(&text, &one));
        }
        let kept = self.window.len().min(OVERLAP_BYTES);
        self.window.drain(..self.window.len() - kept);
    }

    fn note(&mut self, what: What, shown: String) {
        if self.found.len() < super::carried::FINDS_MAX && !self.found.contains(&(what, shown.clone())) {
            self.found.push((what, shown));
        }
    }

    fn join(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut joined = Vec::with_capacity(piece.len());
        for &byte in piece {
            if std::mem::take(&mut self.soft) && !matches!(byte, b'\r' | b'\n') {
                joined.push(b'=');
            }
            match byte {
                b'=' => self.soft = true,
                b' '.. if byte != 0x7f => joined.push(byte),
                _ => {}
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use std::io::Write as _;

    const SECRET: &str = "s3cr3t-value-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-abcdefghij";
    const DECOY: &str = "remit-placeholder-0123456789abcdef0123456789abcdef";

    fn seen(content: &[u8]) -> Vec<What> {
        let wanted = Wanted {
            secrets: Arc::new(Scrubber::new([SECRET]).unwrap()),
            decoy: DECOY.to_owned(),
            placeholders: false,
        };
        let found = through(&Spooled::of(content).unwrap(), wanted).unwrap();
        found.into_iter().map(|(what, _)| what).collect()
    }

    #[test]
    fn a_secret_is_found_however_a_body_holds_it() {
        let wrapped: String = STANDARD
            .encode(format!("xx{SECRET}"))
            .as_bytes()
            .chunks(76)
            .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
            .collect();
        let quoted: String = SECRET
            .as_bytes()
            .chunks(20)
            .map(|line| format!("{}=\r\n", std::str::from_utf8(line).unwrap()))
            .collect();
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(SECRET.as_bytes()).unwrap();
        for body in [
            SECRET.as_bytes().to_vec(),
            wrapped.into_bytes(),
            quoted.into_bytes(),
            wide,
            packed.finish().unwrap(),
        ] {
            assert_eq!(seen(&body), [What::Secret], "{}", String::from_utf8_lossy(&body));
        }
        // Across the border of two chunks, behind whatever length.
        for before in [CHUNK_BYTES - 30, CHUNK_BYTES - 1, 3 * CHUNK_BYTES - 10] {
            let body = [vec![b'x'; before], SECRET.as_bytes().to_vec()].concat();
            assert_eq!(seen(&body), [What::Secret], "{before}");
        }
    }

    #[test]
    fn the_decoy_and_what_others_issued_are_found_and_ordinary_content_is_not() {
        let key = concat!("sk_", "live_", "Zk3vQ9xLm2RtB7wYc5HnD8sJ");
        for before in [10, CHUNK_BYTES - 10] {
            let filler = " ".repeat(before);
            assert_eq!(seen(format!("{filler}{key} ").as_bytes()), [What::Foreign]);
            assert_eq!(seen(format!("{filler}{DECOY}").as_bytes()), [What::Decoy]);
        }
        let digests = "let token = \"3b871e2feb6004e8eb158cadb5d02555285e2ff7\";\n".repeat(10_000);
        assert_eq!(seen(digests.as_bytes()), []);
        let bytes: Vec<u8> = (0..=255).cycle().take(CHUNK_BYTES * 3).collect();
        assert_eq!(seen(&bytes), []);
    }
}
