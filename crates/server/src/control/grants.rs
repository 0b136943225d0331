//! `/v1/grants`

use axum::Json;
use axum::extract::{Path, State};
use remit_core::id::GrantId;
use serde_json::json;

use super::Control;
use super::body::{Acting, Body, by, id};
use super::error::Answer;
use super::view;
use crate::app::Failure;

/// Most grants one list answers with.
const LIST_MAX: u32 = 1000;

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let grants = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::grants::list(conn, LIST_MAX)?))
        .await?;
    Ok(Json(grants.iter().map(|grant| view::grant(grant)).collect()))
}

pub(super) async fn revoke(
    State(Control { app, .. }): State<Control>,
    Path(grant): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let grant: GrantId = id(&grant, "a grant", "remit grants")?;
    crate::approvals::vote::revoke(&app, grant, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(json!({"id": grant.to_string(), "state": "revoked"})))
}
