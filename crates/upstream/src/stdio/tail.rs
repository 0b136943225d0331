//! The last words of a server on its standard error: kept short, for error messages.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Most bytes kept.
const KEPT_BYTES_MAX: usize = 4096;

/// A window over the end of a stream.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = bytes
            .get(bytes.len().saturating_sub(KEPT_BYTES_MAX)..)
            .unwrap_or_default();
        let excess = (kept.len() + new.len()).saturating_sub(KEPT_BYTES_MAX);
        let excess = excess.min(kept.len());
        kept.drain(..excess);
        kept.extend(new);
    }

    /// What is kept, as text; not scrubbed.
    pub(crate) fn text(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    }

    /// Reads a stream to its end, keeping only its tail.
    pub(crate) async fn drain(&self, mut stream: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8192];
        while let Ok(n) = stream.read(&mut buffer).await {
            if n == 0 {
                return;
            }
            self.push(buffer.get(..n).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let tail = Tail::default();
        for n in 0..10_000 {
            tail.push(format!("{n}\n").as_bytes());
        }
        tail.push(&[b'x'; 100]);
        let text = tail.text();
        assert_eq!(text.len(), KEPT_BYTES_MAX);
        assert!(text.ends_with(&"x".repeat(100)));
        tail.push(&vec![b'y'; 100_000]);
        assert_eq!(tail.text(), "y".repeat(KEPT_BYTES_MAX));
    }
}
