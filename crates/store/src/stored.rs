//! A value with the record that last changed its row: give it back with an update and nobody is overwritten.

use std::ops::{Deref, DerefMut};

use remit_core::json::Value as Json;

use crate::codec::BadJson;
use crate::error::StoreError;
use crate::rows::{Checked, Table};

/// A value as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The value.
    pub value: T,
    pub(crate) changed: i64,
}

impl<T> Stored<T> {
    /// The record that last changed it.
    #[must_use]
    pub const fn changed(&self) -> i64 {
        self.changed
    }
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Stored<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// Columns of one checked row, read into domain types; what does not fit is named.
pub(crate) struct Columns<'a> {
    table: &'a Table,
    row: &'a Checked,
}

impl<'a> Columns<'a> {
    pub(crate) const fn of(table: &'a Table, row: &'a Checked) -> Self {
        Self { table, row }
    }

    fn malformed(&self, why: impl std::fmt::Display) -> StoreError {
        let key = self
            .row
            .row
            .text(0)
            .map_or_else(|_| "?".to_owned(), ToOwned::to_owned);
        StoreError::Malformed {
            table: self.table.name(),
            key,
            why: why.to_string(),
        }
    }

    pub(crate) fn text(&self, at: usize) -> Result<&'a str, StoreError> {
        Ok(self.row.row.text(at)?)
    }

    pub(crate) fn int(&self, at: usize) -> Result<i64, StoreError> {
        Ok(self.row.row.int(at)?)
    }

    pub(crate) fn opt_int(&self, at: usize) -> Result<Option<i64>, StoreError> {
        Ok(self.row.row.opt_int(at)?)
    }

    pub(crate) fn bytes(&self, at: usize) -> Result<&'a [u8], StoreError> {
        Ok(self.row.row.bytes(at)?)
    }

    pub(crate) fn opt_bytes(&self, at: usize) -> Result<Option<&'a [u8]>, StoreError> {
        Ok(self.row.row.opt_bytes(at)?)
    }

    pub(crate) fn parsed<T: std::str::FromStr<Err: ToString>>(&self, at: usize) -> Result<T, StoreError> {
        self.text(at)?
            .parse()
            .map_err(|error: T::Err| self.malformed(error.to_string()))
    }

    pub(crate) fn opt_parsed<T: std::str::FromStr<Err: ToString>>(
        &self,
        at: usize,
    ) -> Result<Option<T>, StoreError> {
        let text = self.row.row.opt_text(at)?;
        text.map(|text| {
            text.parse()
                .map_err(|error: T::Err| self.malformed(error.to_string()))
        })
        .transpose()
    }

    pub(crate) fn word<T>(&self, at: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text = self.text(at)?;
        parse(text).ok_or_else(|| self.malformed(format!("`{text}` is not a word known here")))
    }

    pub(crate) fn digest(&self, at: usize) -> Result<remit_core::digest::Digest, StoreError> {
        let digest = remit_core::digest::Digest::from_slice(self.bytes(at)?);
        digest.ok_or_else(|| self.malformed("a digest has 32 bytes"))
    }

    pub(crate) fn json<T>(
        &self,
        at: usize,
        read: impl FnOnce(&Json) -> Result<T, BadJson>,
    ) -> Result<T, StoreError> {
        let value = crate::codec::read(self.text(at)?.as_bytes());
        value
            .and_then(|value| read(&value))
            .map_err(|error| self.malformed(error))
    }
}
