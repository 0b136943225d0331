//! Metadata of protected resources (RFC 9728) and authorization servers (RFC 8414, OpenID Connect Discovery 1.0).

use remit_core::json::{Bounds, Object, Value, parse};

use super::scope::Scopes;
use super::url::split;

/// Metadata that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    Form,
    /// A field is missing or has the wrong form.
    #[error("its `{0}` is missing or cannot be used")]
    Field(&'static str),
    /// The document speaks of another resource.
    #[error("its `resource` is `{0}`, which is not this server: it may be somebody else's")]
    OtherResource(String),
    /// The document speaks of another issuer.
    #[error("its `issuer` is `{0}`, not the one that was asked: one server may pose as another")]
    OtherIssuer(String),
    /// PKCE with S256 is not offered.
    #[error(
        "it does not say that it supports PKCE with S256: ask its operator, or set `assume_s256` where its documentation says so"
    )]
    NoS256,
}

/// Where the metadata of a server's protected resource may be, in order. `hint` comes from its challenge, and counts alone.
///
/// # Errors
/// [`BadMetadata::Field`] when the hint leads away from the server: what a server says of itself it says itself.
pub fn protected_resource_urls(server: &str, hint: Option<&str>) -> Result<Vec<String>, BadMetadata> {
    let server = split(server).ok_or(BadMetadata::Field("resource"))?;
    if let Some(hint) = hint {
        let at = split(hint).filter(|at| at.origin == server.origin);
        return at
            .map(|_| vec![hint.to_owned()])
            .ok_or(BadMetadata::Field("resource_metadata"));
    }
    let (origin, path) = (&server.origin, &server.path);
    let root = format!("{origin}/.well-known/oauth-protected-resource");
    Ok(if path.is_empty() {
        vec![root]
    } else {
        vec![format!("{root}{path}"), root]
    })
}

/// What a server says of itself as a protected resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// Its identifier, exactly as published: the value of `resource` (RFC 8707).
    pub resource: String,
    /// Issuers it takes tokens from, in its order; never empty.
    pub authorization_servers: Vec<String>,
    /// Scopes it lists.
    pub scopes: Option<Scopes>,
}

impl ProtectedResource {
    /// Reads the metadata found for the server at `server`.
    ///
    /// # Errors
    /// [`BadMetadata`]; [`BadMetadata::OtherResource`] when it is not about this server (RFC 9728, section 3.3).
    pub fn read(body: &[u8], server: &str) -> Result<Self, BadMetadata> {
        let document = object(body)?;
        let resource = text(&document, "resource")?;
        let same =
            split(&resource).is_some_and(|resource| split(server).is_some_and(|s| resource.covers(&s)));
        if !same {
            return Err(BadMetadata::OtherResource(short(&resource)));
        }
        let authorization_servers = texts(&document, "authorization_servers")?.unwrap_or_default();
        if authorization_servers.is_empty()
            || authorization_servers.iter().any(|issuer| split(issuer).is_none())
        {
            return Err(BadMetadata::Field("authorization_servers"));
        }
        Ok(Self {
            resource,
            authorization_servers,
            scopes: scopes(&document)?,
        })
    }
}

/// Where the metadata of an issuer may be, in the order of MCP's authorization specification.
///
/// # Errors
/// [`BadMetadata::Field`] when it is no issuer.
pub fn authorization_server_urls(issuer: &str) -> Result<Vec<String>, BadMetadata> {
    let at = split(issuer)
        .filter(|at| !at.query)
        .ok_or(BadMetadata::Field("authorization_servers"))?;
    let (origin, path) = (at.origin, at.path);
    let mut urls = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        urls.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    Ok(urls)
}

/// What an authorization server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// Its issuer identifier; credentials belong to it and to no other (SEP-2352).
    pub issuer: String,
    /// Where people agree; absent where only machines are served.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are given.
    pub token_endpoint: String,
    /// Where clients register themselves (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Scopes it lists.
    pub scopes: Option<Scopes>,
    /// How clients may authenticate at the token endpoint.
    pub auth_methods: Vec<String>,
    /// Its authorization responses carry `iss` (RFC 9207).
    pub iss_in_response: bool,
    /// It takes client id metadata documents.
    pub client_id_metadata: bool,
}

impl AuthorizationServer {
    /// Reads the metadata found for `issuer`. `assume_s256`: the provider supports PKCE without saying so.
    ///
    /// # Errors
    /// [`BadMetadata`]; [`BadMetadata::OtherIssuer`] when it says it is another (RFC 8414, section 3.3).
    pub fn read(body: &[u8], issuer: &str, assume_s256: bool) -> Result<Self, BadMetadata> {
        let document = object(body)?;
        let said = text(&document, "issuer")?;
        if said != issuer {
            return Err(BadMetadata::OtherIssuer(short(&said)));
        }
        let authorization_endpoint = endpoint(&document, "authorization_endpoint")?;
        if let Some(endpoint) = &authorization_endpoint {
            if !split(endpoint).is_some_and(|at| at.is_safe_for_browsers()) {
                return Err(BadMetadata::Field("authorization_endpoint"));
            }
            let methods = texts(&document, "code_challenge_methods_supported")?.unwrap_or_default();
            if !assume_s256 && !methods.iter().any(|method| method == "S256") {
                return Err(BadMetadata::NoS256);
            }
        }
        let flag = |name: &'static str| match document.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(BadMetadata::Field(name)),
        };
        Ok(Self {
            issuer: said,
            authorization_endpoint,
            token_endpoint: endpoint(&document, "token_endpoint")?
                .ok_or(BadMetadata::Field("token_endpoint"))?,
            registration_endpoint: endpoint(&document, "registration_endpoint")?,
            revocation_endpoint: endpoint(&document, "revocation_endpoint")?,
            scopes: scopes(&document)?,
            // RFC 8414, section 2: what holds when it is left out.
            auth_methods: texts(&document, "token_endpoint_auth_methods_supported")?
                .unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
            iss_in_response: flag("authorization_response_iss_parameter_supported")?,
            client_id_metadata: flag("client_id_metadata_document_supported")?,
        })
    }
}

pub(super) fn object(body: &[u8]) -> Result<Object, BadMetadata> {
    match parse(body, &Bounds::RESPONSE) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(BadMetadata::Form),
    }
}

pub(super) fn text(document: &Object, name: &'static str) -> Result<String, BadMetadata> {
    let text = document
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or(BadMetadata::Field(name))
}

fn texts(document: &Object, name: &'static str) -> Result<Option<Vec<String>>, BadMetadata> {
    let Some(value) = document.get(name) else {
        return Ok(None);
    };
    let items = value.as_array().filter(|items| items.len() <= 256);
    let all = items.and_then(|items| items.iter().map(|i| i.as_str().map(str::to_owned)).collect());
    all.map(Some).ok_or(BadMetadata::Field(name))
}

fn scopes(document: &Object) -> Result<Option<Scopes>, BadMetadata> {
    let listed = texts(document, "scopes_supported")?;
    Ok(listed.and_then(|listed| Scopes::of(listed.iter().map(String::as_str))))
}

fn endpoint(document: &Object, name: &'static str) -> Result<Option<String>, BadMetadata> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let url = value.as_str().filter(|url| split(url).is_some());
            url.map(|url| Some(url.to_owned()))
                .ok_or(BadMetadata::Field(name))
        }
    }
}

/// Somebody's words, short enough for an error.
fn short(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://mcp.example/a/mcp";

    #[test]
    fn where_metadata_is_looked_for() {
        assert_eq!(
            protected_resource_urls(SERVER, None).unwrap(),
            [
                "https://mcp.example/.well-known/oauth-protected-resource/a/mcp",
                "https://mcp.example/.well-known/oauth-protected-resource"
            ]
        );
        let hint = "https://mcp.example/x.json";
        assert_eq!(protected_resource_urls(SERVER, Some(hint)).unwrap(), [hint]);
        for away in [
            "https://evil.example/x",
            "http://mcp.example/x",
            "https://mcp.example:8443/x",
            "file:///x",
        ] {
            assert!(protected_resource_urls(SERVER, Some(away)).is_err(), "{away}");
        }
        assert_eq!(
            authorization_server_urls("https://as.example/t1").unwrap().len(),
            3
        );
        assert_eq!(authorization_server_urls("https://as.example/").unwrap().len(), 2);
    }

    fn resource(resource: &str) -> Result<ProtectedResource, BadMetadata> {
        let body = format!(r#"{{"resource":"{resource}","authorization_servers":["https://as.example"]}}"#);
        ProtectedResource::read(body.as_bytes(), SERVER)
    }

    #[test]
    fn a_resource_must_be_the_server_that_was_asked() {
        for good in [
            SERVER,
            "https://mcp.example",
            "https://mcp.example/a",
            "https://mcp.example/",
        ] {
            assert_eq!(resource(good).unwrap().resource, good);
        }
        for evil in [
            "https://evil.example/a/mcp",
            "https://mcp.example/b",
            "https://mcp.example.evil/",
            "http://mcp.example/a/mcp",
            "x",
        ] {
            assert!(
                matches!(resource(evil), Err(BadMetadata::OtherResource(_))),
                "{evil}"
            );
        }
        let many = br#"{"resource":"https://mcp.example","authorization_servers":["javascript:x"]}"#;
        assert_eq!(
            ProtectedResource::read(many, SERVER),
            Err(BadMetadata::Field("authorization_servers"))
        );
        assert_eq!(
            ProtectedResource::read(br#"{"resource":"https://mcp.example"}"#, SERVER).unwrap_err(),
            BadMetadata::Field("authorization_servers")
        );
    }

    fn server(extra: &str) -> Result<AuthorizationServer, BadMetadata> {
        let body = format!(
            r#"{{"issuer":"https://as.example","authorization_endpoint":"https://as.example/a","token_endpoint":"https://as.example/t"{extra}}}"#
        );
        AuthorizationServer::read(body.as_bytes(), "https://as.example", false)
    }

    #[test]
    fn an_issuer_is_compared_byte_by_byte() {
        let s256 = r#","code_challenge_methods_supported":["plain","S256"]"#;
        assert!(server(s256).is_ok());
        let body = r#"{"issuer":"https://as.example/","token_endpoint":"https://as.example/t"}"#;
        assert!(matches!(
            AuthorizationServer::read(body.as_bytes(), "https://as.example", true),
            Err(BadMetadata::OtherIssuer(_))
        ));
        assert_eq!(server(""), Err(BadMetadata::NoS256));
        assert_eq!(
            server(r#","code_challenge_methods_supported":["plain"]"#),
            Err(BadMetadata::NoS256)
        );
        assert_eq!(
            server(&format!(r#"{s256},"registration_endpoint":"gopher://x""#)),
            Err(BadMetadata::Field("registration_endpoint"))
        );
    }

    #[test]
    fn a_person_is_not_sent_to_a_script_or_over_plain_http() {
        for evil in [
            "javascript:alert(1)",
            "http://as.example/a",
            "https://as.example/$(reboot)`",
            "https://as.example/'&calc",
        ] {
            let body = format!(
                r#"{{"issuer":"https://as.example","authorization_endpoint":"{evil}","token_endpoint":"https://as.example/t","code_challenge_methods_supported":["S256"]}}"#
            );
            let got = AuthorizationServer::read(body.as_bytes(), "https://as.example", false);
            assert_eq!(got, Err(BadMetadata::Field("authorization_endpoint")), "{evil}");
        }
    }
}
