//! Lines of a stream, none longer than a bound.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Read size, in bytes.
const BUFFER_BYTES: usize = 32 * 1024;
/// A line buffer larger than this is given back after use, in bytes.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Why there is no further line.
#[derive(Debug)]
pub(crate) enum End {
    /// The stream is over; an unfinished line is thrown away.
    Eof,
    /// A line is longer than the bound.
    TooLong,
}

/// Reads line by line.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
    max: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(stream: R, max: usize) -> Self {
        Self {
            stream: BufReader::with_capacity(BUFFER_BYTES, stream),
            line: Vec::new(),
            max,
        }
    }

    /// The next line without its end.
    pub(crate) async fn next(&mut self) -> Result<&[u8], End> {
        self.line.clear();
        self.line.shrink_to(KEPT_BYTES_MAX);
        loop {
            // A read error means the same as an end: nothing more comes.
            let available = match self.stream.fill_buf().await {
                Ok(bytes) if !bytes.is_empty() => bytes,
                _ => return Err(End::Eof),
            };
            let end = available.iter().position(|b| *b == b'\n');
            let piece = available
                .get(..end.unwrap_or(available.len()))
                .unwrap_or_default();
            if self.line.len() + piece.len() > self.max {
                return Err(End::TooLong);
            }
            self.line.extend_from_slice(piece);
            let used = piece.len() + usize::from(end.is_some());
            self.stream.consume(used);
            if end.is_some() {
                return Ok(&self.line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let mut lines = Lines::new(&b"one\n\ntwo\nunfinished"[..], 5);
        assert_eq!(lines.next().await.unwrap(), b"one");
        assert_eq!(lines.next().await.unwrap(), b"");
        assert_eq!(lines.next().await.unwrap(), b"two");
        assert!(matches!(lines.next().await, Err(End::TooLong)));
        let mut lines = Lines::new(&b"one\ntw"[..], 5);
        lines.next().await.unwrap();
        assert!(matches!(lines.next().await, Err(End::Eof)));
    }
}
