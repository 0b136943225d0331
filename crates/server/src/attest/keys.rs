//! Keys of attestors: from their file, or fetched by the one dialler and kept for a while. A token that names an unknown key
//! makes us look again, but never more often than every half minute, whoever asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_core::json::{Bounds, Value, parse};
use remit_core::limits::JWKS_BYTES_MAX;
use remit_core::name::Name;
use remit_core::time::BootTime;
use remit_upstream::{FetchBody, FetchRequest};

use crate::app::{App, Failure};
use crate::config::Source;
use crate::fetch::{Asker, fetch};

/// How long a fetched document is used, in milliseconds.
const FRESH_MS: u64 = 5 * 60 * 1000;
/// How long it is used at least, whatever a token says, in milliseconds.
const LEAST_MS: u64 = 30 * 1000;
/// How long a fetch may take.
const WAIT: Duration = Duration::from_secs(10);

type Kept = HashMap<String, (BootTime, Arc<Vec<u8>>)>;

/// Documents that were fetched.
#[derive(Debug, Default)]
pub struct Documents(Mutex<Kept>);

/// The key set or bundle of a source; `anew` when what is kept did not do.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be had.
pub(crate) async fn document(
    app: &Arc<App>,
    name: &Name,
    source: &Source,
    anew: bool,
) -> Result<Arc<Vec<u8>>, Failure> {
    if let Some(file) = &source.file {
        let read = std::fs::read(file)
            .map_err(|error| Failure::unavailable(format!("cannot read {}: {error}", file.display())))?;
        return Ok(Arc::new(read));
    }
    let url = match (&source.url, &source.issuer) {
        (Some(url), _) => url.clone(),
        (None, issuer) => keys_of(app, name, source, issuer.as_deref().unwrap_or_default()).await?,
    };
    fetched(app, name, source, url, anew)
        .await
        .map_err(|failure| match failure {
            // The address is the issuer's, or the configuration's; whoever asks is not to blame.
            Failure::Invalid(why) => Failure::Unavailable(why),
            other => other,
        })
}

/// Where an issuer says that its keys are (OpenID Connect Discovery, 4).
async fn keys_of(app: &Arc<App>, name: &Name, source: &Source, issuer: &str) -> Result<String, Failure> {
    let url = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let document = fetched(app, name, source, url.clone(), false).await?;
    let bounds = Bounds {
        bytes_max: JWKS_BYTES_MAX,
        ..Bounds::RESPONSE
    };
    let metadata = parse(&document, &bounds)
        .map_err(|error| Failure::unavailable(format!("{url} is not JSON: {error}")))?;
    let text = |member: &str| metadata.get(member).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err(Failure::unavailable(format!(
            "{url} speaks for another issuer than `{issuer}`: write it exactly as there"
        )));
    }
    let keys = text("jwks_uri").ok_or_else(|| Failure::unavailable(format!("{url} has no `jwks_uri`")))?;
    Ok(keys.to_owned())
}

async fn fetched(
    app: &Arc<App>,
    name: &Name,
    source: &Source,
    url: String,
    anew: bool,
) -> Result<Arc<Vec<u8>>, Failure> {
    let now = app.clock.boot();
    let life = if anew { LEAST_MS } else { FRESH_MS };
    let kept = {
        let kept = app.attestors.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(&url).cloned()
    };
    if let Some((at, document)) = kept
        && now < at.plus_ms(life)
    {
        return Ok(document);
    }
    let asker = Asker {
        about: name,
        task: None,
        purpose: "keys of an attestor",
    };
    let request = FetchRequest {
        url: url.clone(),
        body: FetchBody::Nothing,
        authorization: None,
        header: None,
        allow_private: source.allow_private,
        bytes_max: JWKS_BYTES_MAX,
        timeout: WAIT,
    };
    let fetched = fetch(app, asker, &request).await?;
    if fetched.status != 200 {
        return Err(Failure::unavailable(format!("{url} answered {}", fetched.status)));
    }
    let document = Arc::new(fetched.body.to_vec());
    let mut kept = app.attestors.0.lock().unwrap_or_else(PoisonError::into_inner);
    kept.insert(url, (now, Arc::clone(&document)));
    Ok(document)
}
