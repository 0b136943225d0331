//! Parameters as OAuth sends them: in a query or a form, each at most once (RFC 6749, 3.1 and 3.2), bounded.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, header};

/// Longest form, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// Most parameters.
const PARAMETERS_MAX: usize = 64;

/// Parameters, each once. Those without a value count as absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

/// Parameters that are not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadForm {
    /// One stands more than once.
    #[error("`{0}` stands more than once")]
    Twice(String),
    /// Too many, too long, not text.
    #[error("the parameters cannot be read: {0}")]
    Unreadable(&'static str),
}

impl Form {
    /// Reads a query.
    pub fn of_query(query: &str) -> Result<Self, BadForm> {
        Self::read(query.as_bytes())
    }

    /// Reads the body of a POST.
    pub async fn of_body(headers: &HeaderMap, body: Body) -> Result<Self, BadForm> {
        let media_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .map(|text| text.trim().to_ascii_lowercase());
        if media_type.as_deref() != Some("application/x-www-form-urlencoded") {
            return Err(BadForm::Unreadable(
                "the content type must be `application/x-www-form-urlencoded`",
            ));
        }
        let bytes = axum::body::to_bytes(body, FORM_BYTES_MAX)
            .await
            .map_err(|_| BadForm::Unreadable("the form is too long or broke off"))?;
        Self::read(&bytes)
    }

    fn read(bytes: &[u8]) -> Result<Self, BadForm> {
        let mut found = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(bytes) {
            if key.contains('\u{fffd}') || value.contains('\u{fffd}') || value.contains('\0') {
                return Err(BadForm::Unreadable("they are not UTF-8 text"));
            }
            if value.is_empty() {
                continue;
            }
            if found.len() >= PARAMETERS_MAX {
                return Err(BadForm::Unreadable("there are too many"));
            }
            let shown: String = key.chars().take(80).flat_map(char::escape_debug).collect();
            if found.insert(key.into_owned(), value.into_owned()).is_some() {
                return Err(BadForm::Twice(shown));
            }
        }
        Ok(Self(found))
    }

    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The parameters whose names begin with `prefix`, without it.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_once() {
        let form = Form::of_query("a=1&b=x%20y&c=").unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c")),
            (Some("1"), Some("x y"), None)
        );
        assert!(matches!(Form::of_query("a=1&a=2"), Err(BadForm::Twice(_))));
        assert!(Form::of_query("a=%ff").is_err());
        assert!(Form::of_query("a=%00").is_err());
    }
}
