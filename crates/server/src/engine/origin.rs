//! Origin: whether a call is a new one or the same again. The same again never has a second effect: the agent gets what
//! is known of the first.
//!
//! A call is a retry when the same run makes the identical call while the earlier attempt has no outcome the agent could
//! know: it is under way, it ended when nobody was there to take the answer, or nobody knows whether it happened. Every
//! other repeat is a new call: two equal payments are legitimate, and so is looking twice. Calls that only read have no
//! effect to repeat and are never taken for retries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::decision::Reason;
use remit_core::digest::Digest;
use remit_core::id::CallId;
use remit_core::tool::ToolClass;
use remit_gateway::ports::{Answer, Refusal};
use tokio::sync::watch;

use super::call::refuse_as;
use super::decide::Prepared;
use super::live::Live;
use crate::app::{App, Failure};

/// Answers nobody took that are kept for a client that comes back, per run.
const KEPT_MAX: usize = 16;
/// Largest answer that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A first call's record of origin.
pub const INITIAL: &str = "initial";
/// The record of a call that does not come from where its run calls.
pub const ANOMALY: &str = "anomaly";

/// How a retry is written down.
#[must_use]
pub fn retry(n: u32, of: CallId) -> String {
    format!("retry {n} of {of}")
}

/// The attempts of one run that a repeat would be compared with.
#[derive(Debug, Default)]
pub struct Attempts {
    inner: Mutex<HashMap<Digest, Attempt>>,
}

#[derive(Debug)]
struct Attempt {
    /// Once it was let out.
    call: Option<CallId>,
    retries: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Under way; the receiver gets its answer, or ends without one.
    UnderWay(watch::Receiver<Option<First>>),
    /// Answered, but nobody was there to take it; the answer when it was kept.
    Untaken(Option<Arc<Answer>>),
    /// Nobody knows whether it happened.
    Unknown,
}

/// The first attempt, once it is answered.
type First = (Option<CallId>, Arc<Answer>);

/// What a call is.
enum Claim<'a> {
    /// The first.
    First(Ticket<'a>),
    /// The same again.
    Again(Option<CallId>, u32, State),
}

/// Held by the first attempt while it is under way.
#[derive(Debug)]
pub struct Ticket<'a> {
    attempts: &'a Attempts,
    digest: Digest,
    over: watch::Sender<Option<First>>,
}

impl Attempts {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Attempt>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, digest: Digest) -> Claim<'_> {
        let mut attempts = self.lock();
        if let Some(attempt) = attempts.get_mut(&digest) {
            attempt.retries += 1;
            let claim = Claim::Again(attempt.call, attempt.retries, attempt.state.clone());
            if matches!(attempt.state, State::Untaken(Some(_))) {
                attempts.remove(&digest);
            }
            return claim;
        }
        let (over, receiver) = watch::channel(None);
        attempts.insert(
            digest,
            Attempt {
                call: None,
                retries: 0,
                state: State::UnderWay(receiver),
            },
        );
        Claim::First(Ticket {
            attempts: self,
            digest,
            over,
        })
    }

    /// Remembers which call an attempt became.
    pub fn let_out(&self, digest: Digest, call: CallId) {
        if let Some(attempt) = self.lock().get_mut(&digest) {
            attempt.call = Some(call);
        }
    }

    /// Remembers that nobody knows whether a call happened.
    pub fn unknown(&self, digest: Digest, call: CallId) {
        self.lock().insert(
            digest,
            Attempt {
                call: Some(call),
                retries: 0,
                state: State::Unknown,
            },
        );
    }
}

impl Ticket<'_> {
    /// The attempt is over: forgotten when the agent has its answer, kept for a client that comes back when not.
    pub fn over(self, answer: &Answer, taken: bool) {
        let mut attempts = self.attempts.lock();
        let kept = attempts
            .values()
            .filter(|attempt| matches!(attempt.state, State::Untaken(_)))
            .count();
        let Some(attempt) = attempts.get_mut(&self.digest) else {
            return;
        };
        let call = attempt.call;
        if taken || matches!(answer, Answer::Refused(_)) || attempt.call.is_none() {
            if matches!(attempt.state, State::UnderWay(_)) {
                attempts.remove(&self.digest);
            }
        } else if matches!(attempt.state, State::UnderWay(_)) {
            let fits = kept < KEPT_MAX && size(answer) <= KEPT_BYTES_MAX;
            attempt.state = State::Untaken(fits.then(|| Arc::new(answer.clone())));
        }
        drop(attempts);
        self.over.send_replace(Some((call, Arc::new(answer.clone()))));
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // An attempt that broke off, or waits for people, is not in the way of the next.
        let mut attempts = self.attempts.lock();
        if attempts
            .get(&self.digest)
            .is_some_and(|attempt| matches!(&attempt.state, State::UnderWay(over) if over.same_channel(&self.over.subscribe())))
        {
            attempts.remove(&self.digest);
        }
    }
}

fn size(answer: &Answer) -> usize {
    match answer {
        Answer::Result(result) => remit_core::json::Value::Object(result.clone())
            .to_canonical()
            .len(),
        _ => 0,
    }
}

/// What became of asking whether a call is a new one.
#[derive(Debug)]
pub enum Origin<'a> {
    /// It is; the ticket is held while it is under way. Reads have none.
    New(Option<Ticket<'a>>),
    /// It is the same again, and this is what the agent gets.
    Same(Box<Answer>),
}

/// Tells a new call from the same again; for the same again waits until something is known of the first. The retry is
/// recorded before it is answered.
///
/// # Errors
/// [`Failure::Unavailable`] when the retry cannot be recorded.
pub async fn origin<'a>(app: &Arc<App>, live: &'a Live, prepared: &Prepared) -> Result<Origin<'a>, Failure> {
    let acts = prepared
        .classification()
        .is_some_and(|classification| classification.class != ToolClass::Read);
    if !acts || prepared.refused.is_some() {
        return Ok(Origin::New(None));
    }
    let mut lifeline = live.lifeline();
    loop {
        let (call, n, state) = match live.attempts.claim(prepared.digest) {
            Claim::First(ticket) => return Ok(Origin::New(Some(ticket))),
            Claim::Again(call, n, state) => (call, n, state),
        };
        match state {
            State::UnderWay(mut over) => {
                let first = tokio::select! {
                    first = over.wait_for(Option::is_some) => first.ok().and_then(|first| first.clone()),
                    _ = lifeline.gone() => return Ok(Origin::New(None)),
                };
                // Without an answer the first broke off, or waits for people: this one is asked about on its own.
                if let Some((call, answer)) = first {
                    record(app, live, prepared, call, n, "the same call was under way").await?;
                    return Ok(Origin::Same(Box::new(Answer::clone(&answer))));
                }
            }
            State::Untaken(Some(answer)) => {
                record(
                    app,
                    live,
                    prepared,
                    call,
                    n,
                    "its answer had not reached the agent",
                )
                .await?;
                return Ok(Origin::Same(Box::new(Answer::clone(&answer))));
            }
            State::Untaken(None) => {
                let why = "the same call was answered, and its answer is not kept any more: it was done; look at the state";
                return refused(app, live, prepared, call, n, why).await;
            }
            State::Unknown => {
                let why = "the same call was sent before, and nobody knows whether it happened: it is not sent again; look at the state first";
                return refused(app, live, prepared, call, n, why).await;
            }
        }
    }
}

/// Records that a repeat had no effect of its own.
async fn record(
    app: &Arc<App>,
    live: &Live,
    prepared: &Prepared,
    call: Option<CallId>,
    n: u32,
    why: &str,
) -> Result<remit_core::decision::Decision, Failure> {
    let origin = call.map_or_else(|| format!("retry {n}"), |call| retry(n, call));
    refuse_as(
        app,
        live,
        prepared,
        Reason::DuplicateSuppressed,
        why.to_owned(),
        &origin,
    )
    .await
}

async fn refused<'a>(
    app: &Arc<App>,
    live: &'a Live,
    prepared: &Prepared,
    call: Option<CallId>,
    n: u32,
    why: &str,
) -> Result<Origin<'a>, Failure> {
    let decision = record(app, live, prepared, call, n, why).await?;
    Ok(Origin::Same(Box::new(Answer::Refused(Refusal {
        decision,
        has_output_schema: prepared.has_output_schema(),
        continuation: None,
    }))))
}
