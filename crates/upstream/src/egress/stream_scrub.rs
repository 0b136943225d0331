//! Scrubbing a body as it streams: known secrets are found across the borders of its pieces, and no more is held back than
//! could still become one.

use std::sync::Arc;

use bytes::Bytes;

use crate::scrub::Scrubber;

/// One body being scrubbed.
pub(super) struct StreamScrub {
    scrubber: Arc<Scrubber>,
    /// Nothing could be found when the body began: its length was promised then.
    idle: bool,
    held: Bytes,
}

impl StreamScrub {
    pub(super) fn new(scrubber: Arc<Scrubber>) -> Self {
        Self {
            idle: scrubber.knows_nothing(),
            scrubber,
            held: Bytes::new(),
        }
    }

    /// True when nothing can be found: bodies pass as they are, and their length holds.
    pub(super) const fn is_idle(&self) -> bool {
        self.idle
    }

    /// Takes a piece in and gives what can go on.
    pub(super) fn push(&mut self, piece: Bytes) -> Bytes {
        if self.is_idle() {
            return piece;
        }
        let mut text = if self.held.is_empty() {
            piece
        } else {
            [&*self.held, &*piece].concat().into()
        };
        let found = self.scrubber.look(&text, false);
        // A copy: the piece would stay in memory with it.
        self.held = Bytes::copy_from_slice(&text.split_off(found.open));
        Scrubber::without(text, &found.spans)
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Bytes {
        let text = std::mem::take(&mut self.held);
        let found = self.scrubber.look(&text, true);
        Scrubber::without(text, &found.spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_a_server_cuts_it() {
        let secret = "s3cr3t-value-0123456789";
        let scrubber = Arc::new(Scrubber::new([secret]).unwrap());
        let encoded: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
        let body = format!("before {secret} middle {encoded} after s3cr3t-val end");
        for size in 1..body.len() {
            let mut stream = StreamScrub::new(Arc::clone(&scrubber));
            let mut out = Vec::new();
            for piece in body.as_bytes().chunks(size) {
                out.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
            }
            out.extend_from_slice(&stream.finish());
            let out = String::from_utf8(out).unwrap();
            assert_eq!(
                out, "before [removed by remit] middle [removed by remit] after s3cr3t-val end",
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn an_escaped_secret_is_found_wherever_a_server_cuts_it() {
        let secret = "ab+cd/efGH12345==";
        let scrubber = Arc::new(Scrubber::new([secret]).unwrap());
        let body = r#"{"a":"ab+cd\/efGH12345==","b":"x\nab\u002Bcd/efGH12345\u003d=","c":"ab%252Bcd/efGH12345&#x3D;&equals;\\","d":"ab\u002Bcd/"}"#;
        let wanted = r#"{"a":"[removed by remit]","b":"x\n[removed by remit]","c":"[removed by remit]\\","d":"ab\u002Bcd/"}"#;
        for size in 1..body.len() {
            let mut stream = StreamScrub::new(Arc::clone(&scrubber));
            let mut out = Vec::new();
            for piece in body.as_bytes().chunks(size) {
                out.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
            }
            out.extend_from_slice(&stream.finish());
            assert_eq!(String::from_utf8(out).unwrap(), wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn a_stream_of_escapes_is_held_back_in_bounds() {
        let scrubber = Arc::new(Scrubber::new(["ab+cd/efGH12345=="]).unwrap());
        for unit in [
            "\\",
            "%25",
            "&amp;",
            "&#0000000000",
            "ab%2525252525252b",
            "\\u005c",
        ] {
            let mut stream = StreamScrub::new(Arc::clone(&scrubber));
            let mut out = 0;
            for _ in 0..500 {
                out += stream.push(Bytes::from(unit.repeat(3))).len();
                assert!(stream.held.len() < 512, "{unit}: {}", stream.held.len());
            }
            out += stream.finish().len();
            assert_eq!(out, unit.len() * 1500, "{unit}");
        }
    }

    #[test]
    fn ordinary_text_is_not_held_back() {
        let scrubber = Arc::new(Scrubber::new(["s3cr3t-value-0123456789"]).unwrap());
        let mut stream = StreamScrub::new(scrubber);
        assert_eq!(
            stream.push(Bytes::from_static(b"data: hello\n\n")),
            "data: hello\n\n"
        );
        assert_eq!(stream.push(Bytes::from_static(b"data: s3c")), "data: ");
        assert_eq!(stream.push(Bytes::from_static(b"ond\n\n")), "s3cond\n\n");
    }
}
