//! `client_credentials` (RFC 6749, 4.4): a workload that proves who it is opens a task of the shape it was registered with,
//! for the human or system it was registered for.

use std::sync::Arc;

use remit_core::task::Intent;
use serde_json::{Map, Value};

use super::super::error::{Code, OauthError};
use super::super::{issuer, resource};
use super::{Asking, answer};
use crate::app::App;
use crate::tasks::open::{self, NewTask};

pub(super) async fn open(app: &Arc<App>, asking: &Asking) -> Result<Map<String, Value>, OauthError> {
    let (form, client) = (&asking.form, asking.client()?);
    let initiator = client
        .initiator
        .as_ref()
        .filter(|_| {
            asking
                .authenticated
                .as_ref()
                .is_some_and(|authenticated| authenticated.confidential)
        })
        .ok_or_else(|| {
            OauthError::new(
                Code::UnauthorizedClient,
                "this client opens no tasks by itself: it has no `initiator` in `[oauth.clients]`",
            )
        })?;
    if let Some(wanted) = form.get("resource")
        && !resource::is_ours(app, wanted)
    {
        return Err(OauthError::new(
            Code::InvalidTarget,
            format!("`resource` must be {}/mcp, or one server below it", issuer(app)),
        ));
    }
    asking.spend(app).await?;
    let goal = form
        .get("intent")
        .map_or_else(|| format!("work of the client {}", client.id), str::to_owned);
    let mut new = NewTask::new(
        client.agent.clone(),
        Intent {
            goal,
            purpose: format!("asked by the client {}", client.id),
        },
    );
    new.template.clone_from(&client.template);
    new.set.clone_from(&client.set);
    new.limit = form
        .get("resource")
        .and_then(|wanted| resource::limit(app, wanted));
    let opened = open::open(app, new, initiator).await?;
    let token = super::bound_token(app, asking, &opened).await?;
    Ok(answer(app, &opened.task, &token, None, asking.dpop.is_some()))
}
