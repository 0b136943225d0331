//! The bearer credential a connection presents, and what a server said when it did not do.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

/// Most `WWW-Authenticate` fields kept of one answer.
const FIELDS_MAX: usize = 8;
/// Longest `WWW-Authenticate` field kept, in bytes.
const FIELD_BYTES_MAX: usize = 4096;

/// A bearer token shared by the connections of one user to one server (RFC 6750, section 2.1). It may be replaced while
/// they are open. Never printed.
#[derive(Clone, Default)]
pub struct Credential(Arc<RwLock<Slot>>);

#[derive(Default)]
struct Slot {
    header: Option<HeaderValue>,
    challenge: Option<Challenge>,
}

/// What a server asks for instead of answering (RFC 9110, section 11.6.1). Not trusted, bounded, not scrubbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 401 or 403.
    pub status: u16,
    /// The `WWW-Authenticate` fields as they came; those that are not text are left out.
    pub fields: Vec<String>,
    /// A token was presented with the request it answers.
    pub presented: bool,
}

impl Credential {
    /// From now on this token is presented; `None` presents nothing. False: it cannot stand in a header, and nothing
    /// is presented.
    pub fn present(&self, token: Option<&str>) -> bool {
        let header = token.map(|token| {
            let token68 = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
            if token.is_empty() || !token.bytes().all(token68) {
                return None;
            }
            let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
            header.set_sensitive(true);
            Some(header)
        });
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        slot.challenge = None;
        slot.header = header.clone().flatten();
        header.is_none_or(|header| header.is_some())
    }

    /// What the server asked for last, since the token was replaced.
    #[must_use]
    pub fn challenge(&self) -> Option<Challenge> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .challenge
            .clone()
    }

    /// The header to send.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .header
            .clone()
    }

    /// Keeps what the server asked for. `sent` is what was presented: an answer to an older token says nothing about a
    /// newer one.
    pub(crate) fn note(&self, status: StatusCode, headers: &HeaderMap, sent: Option<&HeaderValue>) {
        if status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN {
            return;
        }
        let fields = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .take(FIELDS_MAX)
            .filter_map(|field| field.to_str().ok())
            .filter(|field| field.len() <= FIELD_BYTES_MAX)
            .map(str::to_owned)
            .collect();
        let mut slot = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if slot.header.as_ref() == sent {
            slot.challenge = Some(Challenge {
                status: status.as_u16(),
                fields,
                presented: sent.is_some(),
            });
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_is_not_presented() {
        let credential = Credential::default();
        assert!(credential.present(Some("abc.DEF-1~2+/==")));
        assert_eq!(credential.header().unwrap(), "Bearer abc.DEF-1~2+/==");
        assert!(!format!("{credential:?} {:?}", credential.header()).contains("abc"));
        for bad in ["", "a b", "a\r\nX: y", "a,b", "ä"] {
            assert!(!credential.present(Some(bad)), "{bad}");
            assert_eq!(credential.header(), None);
        }
        assert!(credential.present(None));
    }

    #[test]
    fn an_answer_to_an_older_token_is_forgotten() {
        let credential = Credential::default();
        credential.present(Some("one"));
        let sent = credential.header();
        credential.present(Some("two"));
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        credential.note(StatusCode::UNAUTHORIZED, &headers, sent.as_ref());
        assert_eq!(credential.challenge(), None);
        let sent = credential.header();
        credential.note(StatusCode::OK, &headers, sent.as_ref());
        assert_eq!(credential.challenge(), None);
        credential.note(StatusCode::UNAUTHORIZED, &headers, sent.as_ref());
        let challenge = credential.challenge().unwrap();
        assert_eq!((challenge.status, challenge.presented), (401, true));
        assert_eq!(challenge.fields, ["Bearer"]);
    }
}
