//! Looking for known secrets in what comes piece by piece, without changing it.

use std::sync::Arc;

use super::{Known, Scrubber};

/// One content being looked through.
pub struct Seek {
    known: Arc<Known>,
    longest: usize,
    /// The end of what came so far, as far as a secret could begin in it.
    tail: Vec<u8>,
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
        let known = self.0.load_full();
        Seek {
            longest: known.forms.iter().map(Vec::len).max().unwrap_or(0),
            known,
            tail: Vec::new(),
        }
    }
}

impl Seek {
    /// Longest form of a secret that is looked for, in bytes; 0 when there is nothing to look for.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Takes in a piece: true when a secret ends in it, in any of the forms that are scrubbed from answers.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        let Some(search) = &self.known.secrets else {
            return false;
        };
        self.tail.extend_from_slice(piece);
        let found = search.is_match(&self.tail);
        let kept = self.tail.len().min(self.longest.saturating_sub(1));
        self.tail.drain(..self.tail.len() - kept);
        found
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
                let found = content.as_bytes().chunks(size).filter(|piece| seek.push(piece));
                assert!(found.count() >= 1, "in pieces of {size}");
            }
        }
        let mut seek = scrubber.seek();
        assert!(!seek.push(b"s3cr3t-value") && !seek.push(b"s-0123456789"));
    }
}
