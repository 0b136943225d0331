//! `/v1/runs`

use axum::Json;
use axum::extract::{Extension, Path, State};
use remit_confine::ProcessId;
use remit_core::confinement::Confinement;
use remit_store::runs::Process;
use serde::Deserialize;
use serde_json::json;

use super::Control;
use super::body::{Body, id};
use super::error::Answer;
use super::guard::Uid;
use crate::app::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attest {
    pid: u32,
    start_time: u64,
    confinement: Word,
}

/// What the launcher attested; the word is what counts, the rest is for people.
#[derive(Deserialize)]
struct Word {
    word: String,
}

pub(super) async fn attest(
    State(Control { app, .. }): State<Control>,
    Extension(Uid(uid)): Extension<Uid>,
    Path(run): Path<String>,
    Body(body): Body<Attest>,
) -> Answer {
    let run = id(&run, "a run", "remit task list")?;
    let confinement = Confinement::parse(&body.confinement.word)
        .ok_or_else(|| Failure::invalid(format!("`{}` is no confinement", body.confinement.word)))?;
    let process = ProcessId {
        pid: body.pid,
        start_time: body.start_time,
    };
    if !process.is_alive() {
        return Err(Failure::Conflict(format!("process {} is not running", body.pid)).into());
    }
    let stored = Process {
        pid: i64::from(body.pid),
        started: i64::try_from(body.start_time).map_err(Failure::invalid)?,
        uid: i64::from(uid),
    };
    crate::tasks::process::attest(&app, run, stored, confinement).await?;
    Ok(Json(
        json!({"run": run.to_string(), "confinement": confinement.as_str()}),
    ))
}
