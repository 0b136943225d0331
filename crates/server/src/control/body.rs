//! Reading what was sent: strict bodies, names and ids with sentences for what is wrong.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use remit_core::name::Name;
use remit_core::people::{Kind, Role};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Refusal;
use crate::app::{App, Failure};

/// A JSON body; an empty one reads as `{}`.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| Failure::invalid(format!("the request cannot be read: {error}")))?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let value = serde_json::from_slice(bytes)
            .map_err(|error| Failure::invalid(format!("the request is not understood: {error}")))?;
        Ok(Self(value))
    }
}

/// A body that only says who acts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acting {
    #[serde(rename = "as")]
    pub by: Option<String>,
}

/// Who acts: the human named, if they are one of ours, or the one at this machine.
pub(super) fn by(app: &App, named: Option<&String>) -> Result<Name, Failure> {
    let Some(named) = named else {
        return Ok(app.me.clone());
    };
    let name: Name = parse(named)?;
    let world = app.world();
    if world.humans.get(&name).is_some_and(|human| human.may_decide()) {
        return Ok(name);
    }
    Err(Failure::Forbidden(format!(
        "`{name}` is no active human here: see `remit human list`"
    )))
}

/// Who opens a task: as [`by`], or a system that may.
pub(super) fn opener(app: &App, named: Option<&String>) -> Result<Name, Failure> {
    if let Some(named) = named {
        let name: Name = parse(named)?;
        let world = app.world();
        if world
            .humans
            .get(&name)
            .is_some_and(|known| known.kind != Kind::Human && known.may(&Role::Initiator))
        {
            return Ok(name);
        }
    }
    by(app, named)
}

/// Reads a text.
pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(Failure::invalid)
}

/// Reads texts.
pub(super) fn parse_all<T: FromStr<Err: Display>, C: FromIterator<T>>(
    texts: &[String],
) -> Result<C, Failure> {
    texts.iter().map(|text| parse(text)).collect()
}

/// Reads an id; what is not one does not exist.
pub(super) fn id<T: FromStr>(text: &str, what: &str, list: &str) -> Result<T, Failure> {
    let shown = crate::approvals::card::escape(text);
    text.parse()
        .map_err(|_| Failure::NotFound(format!("`{shown}` is not the id of {what}: see `{list}`")))
}
