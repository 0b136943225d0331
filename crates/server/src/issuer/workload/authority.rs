//! Clients over Unix sockets name the socket's path as `:authority`, percent-encoded (grpc core since 1.5x:
//! `tmp%2Fworkload.sock`), which is no authority to `h2`: it resets the stream. Nothing here depends on the name, so the `%`
//! signs in it are made dashes on the way in: same length, same header tables, every other byte untouched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's connection preface (RFC 9113, 3.4), in bytes.
const PREFACE: usize = 24;
/// The head of a frame (RFC 9113, 4.1), in bytes.
const HEAD: usize = 9;
/// `HEADERS` (RFC 9113, 6.2).
const HEADERS: u8 = 1;
/// A literal name of ten letters, not Huffman-coded (RFC 7541, 6.2, 5.2).
const NAME: &[u8] = b"\x0a:authority";

/// A connection whose `:authority` is made one.
#[derive(Debug)]
pub(super) struct Tolerant<IO> {
    io: IO,
    scan: Scan,
}

/// Where in the stream of frames the reader stands.
#[derive(Debug, Default)]
struct Scan {
    /// Bytes seen of the preface.
    preface: usize,
    /// Bytes of the current frame's head.
    head: Vec<u8>,
    /// Bytes left of the current frame's payload.
    left: usize,
    /// Bytes of [`NAME`] that have matched.
    matched: usize,
    /// The next byte is the length of the value.
    length_next: bool,
    /// Bytes left of the value.
    value: usize,
}

impl Scan {
    fn byte(&mut self, byte: &mut u8) {
        if self.preface < PREFACE {
            self.preface += 1;
        } else if self.left == 0 {
            self.begin(*byte);
        } else {
            self.left -= 1;
            if self.head.get(3) == Some(&HEADERS) {
                self.header(byte);
            }
            if self.left == 0 {
                self.head.clear();
            }
        }
    }

    fn begin(&mut self, byte: u8) {
        self.head.push(byte);
        if self.head.len() == HEAD {
            let length = self
                .head
                .iter()
                .take(3)
                .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            self.left = length;
            (self.matched, self.length_next, self.value) = (0, false, 0);
            if length == 0 {
                self.head.clear();
            }
        }
    }

    fn header(&mut self, byte: &mut u8) {
        if self.value > 0 {
            self.value -= 1;
            if *byte == b'%' {
                *byte = b'-';
            }
        } else if self.length_next {
            self.length_next = false;
            // Huffman-coded values and those of 127 bytes and more are left alone: no client was seen to send them.
            self.value = if *byte < 127 { usize::from(*byte) } else { 0 };
        } else if NAME.get(self.matched) == Some(byte) {
            self.matched += 1;
            if self.matched == NAME.len() {
                self.matched = 0;
                self.length_next = true;
            }
        } else {
            self.matched = usize::from(NAME.first() == Some(byte));
        }
    }
}

impl<IO> Tolerant<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self {
            io,
            scan: Scan::default(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tolerant<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.io).poll_read(context, buffer);
        for byte in buffer.filled_mut().iter_mut().skip(before) {
            this.scan.byte(byte);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tolerant<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn the_authority_of_headers_alone_is_changed_whatever_the_reads() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, b""));
        bytes.extend(frame(1, b"@\x0a:authority\x09a%2Fb.soc@\x05:path\x03/%2"));
        bytes.extend(frame(0, b"@\x0a:authority\x09a%2Fb.soc"));
        let mut scan = Scan::default();
        let mut out = bytes.clone();
        out.iter_mut().for_each(|byte| scan.byte(byte));
        let changed: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != out[*at]).collect();
        assert_eq!(changed.len(), 1);
        assert_eq!((bytes[changed[0]], out[changed[0]]), (b'%', b'-'));
        assert!(changed[0] < 24 + 9 + 9 + 25);
    }
}
