//! Second rounds of multi-round-trip requests (MCP 2026-07-28, SEP-2322). The agent carries the server's `requestState`,
//! and what it carries it could write: a string of its own would reach the server undecided. So the agent gets the state
//! sealed, bound to its run and to this very call, and the server gets back the bytes it gave.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remit_core::decision::Reason;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_gateway::ports::{Answer, Request};
use remit_upstream::Continuation;

use super::call::refuse_for;
use super::decide::{Prepared, prepare};
use super::features;
use super::live::Live;
use super::port::refused;
use crate::app::{App, Failure};
use crate::seal::Sealer;

/// JSON-RPC: invalid parameters.
const INVALID_PARAMS: i64 = -32602;

/// What goes on to the server with a second round.
#[derive(Debug)]
pub enum Second {
    /// This: the state as the server gave it, answers that were decided.
    Round(Continuation),
    /// Nothing: the state is not one that was given for this call, or the task does not let one of the answers out.
    Refused(Box<Answer>),
}

/// Opens what the agent brought back, and decides the answers in it.
///
/// # Errors
/// [`Failure::Unavailable`] without a record.
pub async fn open(app: &Arc<App>, live: &Arc<Live>, request: &Request) -> Result<Option<Second>, Failure> {
    let Some(brought) = &request.continuation else {
        return Ok(None);
    };
    let request_state = match &brought.request_state {
        None => None,
        Some(sealed) => {
            let prepared = prepare(
                &app.world(),
                &request.server,
                request.operation.clone(),
                request.arguments.clone(),
                live.standing().proof,
            );
            match unseal(app, live, prepared.digest, sealed) {
                Some(state) => Some(state),
                None => return refuse(app, live, &prepared).await.map(Some),
            }
        }
    };
    let state = request_state.as_deref();
    let responses = &brought.input_responses;
    if let Some(denied) = features::continuation(app, live, &request.server, responses, state).await? {
        return Ok(Some(Second::Refused(Box::new(refused(*denied, false)))));
    }
    Ok(Some(Second::Round(Continuation {
        input_responses: (!brought.input_responses.is_empty())
            .then(|| Value::Object(brought.input_responses.clone())),
        request_state,
    })))
}

/// Seals the `requestState` of an answer that wants another round; other answers stay as they are.
///
/// # Errors
/// [`Failure::Unavailable`] without randomness.
pub fn seal(app: &App, live: &Live, digest: Digest, mut result: Object) -> Result<Object, Failure> {
    let Some(state) = result.get("requestState").and_then(Value::as_str) else {
        return Ok(result);
    };
    let sealed = sealer(app)?.seal(&place(live, digest), state.as_bytes(), &*app.entropy)?;
    result.insert("requestState", URL_SAFE_NO_PAD.encode(sealed));
    Ok(result)
}

fn unseal(app: &App, live: &Live, digest: Digest, sealed: &str) -> Option<String> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let state = sealer(app).ok()?.open(&place(live, digest), &sealed).ok()?;
    String::from_utf8(state).ok()
}

fn sealer(app: &App) -> Result<Sealer, Failure> {
    Ok(Sealer::new(&app.keys.state)?)
}

fn place(live: &Live, digest: Digest) -> String {
    format!("requestState of {} for {digest}", live.run().id)
}

async fn refuse(app: &Arc<App>, live: &Arc<Live>, prepared: &Prepared) -> Result<Second, Failure> {
    let message = "`requestState` is not one that was given for this call: send it back unchanged, with the same arguments";
    refuse_for(
        app,
        live,
        prepared,
        Reason::ParameterViolation,
        message.to_owned(),
    )
    .await?;
    Ok(Second::Refused(Box::new(Answer::UpstreamError {
        code: INVALID_PARAMS,
        message: message.to_owned(),
        data: None,
    })))
}
