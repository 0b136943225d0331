//! `GET /v1/status`

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use remit_core::approval::ApprovalState;
use remit_store::{approvals, records};
use serde_json::json;

use super::error::Answer;
use super::{Control, leases};
use crate::app::{App, Failure};
use crate::evidence::checkpoint;

pub(super) async fn show(State(Control { app, .. }): State<Control>) -> Answer {
    let (records, open, pending) = app
        .store
        .read(|conn| {
            let open = conn
                .query_one("SELECT count(*) FROM tasks WHERE state = 'open'", &[])
                .and_then(|row| row.int(0))
                .map_err(remit_store::StoreError::from)?;
            let pending = approvals::in_state(conn, ApprovalState::Pending, 1000)?.len();
            Ok::<_, Failure>((records::count(conn)?, open, pending))
        })
        .await?;
    let base = app.base_url.borrow().clone();
    Ok(Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "address": base.trim_start_matches("http://"),
        "mcp_url": format!("{base}/mcp"),
        "data": app.paths.data,
        "human": app.me.as_str(),
        "trust_domain": app.config.listen.trust_domain,
        "records": records,
        "tasks_open": open,
        "approvals_pending": pending,
        "policy_version": app.world().policy.version().to_string(),
        "ledger_key": checkpoint::verifier(&app)?.to_string(),
        "observed": observed(&app),
        "servers": servers(&app),
        "leases": leases::counts(&app).await?,
        "unopened": unopened(&app),
        "denied": denied(&app),
    })))
}

/// Whether servers we start can be contained here, and those that are not.
fn servers(app: &App) -> serde_json::Value {
    let world = app.world();
    let uncontained = world.registry.servers().filter(|entry| {
        matches!(
            entry.server.transport,
            remit_store::servers::Transport::Command(_)
        ) && !entry.contained
    });
    json!({
        "why_uncontained": app.contains.as_ref().err(),
        "uncontained": uncontained.map(|entry| entry.server.name.as_str()).collect::<Vec<_>>(),
    })
}

/// What is kept and cannot be opened.
fn unopened(app: &App) -> Vec<serde_json::Value> {
    let unopened = app.broker.unopened();
    let said = |one: &crate::broker::known::Unopened| json!({"what": one.what, "why": one.why});
    unopened.iter().map(said).collect()
}

/// Classes that are observed only.
fn observed(app: &App) -> Vec<serde_json::Value> {
    let now = app.clock.now();
    let world = app.world();
    let on = world.observed.iter().filter(|(_, until)| now < **until);
    on.map(|(class, until)| json!({"class": class.as_str(), "until": until.0}))
        .collect()
}

/// Everything a run must not reach, wherever the configuration put it.
fn denied(app: &App) -> Vec<PathBuf> {
    let mut denied = app.paths.denied_to_runs();
    let config = &app.config;
    let store = config
        .store
        .path
        .as_ref()
        .and_then(|path| path.parent())
        .map(ToOwned::to_owned);
    denied.extend(
        [store, config.policy.dir.clone(), config.policy.templates.clone()]
            .into_iter()
            .flatten(),
    );
    denied
}
