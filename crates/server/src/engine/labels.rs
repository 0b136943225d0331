//! Labels a run carries when a call of it is decided.

use remit_core::label::Labels;

use super::live::Live;
use super::world::World;
use crate::app::{App, Failure};

/// Labels of the run. While no tool carries any, none can have been charged.
pub(super) async fn of(app: &App, live: &Live, world: &World) -> Result<Labels, Failure> {
    if !are_carried(world) {
        return Ok(Labels::new());
    }
    let run = live.run().id;
    app.store
        .read(move |conn| Ok::<_, Failure>(remit_store::labels::get(conn, run)?))
        .await
}

/// True when any tool carries labels.
pub(super) fn are_carried(world: &World) -> bool {
    world
        .registry
        .tools()
        .any(|tool| !tool.tool.classification.labels.is_empty())
}
