//! The claims of a verified token, read by type.

use remit_core::json::{Object, Value};
use remit_core::time::Timestamp;

use crate::jwt::JwtError;

/// Latest moment a NumericDate may name: the end of the year 9999, in seconds.
const SECONDS_MAX: f64 = 253_402_300_799.0;
/// Most values of `aud`.
const AUDIENCES_MAX: usize = 32;

/// Claims that were signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(pub Object);

impl Claims {
    /// A claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A string claim; `None` when absent.
    ///
    /// # Errors
    /// [`JwtError::Claim`] when it is something else.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, JwtError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(JwtError::Claim(name)),
        }
    }

    /// A string claim that must be there and not be empty.
    ///
    /// # Errors
    /// [`JwtError::Missing`] or [`JwtError::Claim`].
    pub fn needed(&self, name: &'static str) -> Result<&str, JwtError> {
        match self.text(name)? {
            None => Err(JwtError::Missing(name.to_owned())),
            Some("") => Err(JwtError::Claim(name)),
            Some(text) => Ok(text),
        }
    }

    /// A NumericDate (RFC 7519, 2) between 1970 and 9999; `None` when absent.
    ///
    /// # Errors
    /// [`JwtError::Claim`] when it is something else.
    pub fn time(&self, name: &'static str) -> Result<Option<Timestamp>, JwtError> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let seconds = value.as_f64().ok_or(JwtError::Claim(name))?;
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Err(JwtError::Claim(name));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "bounded just above, and below 2^53 as milliseconds"
        )]
        let ms = (seconds * 1000.0) as i64;
        Ok(Some(Timestamp(ms)))
    }

    /// `aud`, as the list it may be.
    ///
    /// # Errors
    /// [`JwtError::Missing`] or [`JwtError::Claim`] when it is absent, empty, too long, or holds anything but strings.
    pub fn audiences(&self) -> Result<Vec<&str>, JwtError> {
        let audiences = match self.0.get("aud") {
            None => return Err(JwtError::Missing("aud".to_owned())),
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) if many.len() <= AUDIENCES_MAX => many
                .iter()
                .map(Value::as_str)
                .collect::<Option<Vec<_>>>()
                .ok_or(JwtError::Claim("aud"))?,
            Some(_) => return Err(JwtError::Claim("aud")),
        };
        if audiences.is_empty() || audiences.contains(&"") {
            return Err(JwtError::Claim("aud"));
        }
        Ok(audiences)
    }
}
