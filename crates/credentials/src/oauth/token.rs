//! The token endpoint (RFC 6749, sections 4.1.3, 4.4, 5 and 6; RFC 8707) and the revocation endpoint (RFC 7009): what is sent, what
//! is taken.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::json::Value;
use zeroize::Zeroizing;

use super::client::{AuthMethod, Client};
use super::metadata::{BadMetadata, object, text};
use super::scope::Scopes;

/// `client_assertion_type` of `private_key_jwt` (RFC 7523, section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest life believed of an access token, in seconds.
const EXPIRES_S_MAX: u64 = 365 * 24 * 3600;
/// Life assumed of an access token whose life is not said, in seconds.
const EXPIRES_S: u64 = 3600;

/// What is redeemed.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// A code, with its PKCE secret.
    Code {
        /// The code.
        code: &'a str,
        /// `code_verifier`.
        verifier: &'a str,
        /// `redirect_uri`, as it was.
        redirect_uri: &'a str,
    },
    /// A refresh token.
    Refresh(&'a str),
    /// Nothing but the client itself: no person is behind it.
    ClientCredentials(Option<&'a Scopes>),
}

/// A signed client assertion; needed for [`AuthMethod::PrivateKey`] alone.
#[derive(Clone)]
pub struct Assertion(pub Zeroizing<String>);

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assertion(…)")
    }
}

/// What goes to the token endpoint. Secret as a whole, so without `Debug`.
pub struct TokenRequest {
    /// The form.
    pub form: Zeroizing<String>,
    /// The whole `Authorization` field, for `client_secret_basic`.
    pub authorization: Option<Zeroizing<String>>,
}

/// The request that redeems `grant` for `resource`; an empty one is not named.
#[must_use]
pub fn token_request(
    client: &Client,
    grant: Grant<'_>,
    resource: &str,
    assertion: Option<&Assertion>,
) -> TokenRequest {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match grant {
        Grant::Code {
            code,
            verifier,
            redirect_uri,
        } => {
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", code)
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("code_verifier", verifier);
        }
        Grant::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", token);
        }
        Grant::ClientCredentials(scopes) => {
            form.append_pair("grant_type", "client_credentials");
            if let Some(scopes) = scopes {
                form.append_pair("scope", &scopes.to_string());
            }
        }
    }
    if !resource.is_empty() {
        form.append_pair("resource", resource);
    }
    authenticated(client, form, assertion)
}

/// The request that revokes a token of `client` (RFC 7009, section 2.1). `hint` is `refresh_token` or `access_token`.
#[must_use]
pub fn revocation_request(
    client: &Client,
    token: &str,
    hint: &str,
    assertion: Option<&Assertion>,
) -> TokenRequest {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token)
        .append_pair("token_type_hint", hint);
    authenticated(client, form, assertion)
}

/// Adds what says who the client is (RFC 6749, section 2.3; RFC 7523, section 2.2).
fn authenticated(
    client: &Client,
    mut form: form_urlencoded::Serializer<'_, String>,
    assertion: Option<&Assertion>,
) -> TokenRequest {
    let mut authorization = None;
    match &client.auth {
        AuthMethod::None => {
            form.append_pair("client_id", &client.id);
        }
        AuthMethod::Post(secret) => {
            form.append_pair("client_id", &client.id)
                .append_pair("client_secret", secret);
        }
        AuthMethod::Basic(secret) => {
            let encode = |text: &str| {
                Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
            };
            let pair = Zeroizing::new(format!("{}:{}", *encode(&client.id), *encode(secret)));
            authorization = Some(Zeroizing::new(format!(
                "Basic {}",
                STANDARD.encode(pair.as_bytes())
            )));
        }
        AuthMethod::PrivateKey => {
            form.append_pair("client_id", &client.id)
                .append_pair("client_assertion_type", JWT_BEARER);
            if let Some(Assertion(assertion)) = assertion {
                form.append_pair("client_assertion", assertion);
            }
        }
    }
    TokenRequest {
        form: Zeroizing::new(form.finish()),
        authorization,
    }
}

/// What an authorization server gave.
pub struct Tokens {
    /// The access token.
    pub access: Zeroizing<String>,
    /// Its life in seconds.
    pub expires_in_s: u64,
    /// The refresh token, when there is one, or a new one.
    pub refresh: Option<Zeroizing<String>>,
    /// What was granted, where it differs from what was asked.
    pub scopes: Option<Scopes>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("expires_in_s", &self.expires_in_s)
            .field("refresh", &self.refresh.is_some())
            .finish_non_exhaustive()
    }
}

/// Why no token was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The grant is no good any more: a person has to sign in again (RFC 6749, section 5.2).
    #[error("the authorization server no longer takes what it gave (`{0}`)")]
    Over(String),
    /// Refused for another reason.
    #[error("the authorization server refused with HTTP status {status}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its `error`, if it gave one.
        detail: String,
    },
    /// The answer cannot be used.
    #[error("the answer of the token endpoint: {0}")]
    Answer(#[from] BadMetadata),
    /// A token that is not presented as a bearer token.
    #[error("the token is of type `{0}`, and only bearer tokens are used here")]
    Type(String),
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// [`TokenError`].
pub fn tokens(status: u16, body: &[u8]) -> Result<Tokens, TokenError> {
    let short = |text: &str| -> String { text.chars().take(100).flat_map(char::escape_debug).collect() };
    if status != 200 {
        let detail = object(body)
            .ok()
            .and_then(|o| text(&o, "error").ok())
            .unwrap_or_default();
        return Err(match detail.as_str() {
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => {
                TokenError::Over(short(&detail))
            }
            _ => TokenError::Refused {
                status,
                detail: short(&detail),
            },
        });
    }
    let document = object(body)?;
    let kind = text(&document, "token_type")?;
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::Type(short(&kind)));
    }
    let expires_in_s = match document.get("expires_in") {
        None | Some(Value::Null) => EXPIRES_S,
        // Some servers write it as text.
        Some(value) => value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or(BadMetadata::Field("expires_in"))?,
    };
    Ok(Tokens {
        access: Zeroizing::new(text(&document, "access_token")?),
        expires_in_s: expires_in_s.min(EXPIRES_S_MAX),
        refresh: text(&document, "refresh_token").ok().map(Zeroizing::new),
        scopes: text(&document, "scope")
            .ok()
            .and_then(|text| Scopes::parse(&text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(auth: AuthMethod) -> Client {
        Client {
            issuer: "https://as.example".to_owned(),
            id: "i:d".to_owned(),
            auth,
        }
    }

    fn secret() -> Zeroizing<String> {
        Zeroizing::new("s&c t".to_owned())
    }

    #[test]
    fn each_method_shows_its_secret_in_its_own_place_alone() {
        let refresh = Grant::Refresh("r");
        let basic = token_request(
            &client(AuthMethod::Basic(secret())),
            refresh,
            "https://m.example",
            None,
        );
        assert_eq!(
            *basic.form,
            "grant_type=refresh_token&refresh_token=r&resource=https%3A%2F%2Fm.example"
        );
        let sent = basic.authorization.unwrap();
        assert_eq!(
            STANDARD.decode(&sent["Basic ".len()..]).unwrap(),
            b"i%3Ad:s%26c+t"
        );
        let post = token_request(&client(AuthMethod::Post(secret())), refresh, "x", None);
        assert!(post.form.ends_with("client_id=i%3Ad&client_secret=s%26c+t") && post.authorization.is_none());
        let none = token_request(&client(AuthMethod::None), refresh, "x", None);
        assert!(none.form.ends_with("&client_id=i%3Ad") && none.authorization.is_none());
        let assertion = Assertion(Zeroizing::new("a.b.c".to_owned()));
        let key = token_request(
            &client(AuthMethod::PrivateKey),
            Grant::ClientCredentials(None),
            "x",
            Some(&assertion),
        );
        assert!(key.form.contains("jwt-bearer&client_assertion=a.b.c"));
    }

    #[test]
    fn answers_are_read_strictly() {
        let got = tokens(200, br#"{"access_token":"a","token_type":"bEARER","expires_in":"60","refresh_token":"r","scope":"x y"}"#).unwrap();
        assert_eq!((got.access.as_str(), got.expires_in_s), ("a", 60));
        assert!(!format!("{got:?}").contains("\"a\""));
        assert_eq!(
            tokens(200, br#"{"access_token":"a","token_type":"Bearer"}"#)
                .unwrap()
                .expires_in_s,
            3600
        );
        assert_eq!(
            tokens(200, br#"{"access_token":"a","token_type":"DPoP"}"#).unwrap_err(),
            TokenError::Type("DPoP".to_owned())
        );
        assert!(tokens(200, br#"{"token_type":"Bearer"}"#).is_err());
        assert!(
            tokens(
                200,
                br#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#
            )
            .is_err()
        );
        assert_eq!(
            tokens(400, br#"{"error":"invalid_grant"}"#).unwrap_err(),
            TokenError::Over("invalid_grant".to_owned())
        );
        let refused = tokens(503, b"<html>").unwrap_err();
        assert_eq!(
            refused,
            TokenError::Refused {
                status: 503,
                detail: String::new()
            }
        );
    }
}
