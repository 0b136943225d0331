//! Subscriptions: a decision of its own, held open for the task until it ends or is given back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_core::id::TaskId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_gateway::ports::{Answer, Era, Refusal};
use remit_store::calls::CallState;
use remit_upstream::Subscription;

use super::call::{Asked, Decided, Redeemed, decide};
use super::links::{For, link};
use super::live::Live;
use super::record;
use crate::app::{App, Failure};

/// Open subscriptions by task, server and URI.
#[derive(Debug, Default)]
pub struct Subscriptions(Mutex<HashMap<(TaskId, Name, String), Subscription>>);

impl Subscriptions {
    fn put(&self, key: (TaskId, Name, String), subscription: Subscription) -> Option<Subscription> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, subscription)
    }

    fn take(&self, key: &(TaskId, Name, String)) -> Option<Subscription> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// Drops everything of a task: dropping ends a subscription.
    pub fn end_task(&self, task: TaskId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(of, _, _), _| *of != task);
    }
}

/// Subscribes to a resource, or gives a subscription back.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded or the server cannot be reached.
pub async fn subscribe(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: Name,
    uri: String,
    on: bool,
    era: Era,
    proof: Proof,
) -> Result<Answer, Failure> {
    let key = (live.snapshot().task.id, server.clone(), uri.clone());
    if !on {
        if let Some(subscription) = app.subscriptions.take(&key) {
            subscription.end().await;
        }
        return Ok(Answer::Result(Object::new()));
    }
    let asked = Asked {
        server: server.clone(),
        operation: Operation::Subscribe(uri),
        arguments: Object::new(),
        era,
        proof,
        attachment: None,
        cause: None,
    };
    let allowed = match decide(app, live, &asked, &Redeemed::Nothing).await? {
        Decided::Allowed(allowed) => allowed,
        Decided::Denied {
            decision,
            has_output_schema,
        } => {
            return Ok(Answer::Refused(Refusal {
                decision: *decision,
                has_output_schema,
                continuation: None,
            }));
        }
        Decided::Asks(asks) => {
            return Err(Failure::Forbidden(format!(
                "a subscription cannot wait for people: {}",
                asks.hold.message
            )));
        }
    };
    let entry = allowed
        .prepared
        .server
        .clone()
        .ok_or_else(|| Failure::Unavailable("the server is gone".to_owned()))?;
    let (call, decision) = (allowed.call, allowed.decision.id);
    let mut outcome = record::of_live("outcome", live);
    record::about_call(&mut outcome, &allowed.prepared.call, None);
    let opened = match link(app, For::Task(live), &entry, era).await {
        Ok(link) => link
            .connection
            .subscribe(allowed.permitted)
            .await
            .map_err(Failure::unavailable),
        Err(failure) => Err(failure),
    };
    outcome.decision_id = Some(decision.to_string());
    outcome.outcome = Some(
        if matches!(opened, Ok(Ok(_))) {
            "done"
        } else {
            "failed"
        }
        .to_owned(),
    );
    outcome.detail.insert("call", call.to_string());
    let state = if matches!(opened, Ok(Ok(_))) {
        CallState::Done
    } else {
        CallState::Failed
    };
    app.store
        .append(outcome, move |tx| remit_store::calls::finish(tx, call, state))
        .await?;
    match opened? {
        Ok(subscription) => {
            if let Some(before) = app.subscriptions.put(key, subscription) {
                before.end().await;
            }
            Ok(Answer::Result(Object::new()))
        }
        Err(error) => Ok(Answer::UpstreamError {
            code: error.code,
            message: error.message,
            data: error.data,
        }),
    }
}
