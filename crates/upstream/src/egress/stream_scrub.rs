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
    held: Vec<u8>,
}

impl StreamScrub {
    pub(super) fn new(scrubber: Arc<Scrubber>) -> Self {
        Self {
            idle: scrubber.knows_nothing(),
            scrubber,
            held: Vec::new(),
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
        self.held.extend_from_slice(&piece);
        let clean = self.scrubber.bytes(&self.held);
        let keep = self.scrubber.could_begin_at_end(&clean);
        let mut out = clean;
        self.held = out.split_off(out.len() - keep);
        out.into()
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
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
