//! Idempotency keys: where a system makes repeating an operation harmless by a header and the client sends none, one is put
//! in before the decision. The same request again, while it is not known what became of the first, carries the same key,
//! whatever happens to this process in between: it is derived from the request and from how often its outcome was known
//! before, and that count moves in the transaction of the outcome.

use std::sync::Arc;

use aws_lc_rs::hmac;
use remit_core::call::{Call, Operation};
use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::name::ToolName;
use remit_egress::describe::System;
use remit_egress::request::lookup::{IF_MATCH, OBJECT};
use remit_gateway::ports::Answer;
use remit_store::calls::StoredCall;
use remit_store::{ApplyError, Tx};

use super::send;
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::{body, send::open_answer};
use crate::keys::Key;

/// Puts the key of a request in, where one belongs and none stands.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub(super) async fn put(
    app: &Arc<App>,
    task: TaskId,
    system: &System,
    operation: &ToolName,
    arguments: &mut Object,
) -> Result<(), Failure> {
    let Some(header) = header(system, operation) else {
        return Ok(());
    };
    let mut headers = match arguments.get("headers") {
        Some(Value::Object(headers)) => headers.clone(),
        Some(_) => return Ok(()),
        None => Object::new(),
    };
    if headers.get(header).is_some() {
        return Ok(());
    }
    let request = request(system, operation, arguments, header);
    let settled = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::repeats::settled(conn, task, request)?))
        .await?;
    headers.insert(header, key(&secret(app), task, request, settled));
    arguments.insert("headers", headers);
    Ok(())
}

/// It is known what became of a request: the same again is another one. Applied in the transaction that records it.
pub(crate) struct Settled {
    task: TaskId,
    request: Digest,
    /// The key it carried; a client's own is none of ours.
    key: String,
    secret: Key,
}

impl Settled {
    /// Of a call that carried a key.
    pub(super) fn of(app: &App, task: TaskId, system: &System, call: &Call) -> Option<Self> {
        let Operation::CallTool(operation) = &call.operation else {
            return None;
        };
        let header = header(system, operation)?;
        let carried = call.arguments.get("headers")?.get(header)?.as_str()?;
        Some(Self {
            task,
            request: request(system, operation, &call.arguments, header),
            key: carried.to_owned(),
            secret: secret(app),
        })
    }

    /// The same of an approved call whose kept answer reached the agent: until then the identical call stands for it.
    pub(crate) fn of_kept(app: &App, live: &Live, stored: &StoredCall, sealed: &[u8]) -> Option<Self> {
        let call = body::open(app, stored.task, stored.id, stored.body.as_deref()?).ok()?;
        let world = app.world();
        let system = world.registry.server(&call.server)?.system.clone()?;
        let Ok(Answer::Result(kept)) = open_answer(app, live, stored.id, sealed) else {
            return None;
        };
        let status = kept.get(send::HTTP)?.get("status")?.as_i64()?;
        is_known(u16::try_from(status).ok()?)
            .then(|| Self::of(app, stored.task, &system, &call))
            .flatten()
    }

    /// Counts it, if it carried the key of this moment.
    ///
    /// # Errors
    /// [`ApplyError`] when it cannot be written.
    pub(crate) fn apply(&self, tx: &mut Tx<'_>) -> Result<(), ApplyError> {
        let before = remit_store::repeats::settled(tx, self.task, self.request)?;
        if key(&self.secret, self.task, self.request, before) != self.key {
            return Ok(());
        }
        remit_store::repeats::settle(tx, self.task, self.request, before)
    }
}

/// True for an answer that says what became of the request. One that came too early, twice at once, or where the system
/// itself failed says nothing of it (RFC 9110, 15.5.9, 15.5.10, 15.6; RFC 6585, 4; RFC 8470, 5.2).
pub(super) const fn is_known(status: u16) -> bool {
    status < 500 && !matches!(status, 408 | 409 | 425 | 429)
}

fn secret(app: &App) -> Key {
    app.keys.seal.derive("idempotency")
}

/// The key of a request after `settled` known ones, of 128 bits in hexadecimal.
fn key(secret: &Key, task: TaskId, request: Digest, settled: u64) -> String {
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()),
        format!("{task}/{request}/{settled}").as_bytes(),
    );
    let bytes = tag.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The header that makes repeating an operation harmless.
pub(super) fn header<'s>(system: &'s System, operation: &ToolName) -> Option<&'s str> {
    let described = system.all_operations().find(|known| known.name == *operation)?;
    // A key in the body would change what was read and digested.
    described
        .idempotency
        .as_deref()
        .filter(|place| !place.contains('.'))
}

/// The request without its key, and without what was looked up for it: done or not, its object may be another by now.
fn request(system: &System, operation: &ToolName, arguments: &Object, header: &str) -> Digest {
    let mut plain = arguments.clone();
    let looked_up = plain.remove(OBJECT).is_some();
    if looked_up {
        plain.remove("resources");
    }
    if let Some(Value::Object(mut headers)) = plain.remove("headers") {
        headers.remove(header);
        if looked_up {
            headers.remove(IF_MATCH);
        }
        if !headers.is_empty() {
            plain.insert("headers", headers);
        }
    }
    let mut text = format!("remit idempotency v1\n{}/{operation}\n", system.name).into_bytes();
    Value::Object(plain).write_canonical(&mut text);
    Digest::of(&text)
}
