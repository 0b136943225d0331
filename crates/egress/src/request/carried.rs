//! Credentials a request carries: taken out before anything is recorded, and judged by who issued them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use crate::describe::{Credential, Place, System};
use crate::refusal::Refusal;

/// Headers that carry credentials on any system.
const USUAL: [&str; 8] = [
    "authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "private-token",
    "x-auth-token",
    "x-amz-security-token",
    "x-goog-api-key",
];

/// One credential as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried {
    /// Where it stood.
    pub place: Place,
    /// Scheme in front of it, as written.
    pub scheme: Option<String>,
    /// User name of basic authentication.
    pub user: Option<String>,
    /// The credential itself; of a signed AWS request the access key id.
    pub value: String,
    /// The description declares this place.
    pub declared: bool,
    /// `region/service` an AWS request was signed for.
    pub scope: Option<(String, String)>,
    /// The run's own token stood there, where the client was told to put its key: whatever opens the system for the run goes
    /// there instead. The token itself is not kept.
    pub own: bool,
}

/// Never shows the value.
impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried")
            .field("place", &self.place)
            .field("scheme", &self.scheme)
            .field("declared", &self.declared)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// What of it is left to be judged once the run's own token has said who asks. Where the token stood at a place the system
/// declares and no placeholder says which credential is meant, the place is kept for the one that opens the system.
#[must_use]
pub fn without_token(carried: Vec<Carried>, token: Option<&str>) -> Vec<Carried> {
    let is_token = |one: &Carried| Some(one.value.as_str()) == token && is_token(&one.value);
    let (own, mut others): (Vec<Carried>, Vec<Carried>) = carried.into_iter().partition(is_token);
    if !others.iter().any(|one| one.declared)
        && let Some(place) = own.into_iter().find(|one| one.declared)
    {
        others.push(Carried {
            value: String::new(),
            own: true,
            ..place
        });
    }
    others
}

/// True for what looks like a token of ours.
#[must_use]
pub fn is_token(value: &str) -> bool {
    value.starts_with("remit_")
}

impl Credential {
    /// True when it stands in this header.
    #[must_use]
    pub fn is_header(&self, name: &str) -> bool {
        match &self.place {
            Place::Header(header) => header == name,
            Place::Basic => name == "authorization",
            Place::Query(_) => false,
        }
    }
}

/// Every credential in the headers.
pub(super) fn read_credentials(system: &System, headers: &HeaderMap) -> Result<Vec<Carried>, Refusal> {
    let mut names: Vec<&str> = USUAL.to_vec();
    for credential in &system.credentials {
        if let Place::Header(header) = &credential.place
            && !names.contains(&header.as_str())
        {
            names.push(header);
        }
    }
    let mut found = Vec::new();
    for name in names {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        let text = text.ok_or_else(|| {
            Refusal::opaque(format!(
                "the header `{name}` stands there twice or is not plain text"
            ))
        })?;
        if !text.trim().is_empty() {
            found.push(one(system, name, text.trim())?);
        }
    }
    Ok(found)
}

fn one(system: &System, name: &str, text: &str) -> Result<Carried, Refusal> {
    let declared = |place: &Place| system.credentials.iter().any(|c| c.place == *place);
    let header = Place::Header(name.to_owned());
    let mut carried = Carried {
        declared: declared(&header),
        place: header,
        scheme: None,
        user: None,
        value: text.to_owned(),
        scope: None,
        own: false,
    };
    if name != "authorization" {
        return Ok(carried);
    }
    if let Some((scheme, rest)) = text.split_once(' ') {
        let lower = scheme.to_ascii_lowercase();
        carried.scheme = Some(scheme.to_owned());
        carried.value = rest.trim().to_owned();
        if lower == "basic" {
            let decoded = STANDARD
                .decode(rest.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or_else(|| Refusal::opaque("the basic credentials cannot be read"))?;
            let (user, password) = decoded.split_once(':').unwrap_or((&decoded, ""));
            carried.place = Place::Basic;
            carried.declared = declared(&Place::Basic);
            // git and others put a token into either half.
            let (user, value) = if password.is_empty() || password == "x-oauth-basic" {
                ("", user)
            } else {
                (user, password)
            };
            carried.user = Some(user.to_owned());
            carried.value = value.to_owned();
        } else if lower == "aws4-hmac-sha256" {
            let scope = aws_scope(rest).ok_or_else(|| Refusal::opaque("the AWS signature cannot be read"))?;
            carried.value = scope.0;
            carried.scope = Some((scope.1, scope.2));
            carried.declared = system.sigv4.is_some();
        }
    }
    Ok(carried)
}

/// Access key, region and service of `Credential=AKID/date/region/service/aws4_request, …`.
fn aws_scope(rest: &str) -> Option<(String, String, String)> {
    let credential = rest
        .split(',')
        .find_map(|part| part.trim().strip_prefix("Credential="))?;
    let mut parts = credential.rsplit('/');
    if parts.next()? != "aws4_request" {
        return None;
    }
    let (service, region, _date) = (parts.next()?, parts.next()?, parts.next()?);
    let mut key: Vec<&str> = parts.collect();
    key.reverse();
    Some((key.join("/"), region.to_owned(), service.to_owned()))
}
