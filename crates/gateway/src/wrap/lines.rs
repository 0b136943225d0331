//! Lines of bounded length from a stream.

use bytes::{Bytes, BytesMut};
use remit_core::limits::REQUEST_BYTES_MAX;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// What was read.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A line that is not empty, without its end.
    Message(Bytes),
    /// A line beyond the bound, skipped.
    TooLong,
    /// There is no more.
    End,
}

/// Reads lines.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    read: BytesMut,
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `input`.
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::new(input),
            read: BytesMut::new(),
            skipping: false,
        }
    }

    /// The next line. Safe to cancel.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) async fn next(&mut self) -> std::io::Result<Line> {
        loop {
            let chunk = self.input.fill_buf().await?;
            if chunk.is_empty() {
                let rest = self.take();
                return Ok(rest.unwrap_or(Line::End));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(chunk.len());
            if self.read.len() + length > REQUEST_BYTES_MAX {
                self.skipping = true;
                self.read.clear();
            }
            if !self.skipping {
                self.read
                    .extend_from_slice(chunk.get(..length).unwrap_or_default());
            }
            self.input.consume(end.map_or(length, |end| end + 1));
            if end.is_some()
                && let Some(line) = self.take()
            {
                return Ok(line);
            }
        }
    }

    fn take(&mut self) -> Option<Line> {
        if std::mem::take(&mut self.skipping) {
            return Some(Line::TooLong);
        }
        let mut line = self.read.split();
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        (!line.is_empty()).then(|| Line::Message(line.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut text = b"one\r\n\n".to_vec();
        text.resize(text.len() + REQUEST_BYTES_MAX + 1, b'x');
        text.extend_from_slice(b"\ntwo");
        let mut lines = Lines::new(text.as_slice());
        for wanted in [
            Line::Message(Bytes::from("one")),
            Line::TooLong,
            Line::Message(Bytes::from("two")),
            Line::End,
            Line::End,
        ] {
            assert_eq!(lines.next().await.unwrap(), wanted);
        }
    }
}
