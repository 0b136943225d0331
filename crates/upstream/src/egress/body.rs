//! The body of a request, taken from where it was kept whole when the call was decided.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes taken from the source at a time.
const PIECE: usize = 64 * 1024;

/// A body that was kept whole.
pub trait Source: Send + Sync + 'static {
    /// Length, in bytes.
    fn len(&self) -> u64;
    /// True when there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// SHA-256, in hexadecimal.
    fn sha256(&self) -> &str;
    /// At most `max` bytes from `offset` on; empty at the end.
    ///
    /// # Errors
    /// It cannot be read.
    fn piece(&self, offset: u64, max: usize) -> io::Result<Bytes>;
}

/// A body on its way out, of exactly the length that was decided.
pub(super) struct Leaving {
    source: Arc<dyn Source>,
    offset: u64,
}

impl Leaving {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, offset: 0 }
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.source.piece(self.offset, PIECE) {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        if piece.is_empty() {
            return Poll::Ready(None);
        }
        self.offset += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.offset >= self.source.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.source.len().saturating_sub(self.offset))
    }
}
