//! Credentials of a request: what it carries is judged before the decision, and swapped after it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::decision::Reason;
use remit_core::id::RunId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_egress::describe::{Place, System};
use remit_egress::refusal::Refusal;
use remit_egress::request::carried::Carried;
use remit_upstream::{AwsKey, ErrorKind, Injection, Sent, UpstreamError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::{App, Failure};
use crate::broker::{self, Credential, CredentialFailure, PLACEHOLDER};
use crate::engine::live::Live;
use crate::findings::{self, Found};
use crate::tasks::builtin::decoy;

/// Live tasks looked through for the owner of a placeholder.
const OWNERS_MAX: u32 = 1000;

/// Everything a request may carry: placeholders of this run for this system, at places it declares. A credential that Remit
/// did not issue is refused; so is a placeholder of another run or system, and one where nothing would swap it.
///
/// # Errors
/// [`Refusal`] (`foreign_credential`).
pub(super) fn judge(app: &App, run: RunId, system: &Name, carried: &[Carried]) -> Result<(), Refusal> {
    // Where the run's own token stood it has proved the run, and is not kept.
    for one in carried.iter().filter(|one| !one.own) {
        let sentence = if !one.value.starts_with(PLACEHOLDER) {
            format!(
                "the request carries a credential for `{system}` that Remit did not issue: use the placeholder from the environment"
            )
        } else if broker::minted::is_session(app, run, system, &one.value) && one.place == session_token() {
            continue;
        } else if !one.declared {
            format!("the request carries a placeholder where `{system}` takes no credential")
        } else if broker::resolve(app, run, system, &one.value).is_none()
            && broker::minted::credential(app, run, system, &one.value).is_none()
        {
            format!("the request carries a placeholder that stands for no secret of this run for `{system}`")
        } else {
            continue;
        };
        return Err(Refusal {
            reason: Reason::ForeignCredential,
            sentence,
        });
    }
    Ok(())
}

/// Keeps what [`judge`] refused as a finding; the decoy of the run suspends its task.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub(super) async fn note(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    carried: &[Carried],
) -> Result<(), Failure> {
    let run = live.run().id;
    let refused = |one: &&Carried| judge(app, run, system, std::slice::from_ref(*one)).is_err();
    for one in carried.iter().filter(refused) {
        if one.value == broker::decoy(app, run) {
            decoy::used(app, live, "placeholder").await?;
            continue;
        }
        let place = place_of(&one.place);
        let mut detail = Object::new();
        detail.insert("system", system.as_str());
        detail.insert("at", place.as_str());
        let (kind, what) = if !one.value.starts_with(PLACEHOLDER) {
            (
                "foreign_credential",
                "a credential Remit did not issue".to_owned(),
            )
        } else {
            let what = match owner(app, &one.value).await? {
                Some((of, secret)) if of == run => {
                    format!("its placeholder for `{secret}` where it stands for nothing")
                }
                Some((of, secret)) => {
                    detail.insert("of_run", of.to_string());
                    format!("the placeholder for `{secret}` of run {of}")
                }
                None => "a placeholder that no live run was given".to_owned(),
            };
            ("placeholder_replayed", what)
        };
        let found = Found {
            kind,
            live: Some(live),
            parties: format!("{run} {system} {place}"),
            message: format!("run {run} carried {what} towards `{system}` ({place})"),
            detail,
        };
        findings::keep(app, found).await?;
    }
    Ok(())
}

/// Whose placeholder it is, among live runs.
async fn owner(app: &Arc<App>, text: &str) -> Result<Option<(RunId, Name)>, Failure> {
    let filter = remit_store::tasks::Filter {
        live: true,
        ..remit_store::tasks::Filter::default()
    };
    let live = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::list(conn, &filter, OWNERS_MAX)?))
        .await?;
    let secrets: Vec<Name> = app.broker.secrets().keys().cloned().collect();
    Ok(live.iter().find_map(|stored| {
        let run = stored.task.run;
        let of = |secret: &&Name| broker::placeholder(app, run, secret) == text;
        secrets.iter().find(of).map(|secret| (run, secret.clone()))
    }))
}

fn place_of(place: &Place) -> String {
    match place {
        Place::Header(name) => format!("header {name}"),
        Place::Basic => "basic".to_owned(),
        Place::Query(name) => format!("query {name}"),
    }
}

/// What is put in after the decision: the secret of each placeholder, where the placeholder stood.
///
/// # Errors
/// [`NoInjection`] when what belongs there cannot be had; nothing was sent then.
pub(super) async fn injections(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &System,
    carried: &[Carried],
) -> Result<Vec<Injection>, NoInjection> {
    let no = |detail: String| UpstreamError {
        server: system.name.clone(),
        kind: ErrorKind::NoCredential,
        sent: Sent::No,
        detail,
    };
    let mut injections = Vec::new();
    for one in carried {
        let run = live.run().id;
        // The token of a minted key goes with the signature made with it.
        if one.place == session_token() && broker::minted::is_session(app, run, &system.name, &one.value) {
            continue;
        }
        let minted = broker::minted::credential(app, run, &system.name, &one.value);
        let found = match minted.filter(|_| !one.own) {
            Some(minted) => Ok(minted),
            None if one.own => broker::credential(app, live, &system.name).await,
            None => {
                let secret = broker::resolve(app, run, &system.name, &one.value)
                    .ok_or_else(|| no("the placeholder stands for no secret".to_owned()))?;
                broker::credential_of(app, live, &system.name, &secret).await
            }
        };
        let credential = match found {
            Ok(credential) => credential,
            // Many systems answer without any; a signature needs a key.
            Err(CredentialFailure::None(_)) if one.own && system.sigv4.is_none() => continue,
            Err(CredentialFailure::NeedsReauth(how)) => {
                return Err(NoInjection::NeedsReauth(no(how.clone()), how));
            }
            Err(failure) => return Err(no(failure.to_string()).into()),
        };
        injections.push(placed(system, one, &credential).map_err(no)?);
    }
    Ok(injections)
}

/// Why nothing is put in.
#[derive(Debug)]
pub(super) enum NoInjection {
    /// It cannot be had.
    Error(UpstreamError),
    /// A person has to sign in first; how.
    NeedsReauth(UpstreamError, String),
}

impl From<UpstreamError> for NoInjection {
    fn from(error: UpstreamError) -> Self {
        Self::Error(error)
    }
}

/// Where AWS clients put the session token of a temporary key.
fn session_token() -> Place {
    Place::Header("x-amz-security-token".to_owned())
}

fn placed(system: &System, carried: &Carried, credential: &Credential) -> Result<Injection, String> {
    let secret = credential.value.expose_secret();
    if let Some(service) = &system.sigv4 {
        let (region, _) = carried
            .scope
            .as_ref()
            .ok_or("the request is not signed: sign it with the placeholder as access key id")?;
        let id = credential
            .user
            .clone()
            .ok_or("the secret has no account: `remit secret add` it with its access key id as account")?;
        return Ok(Injection::Aws(AwsKey {
            id,
            secret: credential.value.clone(),
            session: credential.session.clone(),
            region: region.clone(),
            service: service.clone(),
        }));
    }
    Ok(match &carried.place {
        Place::Header(name) => Injection::Header {
            name: name.clone(),
            value: SecretString::from(match &carried.scheme {
                Some(scheme) => format!("{scheme} {secret}"),
                None => secret.to_owned(),
            }),
        },
        Place::Basic => {
            let user = credential
                .user
                .as_deref()
                .or(carried.user.as_deref())
                .unwrap_or_default();
            Injection::Header {
                name: "authorization".to_owned(),
                value: SecretString::from(format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")))),
            }
        }
        Place::Query(name) => Injection::Query {
            name: name.clone(),
            value: credential.value.clone(),
        },
    })
}
