//! Requests of our own beside the protocols: recorded first, asked once, by the only dialler.

use std::sync::Arc;

use remit_core::name::Name;
use remit_enforce::{Act, Bounds, System};
use remit_upstream::{Endpoint, FetchRequest, Fetched};

use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::record;

/// How long the permit of one request may be used, in milliseconds.
const PERMIT_MS: u64 = 60_000;

/// For whom something is fetched, and why; it stands in the record.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The server, issuer or system it is about.
    pub about: &'a Name,
    /// The live task that needs it; its end cuts the request.
    pub task: Option<&'a Live>,
    /// Why, in a word or two: `protected resource metadata`.
    pub purpose: &'static str,
}

/// Asks one address once.
///
/// # Errors
/// [`Failure::Invalid`] when it is no address; [`Failure::Unavailable`] when it cannot be recorded, the task is no longer
/// live, or there is no answer we take.
pub async fn fetch(app: &Arc<App>, asker: Asker<'_>, request: &FetchRequest) -> Result<Fetched, Failure> {
    let endpoint = Endpoint::parse(&request.url).map_err(Failure::invalid)?;
    let origin = endpoint.origin();
    let act = Act::Fetch {
        origin: origin.clone(),
    };
    let mut entry = match asker.task {
        Some(live) => record::of_live(act.record_kind(), live),
        None => record::of(act.record_kind()),
    };
    entry.detail.insert("about", asker.about.as_str());
    entry.detail.insert("purpose", asker.purpose);
    // Without its query, which may hold what is nobody's business.
    entry.detail.insert("url", format!("{origin}{}", endpoint.path()));
    let expected = asker.task.map(|live| {
        let snapshot = live.snapshot();
        (snapshot.task.id, snapshot.task.version)
    });
    let (receipt, ()) = app
        .store
        .append(entry, move |tx| {
            expected.map_or(Ok(()), |(task, version)| tx.expect_task(task, version))
        })
        .await?;
    let bounds = Bounds {
        deadline: app.clock.boot().plus_ms(PERMIT_MS),
        lifeline: asker.task.map_or_else(|| app.life.line(), Live::lifeline),
    };
    let system = System {
        act,
        server: asker.about.clone(),
        task: expected.map(|(task, _)| task),
    };
    let permitted = app
        .mint
        .system(system, &receipt, bounds)
        .map_err(Failure::unavailable)?;
    let environment = crate::registry::servers::environment(app)?;
    remit_upstream::fetch(permitted, request, &environment)
        .await
        .map_err(Failure::unavailable)
}
