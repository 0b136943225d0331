//! Who we are to an authorization server: configured, described by a document, or registered (RFC 7591).

use std::fmt;

use remit_core::json::{Object, Value};
use zeroize::Zeroizing;

use super::metadata::{AuthorizationServer, BadMetadata, object, text};

/// How we authenticate at a token endpoint (RFC 6749, section 2.3; OpenID Connect Core 1.0, section 9).
#[derive(Clone)]
pub enum AuthMethod {
    /// `none`: a public client.
    None,
    /// `client_secret_basic`.
    Basic(Zeroizing<String>),
    /// `client_secret_post`.
    Post(Zeroizing<String>),
    /// `private_key_jwt`: whoever sends signs an assertion.
    PrivateKey,
}

impl AuthMethod {
    /// Its registered name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKey => "private_key_jwt",
        }
    }
}

impl fmt::Debug for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client of one issuer. What one issuer gave is never shown to another (SEP-2352).
#[derive(Clone, Debug)]
pub struct Client {
    /// The issuer it belongs to.
    pub issuer: String,
    /// `client_id`.
    pub id: String,
    /// How it authenticates.
    pub auth: AuthMethod,
}

impl Client {
    /// A client with an id and perhaps a secret, configured or registered before: the method is the one said, else the
    /// first that both sides can do.
    #[must_use]
    pub fn of(
        server: &AuthorizationServer,
        id: String,
        secret: Option<Zeroizing<String>>,
        method: Option<&str>,
    ) -> Self {
        let offers = |name: &str| server.auth_methods.iter().any(|offered| offered == name);
        let auth = match (secret, method) {
            (None, _) | (Some(_), Some("none")) => AuthMethod::None,
            (Some(secret), Some("client_secret_post")) => AuthMethod::Post(secret),
            (Some(secret), Some(_)) => AuthMethod::Basic(secret),
            (Some(secret), None) if offers("client_secret_basic") => AuthMethod::Basic(secret),
            (Some(secret), None) if offers("client_secret_post") => AuthMethod::Post(secret),
            (Some(_), None) if offers("none") => AuthMethod::None,
            (Some(secret), None) => AuthMethod::Basic(secret),
        };
        Self {
            issuer: server.issuer.clone(),
            id,
            auth,
        }
    }
}

/// What we say when we register.
#[derive(Clone, Debug)]
pub struct RegistrationRequest<'a> {
    /// Where answers come back to.
    pub redirect_uri: &'a str,
    /// The server we register at.
    pub server: &'a AuthorizationServer,
}

impl RegistrationRequest<'_> {
    /// The document: a native application that may refresh (SEP-837, SEP-2207).
    #[must_use]
    pub fn document(&self) -> Object {
        let offered = &self.server.auth_methods;
        let method = ["none", "client_secret_basic", "client_secret_post"]
            .into_iter()
            .find(|name| offered.iter().any(|o| o == name))
            .unwrap_or("none");
        let list = |items: &[&str]| Value::Array(items.iter().map(|item| Value::from(*item)).collect());
        let mut document = Object::new();
        document.insert("client_name", "Remit");
        document.insert("application_type", "native");
        document.insert("redirect_uris", list(&[self.redirect_uri]));
        document.insert("grant_types", list(&["authorization_code", "refresh_token"]));
        document.insert("response_types", list(&["code"]));
        document.insert("token_endpoint_auth_method", method);
        document
    }
}

/// A registration that was refused or cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRegistration {
    /// It was refused.
    #[error("the registration was refused with HTTP status {status}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Refused {
        /// HTTP status.
        status: u16,
        /// `error`, if it gave one.
        detail: String,
    },
    /// The answer cannot be used.
    #[error("the answer to the registration: {0}")]
    Answer(#[from] BadMetadata),
}

/// Reads the answer to a registration.
///
/// # Errors
/// [`BadRegistration`].
pub fn registered(server: &AuthorizationServer, status: u16, body: &[u8]) -> Result<Client, BadRegistration> {
    if !(200..300).contains(&status) {
        let detail = object(body)
            .ok()
            .and_then(|o| text(&o, "error").ok())
            .unwrap_or_default();
        let detail = detail.chars().take(100).flat_map(char::escape_debug).collect();
        return Err(BadRegistration::Refused { status, detail });
    }
    let document = object(body)?;
    let id = text(&document, "client_id")?;
    let secret = text(&document, "client_secret").ok().map(Zeroizing::new);
    let method = text(&document, "token_endpoint_auth_method").ok();
    Ok(Client::of(server, id, secret, method.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(methods: &[&str]) -> AuthorizationServer {
        AuthorizationServer {
            issuer: "https://as.example".to_owned(),
            authorization_endpoint: None,
            token_endpoint: "https://as.example/t".to_owned(),
            registration_endpoint: None,
            revocation_endpoint: None,
            scopes: None,
            auth_methods: methods.iter().map(|m| (*m).to_owned()).collect(),
            iss_in_response: false,
            client_id_metadata: false,
        }
    }

    fn method(methods: &[&str], secret: Option<&str>, said: Option<&str>) -> &'static str {
        let secret = secret.map(|s| Zeroizing::new(s.to_owned()));
        Client::of(&server(methods), "id".to_owned(), secret, said)
            .auth
            .as_str()
    }

    #[test]
    fn the_method_is_the_one_both_can_do() {
        assert_eq!(
            method(&["client_secret_post"], Some("s"), None),
            "client_secret_post"
        );
        assert_eq!(
            method(&["client_secret_post", "client_secret_basic"], Some("s"), None),
            "client_secret_basic"
        );
        assert_eq!(method(&["none"], Some("s"), None), "none");
        assert_eq!(method(&[], Some("s"), None), "client_secret_basic");
        assert_eq!(method(&["client_secret_basic"], None, None), "none");
        assert_eq!(
            method(&["client_secret_basic"], Some("s"), Some("client_secret_post")),
            "client_secret_post"
        );
    }

    #[test]
    fn registrations_are_read_strictly_and_secrets_do_not_show() {
        let server = server(&["client_secret_post"]);
        let client = registered(&server, 201, br#"{"client_id":"x","client_secret":"hush-hush","token_endpoint_auth_method":"client_secret_post"}"#).unwrap();
        assert_eq!(
            (client.issuer.as_str(), client.id.as_str()),
            ("https://as.example", "x")
        );
        assert!(!format!("{client:?}").contains("hush"));
        assert!(registered(&server, 201, b"{}").is_err());
        let refused = registered(&server, 400, br#"{"error":"invalid_redirect_uri"}"#).unwrap_err();
        assert!(refused.to_string().contains("invalid_redirect_uri"));
        let document = RegistrationRequest {
            redirect_uri: "http://127.0.0.1:1/x",
            server: &server,
        }
        .document();
        assert_eq!(
            document.get("token_endpoint_auth_method").unwrap().as_str(),
            Some("client_secret_post")
        );
    }
}
