//! Server-sent events (WHATWG HTML 9.2.6), with a cap on what one event may hold.

use std::collections::VecDeque;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// The data lines, joined with new lines.
    pub(crate) data: Vec<u8>,
    /// The last `id` seen, where this event brought one.
    pub(crate) id: Option<Vec<u8>>,
    /// `retry`, in milliseconds.
    pub(crate) retry_ms: Option<u64>,
}

/// An event that is longer than the cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Longest `id` that is kept, in bytes.
const ID_BYTES_MAX: usize = 1024;

/// Reads a stream of events, however it is cut into chunks.
#[derive(Debug)]
pub(crate) struct Parser {
    /// Most bytes of one event, with the line under way.
    max: usize,
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last byte was a carriage return: a line feed right after it ends no line.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark may stand here.
    start: bool,
}

impl Parser {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            after_cr: false,
            start: true,
        }
    }

    /// Takes a chunk; events that became complete are appended to `out`. Events without data are given too when they bring
    /// an id or a time to retry.
    pub(crate) fn feed(&mut self, chunk: &[u8], out: &mut VecDeque<Event>) -> Result<(), TooLong> {
        let mut rest = chunk;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r'));
            let (piece, after) = match end {
                Some(at) => (rest.get(..at), rest.get(at + 1..)),
                None => (Some(rest), None),
            };
            self.line.extend_from_slice(piece.unwrap_or_default());
            if self.line.len() + self.event.data.len() > self.max {
                return Err(TooLong);
            }
            if let Some(at) = end {
                self.after_cr = rest.get(at) == Some(&b'\r');
                self.end_line(out);
            }
            rest = after.unwrap_or_default();
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut VecDeque<Event>) {
        let mut line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.start) && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) || event != Event::default() {
                out.push_back(event);
            }
        } else {
            self.field(&line);
        }
        // The buffer is kept for the next line unless it grew.
        line.clear();
        if line.capacity() <= 64 * 1024 {
            self.line = line;
        }
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, b""));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"id" if value.len() <= ID_BYTES_MAX && !value.contains(&0) => {
                self.event.id = Some(value.to_vec());
            }
            b"retry" => {
                let digits = std::str::from_utf8(value)
                    .ok()
                    .filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
                self.event.retry_ms = digits.and_then(|v| v.parse().ok());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"\xEF\xBB\xBFdata: one\r\n\r\n: comment\ndata:two\ndata\ndata:  three\nid: 7\n\nretry: 250\nid: 8\ndata:\n\nevent: x\n\ndata: {\"a\":1}\r\rdata: unfinished";

    fn events() -> Vec<Event> {
        let event = |data: &str, id: Option<&str>, retry_ms| Event {
            data: data.into(),
            id: id.map(Into::into),
            retry_ms,
        };
        vec![
            event("one", None, None),
            event("two\n\n three", Some("7"), None),
            event("", Some("8"), Some(250)),
            event("{\"a\":1}", None, None),
        ]
    }

    #[test]
    fn however_it_is_cut() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::new(1000);
            let mut out = VecDeque::new();
            for chunk in STREAM.chunks(size) {
                parser.feed(chunk, &mut out).unwrap();
            }
            assert_eq!(Vec::from(out), events(), "chunks of {size}");
        }
    }

    #[test]
    fn an_event_is_bounded_as_a_whole() {
        let mut out = VecDeque::new();
        let mut one_line = Parser::new(100);
        assert_eq!(one_line.feed(&[b'x'; 101], &mut out), Err(TooLong));
        let mut many_lines = Parser::new(100);
        let result = (0..20).try_for_each(|_| many_lines.feed(b"data: 12345678\n", &mut out));
        assert_eq!(result, Err(TooLong));
        let mut many_events = Parser::new(100);
        assert_eq!(
            (0..20).try_for_each(|_| many_events.feed(b"data: 12345678\n\n", &mut out)),
            Ok(())
        );
        assert_eq!(out.len(), 20);
    }
}
