//! Looking for known secrets in what comes piece by piece, without changing it.

use std::sync::Arc;

use super::{Scrubber, Secrets};

/// One content being looked through.
pub struct Seek {
    known: Option<Arc<Secrets>>,
    /// The end of what came so far, from where a secret may have begun.
    held: Vec<u8>,
}

/// Never shows a secret.
impl std::fmt::Debug for Seek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seek(…)")
    }
}

impl Scrubber {
    /// Begins to look through a content, for what is known now.
    #[must_use]
    pub fn seek(&self) -> Seek {
        Seek {
            known: self.0.load_full(),
            held: Vec::new(),
        }
    }
}

impl Seek {
    /// Most bytes that are held back between two pieces; 0 when there is nothing to look for.
    #[must_use]
    pub fn held_max(&self) -> usize {
        self.known.as_ref().map_or(0, |secrets| secrets.held_max())
    }

    /// Takes in a piece: true when a secret ends in it, in any of the forms that are scrubbed from answers. Only behind the
    /// `last` piece it is known that nothing follows.
    pub fn push(&mut self, piece: &[u8], last: bool) -> bool {
        let Some(secrets) = &self.known else {
            return false;
        };
        self.held.extend_from_slice(piece);
        let found = secrets.look(&self.held, last);
        self.held.drain(..found.open.min(self.held.len()));
        !found.spans.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_its_content_is_cut() {
        let secret = "s3cr3t-value-0123456789";
        let scrubber = Scrubber::new([secret]).unwrap();
        let encoded: String = secret.bytes().map(|byte| format!("{byte:02X}")).collect();
        for content in [
            format!("before {secret} after"),
            format!("before {encoded} after"),
        ] {
            for size in 1..content.len() {
                let mut seek = scrubber.seek();
                let found = content
                    .as_bytes()
                    .chunks(size)
                    .filter(|piece| seek.push(piece, false));
                let found = found.count() + usize::from(seek.push(b"", true));
                assert!(found >= 1, "in pieces of {size}");
            }
        }
        let mut seek = scrubber.seek();
        assert!(!seek.push(b"s3cr3t-value", false) && !seek.push(b"s-0123456789", true));
    }
}
