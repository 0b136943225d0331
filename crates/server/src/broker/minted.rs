//! What an upstream mints: captured from the answer, kept sealed under a lease that was planned before the request left, and
//! given to the agent as placeholders. They lead back for its run, and towards the system that minted them; keys of AWS
//! towards every system whose requests are signed. Where the system's description says how, it is taken back when the task
//! ends (`minted/ends.rs`).

mod ends;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use remit_core::id::{CallId, LeaseId, RunId, TaskId};
use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_credentials::minted::{Found, Part, find, replace};
use remit_egress::request::carried::Carried;
use remit_store::leases::Change;
use secrecy::{ExposeSecret as _, SecretString};

use super::credential::Credential;
use super::leases::{self, Plan};
use super::placeholder::PLACEHOLDER;
use super::vault;
use crate::app::{App, Failure};
use crate::engine::decide::Prepared;
use crate::engine::live::Live;

use ends::TakeBack;
pub(super) use ends::end;

/// The backend's name in leases.
pub(super) const MINTED: &str = "minted";
/// The last moment of what nobody said an end of: 9999-12-31.
const NEVER: Timestamp = Timestamp(253_402_214_400_000);

/// One minted credential.
#[derive(Clone, Debug)]
struct One {
    run: RunId,
    system: Name,
    lease: LeaseId,
    class: LeaseClass,
    expires_at: Timestamp,
    /// What the agent got for it; of an AWS key for its id and its session token.
    placeholder: String,
    session_placeholder: Option<String>,
    value: SecretString,
    user: Option<String>,
    session: Option<SecretString>,
}

impl One {
    fn is_aws(&self) -> bool {
        self.user.is_some()
    }
}

/// What upstreams minted for the tasks of this process.
#[derive(Debug, Default)]
pub(crate) struct Minted {
    tasks: Mutex<HashMap<TaskId, Vec<One>>>,
}

impl Minted {
    pub(super) fn forget_lease(&self, task: TaskId, lease: LeaseId) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ones) = tasks.get_mut(&task) {
            ones.retain(|one| one.lease != lease);
        }
    }

    pub(super) fn forget_task(&self, task: TaskId) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.remove(&task);
    }

    fn find(&self, run: RunId, which: impl Fn(&One) -> bool) -> Option<One> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks
            .values()
            .flatten()
            .find(|one| one.run == run && which(one))
            .cloned()
    }
}

/// The minted credential a placeholder stands for, if it was made for `run` and leads to `system`.
#[must_use]
pub(crate) fn credential(app: &App, run: RunId, system: &Name, text: &str) -> Option<Credential> {
    let signed = is_signed(app, system);
    let one = app.broker.minted.find(run, |one| {
        (one.system == *system || (one.is_aws() && signed))
            && verify_slices_are_equal(one.placeholder.as_bytes(), text.as_bytes()).is_ok()
    })?;
    Some(Credential {
        value: one.value,
        user: one.user,
        session: one.session,
        secret: None,
        lease: one.lease,
        class: one.class,
        expires_at: one.expires_at,
    })
}

/// True for the placeholder of a session token, which clients send beside a signature: it goes with its key.
#[must_use]
pub(crate) fn is_session(app: &App, run: RunId, system: &Name, text: &str) -> bool {
    is_signed(app, system)
        && app
            .broker
            .minted
            .find(run, |one| one.session_placeholder.as_deref() == Some(text))
            .is_some()
}

fn is_signed(app: &App, system: &Name) -> bool {
    let world = app.world();
    let entry = world.registry.server(system);
    entry
        .and_then(|entry| entry.system.as_ref())
        .is_some_and(|system| system.sigv4.is_some())
}

/// Plans the lease of what a request may mint, before it leaves.
///
/// # Errors
/// [`Failure`] when it cannot be recorded: nothing may be sent then.
pub(crate) async fn plan(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    call: CallId,
) -> Result<Lease, Failure> {
    let id = LeaseId::fresh(app.clock.now(), &*app.entropy)?;
    let plan = Plan {
        system: prepared.call.server.clone(),
        backend: MINTED.parse().map_err(Failure::unavailable)?,
        handle: call.to_string(),
        class: if ends::described(prepared).is_some() {
            LeaseClass::R1
        } else {
            LeaseClass::R3
        },
        expires_at: NEVER,
        outlives_task: true,
    };
    leases::plan(app, live, id, plan).await
}

/// Nothing was minted: the request never left, was refused, or its answer holds no credential.
///
/// # Errors
/// [`Failure`] when that cannot be recorded.
pub(crate) async fn nothing(app: &Arc<App>, lease: &Lease, why: &str) -> Result<(), Failure> {
    leases::step(app, lease, LeaseState::Dead, Change::default(), why).await
}

/// Nobody knows what was minted, if anything: the answer did not come, or cannot be read.
///
/// # Errors
/// [`Failure`] when that cannot be recorded.
pub(crate) async fn unknown(app: &Arc<App>, lease: &Lease, why: &str) -> Result<(), Failure> {
    leases::step(app, lease, LeaseState::Revoking, Change::default(), why).await?;
    app.broker.work.notify_one();
    Ok(())
}

/// Takes every credential out of an answer, keeps them under the lease, and answers the body with placeholders.
///
/// # Errors
/// [`Failure`] when one cannot be taken out or kept: nothing of the answer may be passed on then.
pub(crate) async fn capture(
    app: &Arc<App>,
    live: &Arc<Live>,
    lease: &mut Lease,
    prepared: &Prepared,
    carried: &[Carried],
    body: &[u8],
) -> Result<Vec<u8>, Failure> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Failure::Unavailable("the answer may hold a credential and is not text".to_owned()))?;
    let found = find(text);
    if found.is_empty() {
        nothing(app, lease, "the answer holds no credential").await?;
        return Ok(body.to_vec());
    }
    // What could not be ended as its class says is not handed out.
    let back = TakeBack::of(app, live, prepared, carried, text)?;
    let run = live.run().id;
    let pairs: Vec<(Found, String)> = found
        .into_iter()
        .enumerate()
        .map(|(number, found)| (found, named(app, run, lease.id, number)))
        .collect();
    let replaced = replace(text, &pairs).map_err(Failure::unavailable)?;
    let items = items(&pairs);
    let expires_at = expiry(text, app.clock.now()).unwrap_or(NEVER);
    let kept = SecretString::from(written(&items, back.as_ref()));
    let sealed = vault::seal_lease(app, lease.id, &kept).await?;
    let change = Change {
        handle: None,
        expires_at: Some(expires_at),
    };
    // From here on it is scrubbed from everything, whatever else happens.
    for (found, _) in pairs.iter().filter(|(found, _)| found.part != Part::AwsId) {
        app.broker.remember_more(
            &format!("lease/{}", lease.id),
            &SecretString::from(found.value.as_str()),
        );
    }
    if !leases::confirm(app, lease, change, Some(sealed.clone())).await? {
        if back.is_some() {
            leases::keep(app, lease, sealed).await?;
        }
        app.broker.work.notify_one();
        return Err(Failure::Conflict(
            "the task ended while a credential was made".to_owned(),
        ));
    }
    let ones = items
        .into_iter()
        .map(|item| item.of(run, lease))
        .collect::<Vec<_>>();
    keep(app, lease.task, ones);
    Ok(replaced.into_bytes())
}

fn keep(app: &App, task: TaskId, ones: Vec<One>) {
    let mut tasks = app
        .broker
        .minted
        .tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    tasks.entry(task).or_default().extend(ones);
}

/// After a start: what was minted for tasks that are open still leads back. One that does not open is left alone, loudly.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub(super) async fn restore(app: &Arc<App>, lease: &Lease) -> Result<(), Failure> {
    let Some(kept) = vault::open_lease(app, lease.id).await? else {
        return Ok(());
    };
    let (items, _) = read(lease, &kept)?;
    let what = format!("lease/{}", lease.id);
    for item in &items {
        for value in [Some(&item.value), item.session.as_ref()].into_iter().flatten() {
            app.broker.remember_more(&what, value);
        }
    }
    let ones = items.into_iter().map(|item| item.of(lease.run, lease)).collect();
    keep(app, lease.task, ones);
    Ok(())
}

/// A minted credential without whose it is.
struct Item {
    placeholder: String,
    session_placeholder: Option<String>,
    value: SecretString,
    user: Option<String>,
    session: Option<SecretString>,
}

impl Item {
    fn of(self, run: RunId, lease: &Lease) -> One {
        One {
            run,
            system: lease.system.clone(),
            lease: lease.id,
            class: lease.class,
            expires_at: lease.expires_at,
            placeholder: self.placeholder,
            session_placeholder: self.session_placeholder,
            value: self.value,
            user: self.user,
            session: self.session,
        }
    }
}

/// Single values; the parts of an AWS key are one.
fn items(pairs: &[(Found, String)]) -> Vec<Item> {
    let first = |part: Part| pairs.iter().find(|(found, _)| found.part == part);
    let value = |found: &Found| SecretString::from(found.value.as_str());
    let mut items = Vec::new();
    if let (Some((id, placeholder)), Some((secret, _))) = (first(Part::AwsId), first(Part::AwsSecret)) {
        let session = first(Part::AwsSession);
        items.push(Item {
            placeholder: placeholder.clone(),
            session_placeholder: session.map(|(_, placeholder)| placeholder.clone()),
            value: value(secret),
            user: Some(id.value.to_string()),
            session: session.map(|(found, _)| value(found)),
        });
    }
    items.extend(
        pairs
            .iter()
            .filter(|(found, _)| found.part == Part::Whole)
            .map(|(found, placeholder)| Item {
                placeholder: placeholder.clone(),
                session_placeholder: None,
                value: value(found),
                user: None,
                session: None,
            }),
    );
    items
}

fn written(items: &[Item], back: Option<&TakeBack>) -> String {
    let list: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut object = Object::new();
            object.insert("placeholder", item.placeholder.as_str());
            object.insert("value", item.value.expose_secret());
            if let Some(text) = &item.session_placeholder {
                object.insert("session_placeholder", text.as_str());
            }
            if let Some(text) = &item.user {
                object.insert("user", text.as_str());
            }
            if let Some(text) = &item.session {
                object.insert("session", text.expose_secret());
            }
            object.into()
        })
        .collect();
    let mut kept = Object::new();
    kept.insert("credentials", list);
    if let Some(back) = back {
        kept.insert("take_back", back.written());
    }
    String::from_utf8_lossy(&Value::Object(kept).to_canonical()).into_owned()
}

fn read(lease: &Lease, kept: &SecretString) -> Result<(Vec<Item>, Option<TakeBack>), Failure> {
    let bad = || Failure::Unavailable(format!("what {} holds cannot be read", lease.id));
    let kept = parse(kept.expose_secret().as_bytes(), &Bounds::RESPONSE).map_err(|_| bad())?;
    let items = kept.get("credentials").and_then(items_of).ok_or_else(bad)?;
    let back = match kept.get("take_back") {
        None => None,
        Some(written) => Some(TakeBack::read(written).ok_or_else(bad)?),
    };
    Ok((items, back))
}

fn items_of(list: &Value) -> Option<Vec<Item>> {
    let item = |value: &Value| {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Item {
            placeholder: text("placeholder")?,
            session_placeholder: text("session_placeholder"),
            value: SecretString::from(text("value")?),
            user: text("user"),
            session: text("session").map(SecretString::from),
        })
    };
    list.as_array()?.iter().map(item).collect()
}

fn named(app: &App, run: RunId, lease: LeaseId, number: usize) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app.broker.placeholders.bytes());
    // No secret has a `/` in its name, so no placeholder of one is ever the same.
    let tag = hmac::sign(&key, format!("{run}/{lease}/{number}").as_bytes());
    let hex: String = tag
        .as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{PLACEHOLDER}{hex}")
}

/// When it ends by itself, where the answer says so in a usual way.
fn expiry(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(value) = parse(text.as_bytes(), &Bounds::RESPONSE) {
        return said(&value, now);
    }
    let (_, rest) = text.split_once("<Expiration>")?;
    moment(rest.split_once('<')?.0)
}

fn said(value: &Value, now: Timestamp) -> Option<Timestamp> {
    let object = match value {
        Value::Array(items) => return items.iter().find_map(|item| said(item, now)),
        value => value.as_object()?,
    };
    for (key, inner) in object.iter() {
        let at = match (key, inner) {
            ("expires_at" | "expiresAt" | "Expiration" | "expiration", Value::String(text)) => moment(text),
            ("expires_at" | "expires" | "Expiration", number) => number
                .as_i64()
                .map(|seconds| Timestamp(seconds.saturating_mul(1000))),
            ("expires_in" | "expiresIn", number) => number
                .as_i64()
                .map(|seconds| now.plus_ms(seconds.saturating_mul(1000))),
            (_, inner) => said(inner, now),
        };
        if at.is_some() {
            return at;
        }
    }
    None
}

/// A moment, or the end of a day (UTC).
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.trim().parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    let day = format!("{}T23:59:59Z", text.trim())
        .parse::<jiff::Timestamp>()
        .ok()?;
    Some(Timestamp(day.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_where_it_is_said() {
        let now = Timestamp(1_000);
        let at = |text: &str| expiry(text, now).map(|at| at.0);
        assert_eq!(
            at(r#"{"token":"x","expires_at":"2030-01-02T03:04:05Z"}"#),
            Some(1_893_553_445_000)
        );
        assert_eq!(at(r#"{"data":{"expires_in":60}}"#), Some(61_000));
        assert_eq!(at(r#"{"expires_at":"2030-01-02"}"#), Some(1_893_628_799_000));
        assert_eq!(
            at("<a><Expiration>2030-01-02T03:04:05Z</Expiration></a>"),
            Some(1_893_553_445_000)
        );
        assert_eq!(at(r#"{"token":"x","expires_at":null}"#), None);
        assert_eq!(NEVER.to_string(), "9999-12-31T00:00:00.000Z");
    }
}
