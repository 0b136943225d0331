//! What goes into and comes out of a statement: four kinds of value, the same on both databases.

use std::borrow::Cow;

use super::{DbError, DbErrorKind};

/// One column or parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL `NULL`.
    Null,
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`, UTF-8 without U+0000 (PostgreSQL cannot hold it).
    Text(Cow<'a, str>),
    /// `BYTEA`.
    Bytes(Cow<'a, [u8]>),
}

impl Value<'_> {
    /// The same value, owning its bytes.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(int) => Value::Int(int),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer, read by position from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row(Vec<Value<'static>>);

impl Row {
    pub(crate) const fn new(values: Vec<Value<'static>>) -> Self {
        Self(values)
    }

    /// All columns.
    #[must_use]
    pub fn values(&self) -> &[Value<'static>] {
        &self.0
    }

    fn wrong(&self, at: usize, want: &str) -> DbError {
        let found = match self.0.get(at) {
            None => "nothing",
            Some(Value::Null) => "null",
            Some(Value::Int(_)) => "an integer",
            Some(Value::Text(_)) => "text",
            Some(Value::Bytes(_)) => "bytes",
        };
        DbError::new(
            DbErrorKind::Shape,
            format!("column {at} holds {found} where {want} belongs"),
        )
    }

    /// The integer at `at`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn int(&self, at: usize) -> Result<i64, DbError> {
        match self.0.get(at) {
            Some(Value::Int(int)) => Ok(*int),
            _ => Err(self.wrong(at, "an integer")),
        }
    }

    /// The integer at `at`, or nothing when it is `NULL`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn opt_int(&self, at: usize) -> Result<Option<i64>, DbError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            _ => self.int(at).map(Some),
        }
    }

    /// The text at `at`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn text(&self, at: usize) -> Result<&str, DbError> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(self.wrong(at, "text")),
        }
    }

    /// The text at `at`, or nothing when it is `NULL`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn opt_text(&self, at: usize) -> Result<Option<&str>, DbError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            _ => self.text(at).map(Some),
        }
    }

    /// The bytes at `at`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn bytes(&self, at: usize) -> Result<&[u8], DbError> {
        match self.0.get(at) {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            _ => Err(self.wrong(at, "bytes")),
        }
    }

    /// The bytes at `at`, or nothing when it is `NULL`.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when something else is there.
    pub fn opt_bytes(&self, at: usize) -> Result<Option<&[u8]>, DbError> {
        match self.0.get(at) {
            Some(Value::Null) => Ok(None),
            _ => self.bytes(at).map(Some),
        }
    }
}
