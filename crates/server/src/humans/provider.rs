//! People's own OpenID provider (OpenID Connect Core 1.0, 3.1; Discovery 1.0, 4): authorization code with PKCE and nonce, a
//! static client id, discovery alone. What the provider says is checked as strictly as any other token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::entropy::Entropy;
use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_identity::{Algorithm, Claims, Expect, KeySet, Types, Verifier, base64url, pkce};
use remit_upstream::{FetchBody, FetchRequest, Fetched, Secret};
use serde::{Deserialize, Serialize};

use crate::app::{App, Failure};
use crate::config::Oidc;
use crate::fetch::{Asker, fetch};
use crate::oauth::issuer;

/// How long the provider's documents are kept, in milliseconds.
const KEPT_MS: i64 = 60 * 60 * 1000;
/// How soon keys may be asked for again when a token names one we do not know, in milliseconds.
const AGAIN_MS: i64 = 30 * 1000;
/// Longest wait for the provider.
const WAIT: Duration = Duration::from_secs(10);
/// Longest answer of the provider, in bytes.
const BYTES_MAX: usize = 256 * 1024;

/// What is known of the provider.
#[derive(Debug, Default)]
pub struct Provider(Mutex<Option<Known>>);

#[derive(Clone, Debug)]
struct Known {
    authorization_endpoint: String,
    token_endpoint: String,
    iss_in_answers: bool,
    keys: Arc<KeySet>,
    at: Timestamp,
}

/// A sign-in under way, carried by the browser, sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Flow {
    state: String,
    nonce: String,
    verifier: String,
}

/// A person as their provider describes them.
#[derive(Debug)]
pub(super) struct Person {
    pub subject: String,
    pub name: Name,
    pub groups: Vec<String>,
}

impl Flow {
    pub fn fresh(entropy: &dyn Entropy) -> Result<Self, Failure> {
        let random = || -> Result<String, Failure> {
            let mut bytes = [0_u8; 32];
            entropy.fill(&mut bytes)?;
            Ok(base64url(&bytes))
        };
        Ok(Self {
            state: random()?,
            nonce: random()?,
            verifier: random()?,
        })
    }
}

/// Our redirect address there.
fn redirect_uri(app: &App) -> String {
    format!("{}/sign-in/callback", issuer(app))
}

/// Where a person is sent.
pub(super) async fn address(app: &Arc<App>, oidc: &Oidc, flow: &Flow) -> Result<String, Failure> {
    let known = known(app, oidc, false).await?;
    let challenge = pkce::challenge(&flow.verifier).unwrap_or_default();
    Ok(crate::oauth::redirect::with(
        &known.authorization_endpoint,
        &[
            ("response_type", "code"),
            ("client_id", &oidc.client_id),
            ("redirect_uri", &redirect_uri(app)),
            ("scope", &oidc.scopes.join(" ")),
            ("state", &flow.state),
            ("nonce", &flow.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", pkce::METHOD),
        ],
    ))
}

/// Reads the answer of the provider and redeems it for who the person is.
///
/// # Errors
/// [`Failure::Forbidden`] when the answer is not one to the question that this browser asked.
pub(super) async fn redeem(
    app: &Arc<App>,
    oidc: &Oidc,
    flow: &Flow,
    answer: &crate::oauth::Form,
) -> Result<Person, Failure> {
    let not = |why: &str| Failure::Forbidden(format!("this sign-in does not count: {why}; start again"));
    if answer.get("state") != Some(flow.state.as_str()) {
        return Err(not("it was not begun in this browser"));
    }
    let provider = known(app, oidc, false).await?;
    match answer.get("iss") {
        Some(issuer) if issuer != oidc.issuer => return Err(not("another provider answered")),
        None if provider.iss_in_answers => return Err(not("the provider does not say who it is")),
        _ => {}
    }
    if let Some(error) = answer.get("error") {
        let shown = crate::approvals::card::escape(&error.chars().take(100).collect::<String>());
        return Err(not(&format!("the provider says `{shown}`")));
    }
    let code = answer.get("code").ok_or_else(|| not("there is no code"))?;
    let token = id_token(app, oidc, &provider, flow, code).await?;
    let claims = match verify(app, oidc, &provider.keys, &token) {
        // Keys rotate: an unknown one is looked for once.
        Err(remit_identity::JwtError::Key(_)) => {
            let fresh = known(app, oidc, true).await?;
            verify(app, oidc, &fresh.keys, &token)
        }
        other => other,
    };
    let claims = claims.map_err(|error| not(&error.to_string()))?;
    if claims.text("nonce").ok().flatten() != Some(flow.nonce.as_str()) {
        return Err(not("the ID token answers another question"));
    }
    person(oidc, &claims)
}

fn verify(app: &App, oidc: &Oidc, keys: &KeySet, token: &str) -> Result<Claims, remit_identity::JwtError> {
    let audiences = [oidc.client_id.as_str()];
    let expect = Expect {
        issuer: Some(&oidc.issuer),
        audiences: &audiences,
        types: Types::AbsentOr(&["jwt"]),
        algorithms: Algorithm::ALL,
        required: &["sub", "iat", "nonce"],
        ..Expect::default()
    };
    let verified = Verifier { keys, expect }.verify(token, app.clock.now())?;
    // Core 3.1.3.7, 3 to 5: with several audiences the token says for whom it was made.
    let azp = verified.claims.text("azp")?;
    let several = verified.claims.audiences()?.len() > 1;
    if azp.is_some_and(|azp| azp != oidc.client_id) || (several && azp.is_none()) {
        return Err(remit_identity::JwtError::Claim("azp"));
    }
    Ok(verified.claims)
}

/// The human of an ID token that somebody else brings: made for us or for an application of `[oidc] audiences`, and of a
/// person who has signed in here before.
///
/// # Errors
/// [`Failure::Forbidden`] says why it does not count.
pub(crate) async fn bearer_of(app: &Arc<App>, oidc: &Oidc, token: &str) -> Result<Name, Failure> {
    let provider = known(app, oidc, false).await?;
    let mut audiences = vec![oidc.client_id.as_str()];
    audiences.extend(oidc.audiences.iter().map(String::as_str));
    let expect = Expect {
        issuer: Some(&oidc.issuer),
        audiences: &audiences,
        one_audience: true,
        types: Types::AbsentOr(&["jwt"]),
        algorithms: Algorithm::ALL,
        required: &["sub", "iat"],
        ..Expect::default()
    };
    let keys = Arc::clone(&provider.keys);
    let verified = Verifier { keys: &keys, expect }
        .verify(token, app.clock.now())
        .map_err(|error| Failure::Forbidden(error.to_string()))?;
    let subject = verified
        .claims
        .needed("sub")
        .map_err(|error| Failure::Forbidden(error.to_string()))?;
    let digest = subject_digest(oidc, subject);
    let bound = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::subjects::get(conn, digest)?))
        .await?;
    bound.ok_or_else(|| Failure::Forbidden("the person of this token has not signed in here yet".to_owned()))
}

/// The one name of a subject of the provider.
pub(super) fn subject_digest(oidc: &Oidc, subject: &str) -> remit_core::digest::Digest {
    remit_core::digest::Digest::of_parts(&[oidc.issuer.as_bytes(), b"\n", subject.as_bytes()])
}

fn person(oidc: &Oidc, claims: &Claims) -> Result<Person, Failure> {
    let missing = |claim: &str| {
        Failure::Forbidden(format!(
            "the provider does not say your `{claim}`: an administrator has to change `[oidc]` or the client there"
        ))
    };
    let subject = claims.needed("sub").map_err(|_| missing("sub"))?.to_owned();
    let text = claims
        .get(&oidc.name_claim)
        .and_then(Value::as_str)
        .ok_or_else(|| missing(&oidc.name_claim))?;
    if oidc.name_claim == "email" && claims.get("email_verified") == Some(&Value::from(false)) {
        return Err(Failure::Forbidden(
            "your provider has not verified your email address, which would be your name here".to_owned(),
        ));
    }
    let name = text.to_lowercase().parse::<Name>().map_err(Failure::invalid)?;
    let groups = match claims.get(&oidc.groups_claim) {
        Some(Value::Array(groups)) => groups
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Some(Value::String(group)) => vec![group.clone()],
        _ => Vec::new(),
    };
    Ok(Person {
        subject,
        name,
        groups,
    })
}

async fn id_token(
    app: &Arc<App>,
    oidc: &Oidc,
    provider: &Known,
    flow: &Flow,
    code: &str,
) -> Result<String, Failure> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let back = redirect_uri(app);
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &back),
        ("code_verifier", &flow.verifier),
    ];
    let authorization = match &oidc.client_secret {
        None => {
            pairs.push(("client_id", &oidc.client_id));
            None
        }
        Some(reference) => {
            let secret = crate::config::secret::read(reference).map_err(Failure::Unavailable)?;
            let pair = format!("{}:{}", encoded(&oidc.client_id), encoded(&secret));
            Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
        }
    };
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let request = FetchRequest {
        body: FetchBody::Form(Secret::new(form)),
        authorization,
        ..get(oidc, &provider.token_endpoint)
    };
    let fetched = asked(app, "sign-in: token", &request).await?;
    let answer = object(&fetched, "token answer")?;
    let token = answer.get("id_token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| {
        Failure::Forbidden(format!(
            "the provider gave no ID token (status {}): start again",
            fetched.status
        ))
    })
}

/// What the provider publishes; `keys_again` asks for its keys even if some are kept.
async fn known(app: &Arc<App>, oidc: &Oidc, keys_again: bool) -> Result<Known, Failure> {
    let now = app.clock.now();
    let kept = {
        let kept = app.provider.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    };
    if let Some(kept) = kept {
        let age = now.ms_since(kept.at);
        if age < AGAIN_MS || (!keys_again && age < KEPT_MS) {
            return Ok(kept);
        }
    }
    let url = format!(
        "{}/.well-known/openid-configuration",
        oidc.issuer.trim_end_matches('/')
    );
    let fetched = asked(app, "sign-in: discovery", &get(oidc, &url)).await?;
    let metadata = object(&fetched, "discovery document")?;
    let text = |name: &str| {
        metadata
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| Failure::Unavailable(format!("the provider's discovery document has no `{name}`")))
    };
    if text("issuer")? != oidc.issuer {
        return Err(Failure::Unavailable(
            "the provider calls itself by another name than `[oidc] issuer`: write it exactly as its discovery document does".to_owned(),
        ));
    }
    let keys = asked(app, "sign-in: keys", &get(oidc, &text("jwks_uri")?)).await?;
    let keys = KeySet::parse(&keys.body).map_err(Failure::unavailable)?;
    let known = Known {
        authorization_endpoint: text("authorization_endpoint")?,
        token_endpoint: text("token_endpoint")?,
        iss_in_answers: metadata.get("authorization_response_iss_parameter_supported")
            == Some(&Value::from(true)),
        keys: Arc::new(keys),
        at: now,
    };
    let secure = |address: &str| address.starts_with("https://") || oidc.allow_private;
    if !secure(&known.authorization_endpoint) || known.authorization_endpoint.contains('#') {
        return Err(Failure::Unavailable(
            "the provider's authorization endpoint is not https".to_owned(),
        ));
    }
    *app.provider.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
    Ok(known)
}

fn get(oidc: &Oidc, url: &str) -> FetchRequest {
    FetchRequest {
        url: url.to_owned(),
        body: FetchBody::Nothing,
        authorization: None,
        header: None,
        allow_private: oidc.allow_private,
        bytes_max: BYTES_MAX,
        timeout: WAIT,
    }
}

async fn asked(app: &Arc<App>, purpose: &'static str, request: &FetchRequest) -> Result<Fetched, Failure> {
    let about: Name = "oidc".parse().map_err(Failure::invalid)?;
    let asker = Asker {
        about: &about,
        task: None,
        purpose,
    };
    fetch(app, asker, request).await
}

fn object(fetched: &Fetched, what: &str) -> Result<Object, Failure> {
    let bounds = Bounds {
        bytes_max: BYTES_MAX,
        depth_max: 16,
        nodes_max: 8192,
        numbers: Numbers::Verbatim,
        nul: Nul::Refused,
    };
    let value = json::parse(&fetched.body, &bounds)
        .map_err(|error| Failure::Unavailable(format!("the provider's {what} is not JSON: {error}")))?;
    value
        .as_object()
        .cloned()
        .ok_or_else(|| Failure::Unavailable(format!("the provider's {what} is no JSON object")))
}
