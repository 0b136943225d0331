//! A stream that takes in only so much: one row may be a gigabyte, and is in memory before anybody sees that it is a row.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::port::Stream;

/// What is said about it.
pub(super) const TOO_LARGE: &str = "the answer is larger than is taken: ask for less";

/// What may still be taken in, in bytes.
#[derive(Clone, Debug)]
pub(super) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    pub(super) fn refill(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// The stream, with its meter.
pub(super) struct Metered {
    pub(super) inner: Stream,
    pub(super) meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.meter.0.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(Err(io::Error::other(TOO_LARGE)));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let taken = u64::try_from(buf.filled().len() - before).unwrap_or(u64::MAX);
        let left = self.meter.0.load(Ordering::Relaxed);
        self.meter.0.store(left.saturating_sub(taken), Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn no_more_comes_in_than_the_meter_says() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let meter = Meter::new(1000);
        let mut metered = Metered {
            inner: Box::new(ours),
            meter: meter.clone(),
        };
        theirs.write_all(&[7; 3000]).await.unwrap();
        let mut buffer = [0; 600];
        metered.read_exact(&mut buffer).await.unwrap();
        let error = metered
            .read_exact(&mut buffer)
            .await
            .and(metered.read_exact(&mut buffer).await);
        assert!(error.unwrap_err().to_string().contains("larger"));
        meter.refill(600);
        metered.read_exact(&mut buffer).await.unwrap();
    }
}
