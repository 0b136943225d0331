//! What people and programs get to see: styled lines or JSON, everything from outside escaped on its way out.

pub mod escape;
pub mod table;
pub mod text;
pub mod when;

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;
use table::Table;
use text::Text;

/// Standard output and standard error, and how to write to them.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// One JSON object per line instead of lines for people.
    pub json: bool,
    colour_out: bool,
    colour_err: bool,
}

impl Out {
    /// Looks at the terminal and at `NO_COLOR` (<https://no-color.org>: set and not empty means no colour).
    #[must_use]
    pub fn new(json: bool, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variable("TERM").is_some_and(|value| value == "dumb");
        Self {
            json,
            colour_out: !refused && io::stdout().is_terminal(),
            colour_err: !refused && io::stderr().is_terminal(),
        }
    }

    /// Whether standard error may be coloured.
    #[must_use]
    pub const fn colours_notes(&self) -> bool {
        self.colour_err
    }

    /// One line on standard output.
    ///
    /// # Errors
    /// Nobody reads any more, or the disk behind it is full.
    pub fn line(&self, text: impl Into<Text>) -> Result<(), Failure> {
        let mut line = text.into().render(self.colour_out);
        line.push('\n');
        write_all(&mut io::stdout().lock(), line.as_bytes())
    }

    /// Text without a line end on standard output: a prompt.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub fn prompt(&self, text: impl Into<Text>) -> Result<(), Failure> {
        write_all(
            &mut io::stdout().lock(),
            text.into().render(self.colour_out).as_bytes(),
        )
    }

    /// All rows, aligned.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub fn table(&self, table: Table) -> Result<(), Failure> {
        for row in table.aligned() {
            self.line(row)?;
        }
        Ok(())
    }

    /// One line on standard error: notes beside the result. What cannot be said there is lost, the result is not.
    pub fn note(&self, text: impl Into<Text>) {
        let mut line = text.into().render(self.colour_err);
        line.push('\n');
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }

    /// Rings the bell of the terminal on standard error.
    pub fn bell(&self) {
        if io::stderr().is_terminal() {
            let _ = io::stderr().lock().write_all(b"\x07");
        }
    }

    /// One JSON value on a line of standard output.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub fn json(&self, value: &Value) -> Result<(), Failure> {
        let mut line = escape::json(value);
        line.push('\n');
        write_all(&mut io::stdout().lock(), line.as_bytes())
    }

    /// One JSON value on a line of standard error, where standard output belongs to somebody else.
    pub fn json_note(&self, value: &Value) {
        let mut line = escape::json(value);
        line.push('\n');
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::NobodyReads,
            _ => Failure::local(format!("cannot write to standard output: {error}")),
        })
}
