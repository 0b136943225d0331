//! Credentials that are put into a request after it was decided, at the places its system declares and nowhere else.

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;

/// One credential and its place.
#[derive(Clone, Debug)]
pub enum Injection {
    /// A header with this whole value.
    Header {
        /// Name, lower case.
        name: String,
        /// Value, its scheme in front.
        value: SecretString,
    },
    /// A parameter of the query.
    Query {
        /// Name.
        name: String,
        /// Value.
        value: SecretString,
    },
    /// The request is signed (AWS Signature Version 4).
    Aws(AwsKey),
}

/// A key requests are signed with.
#[derive(Clone, Debug)]
pub struct AwsKey {
    /// Access key id.
    pub id: String,
    /// Secret key.
    pub secret: SecretString,
    /// Session token, of a temporary key.
    pub session: Option<SecretString>,
    /// Region.
    pub region: String,
    /// Service.
    pub service: String,
}

/// Puts header credentials in; none stands there yet, since they are never part of a call.
pub(super) fn into_headers(injections: &[Injection], headers: &mut HeaderMap) -> Result<(), Failure> {
    for injection in injections {
        if let Injection::Header { name, value } = injection {
            let bad = |_| {
                Failure::new(
                    ErrorKind::BadSpec,
                    Sent::No,
                    format!("the credential cannot stand in `{name}`"),
                )
            };
            let key = HeaderName::try_from(name.as_str()).map_err(|_| bad(()))?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| bad(()))?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
    }
    Ok(())
}

/// The query with its credentials; the decided one where there are none.
pub(super) fn into_query(injections: &[Injection], path_and_query: &str) -> String {
    let mut out = path_and_query.to_owned();
    for injection in injections {
        if let Injection::Query { name, value } = injection {
            out.push(if out.contains('?') { '&' } else { '?' });
            super::sigv4::encode(name, &mut out);
            out.push('=');
            super::sigv4::encode(value.expose_secret(), &mut out);
        }
    }
    out
}
