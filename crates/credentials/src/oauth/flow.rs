//! The authorization code flow with PKCE (OAuth 2.1; RFC 7636; RFC 8707; RFC 9207): the question and its answer.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remit_core::entropy::{Entropy, NoEntropy};
use zeroize::Zeroizing;

use super::client::Client;
use super::metadata::AuthorizationServer;
use super::scope::Scopes;
use super::url::split;

/// What a question is made of.
#[derive(Clone, Debug)]
pub struct Begin<'a> {
    /// Whom we ask.
    pub server: &'a AuthorizationServer,
    /// Who we are there.
    pub client: &'a Client,
    /// Where the answer comes back to.
    pub redirect_uri: &'a str,
    /// The resource, exactly as published (RFC 8707); an empty one is not named.
    pub resource: &'a str,
    /// What we ask for.
    pub scopes: Option<Scopes>,
}

/// A question that cannot be put.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The server serves machines only.
    #[error("`{0}` has no authorization endpoint, so nobody can sign in there")]
    NoEndpoint(String),
    /// The client belongs to another issuer.
    #[error("the client belongs to another authorization server")]
    OtherIssuer,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// A question that waits for its answer. Kept by us alone; only its address is shown, and only to the person.
pub struct Pending {
    /// Where the person agrees.
    pub url: String,
    /// Ties the answer to the question; unguessable.
    pub state: String,
    /// The issuer that was asked.
    pub issuer: String,
    /// Where the code is redeemed.
    pub token_endpoint: String,
    /// Who asks.
    pub client: Client,
    /// Where the answer comes back to.
    pub redirect_uri: String,
    /// For which resource.
    pub resource: String,
    /// What was asked for.
    pub scopes: Option<Scopes>,
    /// The PKCE secret (RFC 7636, section 4.1).
    pub verifier: Zeroizing<String>,
    iss_in_response: bool,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("issuer", &self.issuer)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// A code, to be redeemed once.
pub struct Code(pub Zeroizing<String>);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// An answer that is not taken. Nothing of it is sent anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not an answer, or one with a parameter twice.
    #[error("this is not an answer of an authorization server")]
    Form,
    /// Of another question.
    #[error("this answers another question")]
    State,
    /// From another issuer (RFC 9207, section 2.4).
    #[error(
        "the answer comes from another authorization server than was asked (`iss`): nothing was sent there"
    )]
    Issuer,
    /// It should have said who answers.
    #[error("the answer does not say who gives it (`iss`), although the authorization server promises that")]
    NoIssuer,
    /// The person or the server said no.
    #[error("the authorization server answered `{0}`")]
    Refused(String),
}

impl Begin<'_> {
    /// Puts the question.
    ///
    /// # Errors
    /// [`BeginError`].
    pub fn ask(self, entropy: &dyn Entropy) -> Result<Pending, BeginError> {
        let server = self.server;
        if self.client.issuer != server.issuer {
            return Err(BeginError::OtherIssuer);
        }
        let endpoint = server
            .authorization_endpoint
            .as_ref()
            .ok_or_else(|| BeginError::NoEndpoint(server.issuer.clone()))?;
        let random = || -> Result<Zeroizing<String>, NoEntropy> {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            entropy.fill(bytes.as_mut())?;
            Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
        };
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if !self.resource.is_empty() {
            query.append_pair("resource", self.resource);
        }
        if let Some(scopes) = &self.scopes {
            query.append_pair("scope", &scopes.to_string());
            // Without consent there is no refresh token (OpenID Connect Core 1.0, section 11).
            if scopes
                .to_string()
                .split(' ')
                .any(|scope| scope == "offline_access")
            {
                query.append_pair("prompt", "consent");
            }
        }
        let mark = if split(endpoint).is_some_and(|at| at.query) {
            '&'
        } else {
            '?'
        };
        Ok(Pending {
            url: format!("{endpoint}{mark}{}", query.finish()),
            state: state.to_string(),
            issuer: server.issuer.clone(),
            token_endpoint: server.token_endpoint.clone(),
            client: self.client.clone(),
            redirect_uri: self.redirect_uri.to_owned(),
            resource: self.resource.to_owned(),
            scopes: self.scopes,
            verifier,
            iss_in_response: server.iss_in_response,
        })
    }
}

impl Pending {
    /// The state of an answer, to find its question.
    #[must_use]
    pub fn state_of(query: &str) -> Option<String> {
        one(query, "state").ok().flatten()
    }

    /// Takes the answer in the query of the redirect, if it is one to this question by who was asked.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn accept(&self, query: &str) -> Result<Code, AnswerError> {
        if one(query, "state")?.as_deref() != Some(self.state.as_str()) {
            return Err(AnswerError::State);
        }
        // Before anything else of it is believed, an error too; byte by byte (RFC 3986, section 6.2.1).
        match one(query, "iss")? {
            Some(iss) if iss != self.issuer => return Err(AnswerError::Issuer),
            None if self.iss_in_response => return Err(AnswerError::NoIssuer),
            Some(_) | None => {}
        }
        if let Some(error) = one(query, "error")? {
            let short = error.chars().take(100).flat_map(char::escape_debug).collect();
            return Err(AnswerError::Refused(short));
        }
        let code = one(query, "code")?.filter(|code| !code.is_empty() && code.len() <= 4096);
        code.map(|code| Code(Zeroizing::new(code)))
            .ok_or(AnswerError::Form)
    }
}

/// A parameter that is there once or not at all (RFC 6749, section 3.1).
fn one(query: &str, name: &str) -> Result<Option<String>, AnswerError> {
    let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let first = found.next().map(|(_, value)| value.into_owned());
    if found.next().is_some() {
        return Err(AnswerError::Form);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::entropy::SeededEntropy;

    const ISSUER: &str = "https://as.example/t";

    fn pending(iss_in_response: bool) -> Pending {
        let server = AuthorizationServer {
            issuer: ISSUER.to_owned(),
            authorization_endpoint: Some("https://as.example/a?tenant=1".to_owned()),
            token_endpoint: "https://as.example/token".to_owned(),
            registration_endpoint: None,
            revocation_endpoint: None,
            scopes: None,
            auth_methods: vec!["none".to_owned()],
            iss_in_response,
            client_id_metadata: false,
        };
        let client = Client::of(&server, "me & you".to_owned(), None, None);
        let begin = Begin {
            server: &server,
            client: &client,
            redirect_uri: "http://127.0.0.1:1/x",
            resource: "https://mcp.example",
            scopes: Scopes::parse("a offline_access"),
        };
        begin.ask(&SeededEntropy::new(1)).unwrap()
    }

    #[test]
    fn the_question_holds_everything_and_no_secret() {
        let it = pending(true);
        let (_, query) = it.url.split_once('?').unwrap();
        let get = |name| one(query, name).unwrap().unwrap_or_default();
        assert_eq!(get("tenant"), "1");
        assert_eq!(get("client_id"), "me & you");
        assert_eq!(get("resource"), "https://mcp.example");
        assert_eq!(get("code_challenge_method"), "S256");
        let expected = URL_SAFE_NO_PAD.encode(digest(&SHA256, it.verifier.as_bytes()));
        assert_eq!(get("code_challenge"), expected);
        assert_eq!(get("prompt"), "consent");
        assert!(!it.url.contains(it.verifier.as_str()));
        assert_ne!(it.state, *it.verifier);
    }

    #[test]
    fn only_the_answer_of_who_was_asked_is_taken() {
        let it = pending(true);
        let iss = "iss=https%3A%2F%2Fas.example%2Ft";
        let answer = |rest: &str| {
            it.accept(&format!("state={}&{rest}", it.state))
                .map(|code| code.0.to_string())
        };
        assert_eq!(answer(&format!("code=c1&{iss}")).unwrap(), "c1");
        assert_eq!(answer("code=c1"), Err(AnswerError::NoIssuer));
        for other in [
            "https://evil.example",
            "https://as.example/t/",
            "HTTPS://as.example/t",
            "https://as.example:443/t",
            "",
        ] {
            assert_eq!(
                answer(&format!("code=c1&iss={other}")),
                Err(AnswerError::Issuer),
                "{other}"
            );
        }
        assert_eq!(answer(&format!("code=a&code=b&{iss}")), Err(AnswerError::Form));
        assert_eq!(answer(&format!("{iss}&{iss}&code=a")), Err(AnswerError::Form));
        assert_eq!(answer(iss), Err(AnswerError::Form));
        assert_eq!(
            answer(&format!("error=access_denied&{iss}")),
            Err(AnswerError::Refused("access_denied".to_owned()))
        );
        assert_eq!(
            it.accept(&format!("code=c&state=x&{iss}")).unwrap_err(),
            AnswerError::State
        );
        assert_eq!(it.accept("code=c").unwrap_err(), AnswerError::State);
        assert_eq!(Pending::state_of("code=c&state=s").as_deref(), Some("s"));
    }

    #[test]
    fn an_issuer_that_does_not_promise_iss_may_leave_it_out_but_not_lie() {
        let it = pending(false);
        assert!(it.accept(&format!("code=c&state={}", it.state)).is_ok());
        assert_eq!(
            it.accept(&format!("code=c&state={}&iss=https://evil.example", it.state))
                .unwrap_err(),
            AnswerError::Issuer
        );
    }
}
