//! Idempotency keys: where a system makes repeating an operation harmless by a header and the client sends none, one is put
//! in before the decision. The same request again, while it is not known what became of the first, carries the same key.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use remit_core::call::{Call, Operation};
use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::name::ToolName;
use remit_egress::describe::System;
use remit_egress::request::lookup::{IF_MATCH, OBJECT};

use crate::app::{App, Failure};

/// Keys kept at most; beyond that none is put in.
const KEYS_MAX: usize = 10_000;

/// Keys of requests whose final outcome is not known, by task and request.
#[derive(Debug, Default)]
pub struct Keys(Mutex<HashMap<(TaskId, Digest), String>>);

impl Keys {
    /// Puts the key of a request in, where one belongs and none stands.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] without randomness.
    pub(super) fn put(
        &self,
        app: &App,
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
        let slot = (task, request(system, operation, arguments, header));
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains_key(&slot) && keys.len() >= KEYS_MAX {
            return Ok(());
        }
        let key = match keys.get(&slot) {
            Some(key) => key.clone(),
            None => {
                let mut random = [0; 16];
                app.entropy.fill(&mut random)?;
                let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
                keys.insert(slot, key.clone());
                key
            }
        };
        headers.insert(header, key);
        arguments.insert("headers", headers);
        Ok(())
    }

    /// It is known what became of a request: the same again is another one.
    pub(super) fn settle(&self, task: TaskId, system: &System, call: &Call) {
        let Operation::CallTool(operation) = &call.operation else {
            return;
        };
        if let Some(header) = header(system, operation) {
            let slot = (task, request(system, operation, &call.arguments, header));
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&slot);
        }
    }

    /// Forgets everything of a task.
    pub(super) fn end_task(&self, task: TaskId) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(of, _), _| *of != task);
    }
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
