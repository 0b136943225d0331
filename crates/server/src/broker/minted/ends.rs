//! The end of what an upstream minted: taken back and probed dead where the system's description says how. How is filled in
//! when it is captured, so that neither another description nor a restart loses it.

use std::sync::Arc;

use remit_broker::port::{Answer, Ask, Body, Unreached};
use remit_core::call::Operation;
use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::lease::Lease;
use remit_core::name::Name;
use remit_egress::describe::revoke::{Dead, Method, Revoke, member};
use remit_egress::describe::{Operation as Described, Place, System};
use remit_egress::request::carried::Carried;
use secrecy::{ExposeSecret as _, SecretString};

use super::read;
use crate::app::{App, Failure};
use crate::broker::backends::Ended;
use crate::broker::credential::is_made_per_task;
use crate::broker::{Reach, openers, resolve, vault};
use crate::engine::decide::Prepared;
use crate::engine::live::Live;

/// The operation that mints, where its description says how that is taken back.
pub(super) fn described(prepared: &Prepared) -> Option<(&System, &Described, &Revoke)> {
    let system = prepared.server.as_ref()?.system.as_deref()?;
    let Operation::CallTool(name) = &prepared.call.operation else {
        return None;
    };
    let operation = system.all_operations().find(|known| known.name == *name)?;
    Some((system, operation, operation.revoke.as_ref()?))
}

/// How one minted credential is taken back: two requests, to the host that minted it.
pub(super) struct TakeBack {
    call: (Method, String),
    probe: (Method, String),
    dead: Vec<Dead>,
    /// The secret it is taken back with; none: it takes itself back.
    with: Option<Name>,
    /// Where a credential stands, and what is written in front of it.
    header: String,
    scheme: Option<String>,
    allow_private: bool,
}

impl TakeBack {
    /// Of an answer that holds what was minted. None where nothing is described.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when it could not be taken back: the answer does not say what it has to, or no secret of ours
    /// made the request.
    pub(super) fn of(
        app: &App,
        live: &Live,
        prepared: &Prepared,
        carried: &[Carried],
        answer: &str,
    ) -> Result<Option<Self>, Failure> {
        let Some((system, operation, revoke)) = described(prepared) else {
            return Ok(None);
        };
        let no = |why: String| Failure::Unavailable(format!("what it mints could not be taken back: {why}"));
        let answer = parse(answer.as_bytes(), &Bounds::RESPONSE).unwrap_or(Value::Null);
        let arguments = &prepared.call.arguments;
        let value_of = |name: &str| {
            if Revoke::is_of_path(&operation.path, name) {
                arguments.get("path")?.get(name)?.as_str().map(str::to_owned)
            } else {
                member(&answer, name)
            }
        };
        let host = arguments.get("host").and_then(Value::as_str);
        let host = host.ok_or_else(|| no("the request names no host".to_owned()))?;
        let mut origin = format!("{}://{host}", system.scheme());
        if system.port() != system.own_port() {
            origin.push_str(&format!(":{}", system.port()));
        }
        let with = if revoke.with_minted {
            None
        } else {
            let secret = secret(app, live, &system.name, carried);
            Some(secret.ok_or_else(|| no("no secret of ours stands behind the request".to_owned()))?)
        };
        let place = system
            .credentials
            .iter()
            .find_map(|credential| match &credential.place {
                Place::Header(name) => Some((name.clone(), credential.schemes.first().cloned())),
                Place::Basic | Place::Query(_) => None,
            });
        let (header, scheme) = place.ok_or_else(|| no("no credential stands in a header".to_owned()))?;
        Ok(Some(Self {
            call: (
                revoke.call.method,
                format!("{origin}{}", revoke.call.fill(value_of).map_err(no)?),
            ),
            probe: (
                revoke.probe.method,
                format!("{origin}{}", revoke.probe.fill(value_of).map_err(no)?),
            ),
            dead: revoke.dead.clone(),
            with,
            header,
            scheme,
            allow_private: prepared
                .server
                .as_ref()
                .is_some_and(|server| server.server.allow_private),
        }))
    }

    pub(super) fn written(&self) -> Value {
        let mut object = Object::new();
        for (key, (method, url)) in [("call", &self.call), ("probe", &self.probe)] {
            object.insert(key, format!("{} {url}", method.as_str()));
        }
        let dead: Vec<Value> = self.dead.iter().map(|dead| dead.text().into()).collect();
        object.insert("dead", dead);
        object.insert("header", self.header.as_str());
        object.insert("allow_private", self.allow_private);
        if let Some(secret) = &self.with {
            object.insert("with", secret.as_str());
        }
        if let Some(scheme) = &self.scheme {
            object.insert("scheme", scheme.as_str());
        }
        object.into()
    }

    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let request = |key: &str| {
            let (method, url) = text(key)?.split_once(' ')?;
            Some((Method::parse(method)?, url.to_owned()))
        };
        let dead = value.get("dead")?.as_array()?.iter();
        Some(Self {
            call: request("call")?,
            probe: request("probe")?,
            dead: dead
                .map(|dead| Dead::parse(dead.as_str()?).ok())
                .collect::<Option<_>>()?,
            with: match text("with") {
                None => None,
                Some(secret) => Some(secret.parse().ok()?),
            },
            header: text("header")?.to_owned(),
            scheme: text("scheme").map(str::to_owned),
            allow_private: value.get("allow_private")?.as_bool()?,
        })
    }

    async fn ask(
        &self,
        reach: &Reach,
        (method, url): &(Method, String),
        credential: &SecretString,
    ) -> Result<Answer, Unreached> {
        let ask = Ask {
            url: url.clone(),
            body: match method {
                Method::Get => Body::Get,
                Method::Delete => Body::Delete,
                Method::Post => Body::Form(SecretString::from(String::new())),
            },
            authorization: None,
            allow_private: self.allow_private,
        };
        let credential = credential.expose_secret();
        let field = match self.scheme.as_deref() {
            None => credential.to_owned(),
            // As everybody writes it (RFC 6750, 2.1).
            Some("bearer") => format!("Bearer {credential}"),
            Some(scheme) => format!("{scheme} {credential}"),
        };
        reach
            .asked(ask, Some((self.header.clone(), SecretString::from(field))))
            .await
    }
}

/// The secret a request was made with; where that was none of ours, the one that opens the system.
fn secret(app: &App, live: &Live, system: &Name, carried: &[Carried]) -> Option<Name> {
    let run = live.run().id;
    let is_ours = |name: &Name| !is_made_per_task(app, name, system);
    let of_request = carried
        .iter()
        .find_map(|one| resolve(app, run, system, &one.value).filter(|name| is_ours(name)));
    of_request.or_else(|| {
        let all: Vec<Name> = openers(app)
            .filter(|(name, of)| of == system && is_ours(name))
            .map(|(name, _)| name)
            .collect();
        match all.as_slice() {
            [only] => Some(only.clone()),
            several => several.iter().find(|name| *name == system).cloned(),
        }
    })
}

/// Ends what was minted; one answer each, in order.
pub(in crate::broker) async fn end(app: &Arc<App>, group: &[Lease]) -> Vec<Ended> {
    let each = group.iter().map(|lease| async move {
        let ended = end_one(app, lease).await;
        ended.unwrap_or_else(|failure| Ended::Lives(failure.to_string()))
    });
    futures_util::future::join_all(each).await
}

async fn end_one(app: &Arc<App>, lease: &Lease) -> Result<Ended, Failure> {
    // Never heard of, or nobody here knows how it ends: it is shown to nobody any more.
    let Some(kept) = vault::open_lease(app, lease.id).await? else {
        return Ok(Ended::Fading);
    };
    let (items, Some(back)) = read(lease, &kept)? else {
        return Ok(Ended::Fading);
    };
    let reach = Reach::of_house(app, lease.system.as_str())?;
    let ours = match &back.with {
        Some(secret) => Some(vault::value(app, secret, None).await?),
        None => None,
    };
    // One request of ours takes back all of one answer; otherwise each takes back itself.
    let requests = if ours.is_some() { 1 } else { items.len() };
    for item in items.iter().take(requests) {
        let with = ours.as_ref().unwrap_or(&item.value);
        let told = back
            .ask(&reach, &back.call, with)
            .await
            .map_err(Failure::unavailable)?;
        // Whether it was gone already, or we may not: the probe says. Nothing else than an answer of its own does.
        if !matches!(told.status, 200..=299 | 400..=428 | 430..=499) {
            return Ok(Ended::Lives(format!(
                "its end was answered with status {}",
                told.status
            )));
        }
    }
    for item in &items {
        let probed = back
            .ask(&reach, &back.probe, &item.value)
            .await
            .map_err(Failure::unavailable)?;
        let body = parse(&probed.body, &Bounds::RESPONSE).ok();
        if !back.dead.iter().any(|dead| dead.is(probed.status, body.as_ref())) {
            return Ok(Ended::Lives(format!(
                "it still lives: the probe was answered with status {}",
                probed.status
            )));
        }
    }
    Ok(Ended::Dead("probed dead"))
}
