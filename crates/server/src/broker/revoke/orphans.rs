//! Credentials of ours that no open lease knows, because the store is older than they are: looked for after a start, where a
//! backend can list them, until it could be.

use std::sync::Arc;

use remit_broker::backend::postgresql;
use remit_core::name::Name;

use crate::app::{App, Failure};
use crate::broker::backends;
use crate::broker::databases::sessions::{self, Duty};

/// Has everything that is configured searched, each on its own.
pub fn search_all(app: &App) {
    let configured = app.config.databases.keys().chain(app.config.credentials.keys());
    app.broker
        .lanes
        .search(configured.filter_map(|name| name.parse::<Name>().ok()));
    app.broker.work.notify_one();
}

/// Searches what is configured under this name.
pub(super) async fn search(app: &Arc<App>, name: &Name) -> Result<(), Failure> {
    if app.config.databases.contains_key(name.as_str()) {
        roles(app, name).await?;
    }
    if app.config.credentials.contains_key(name.as_str()) {
        backends::sweep_orphans(app, name).await?;
    }
    app.broker.lanes.searched(name);
    Ok(())
}

/// Ends roles of ours in a database that no open lease knows.
async fn roles(app: &Arc<App>, database: &Name) -> Result<(), Failure> {
    let making = app.broker.sessions.of_house(database, Duty::Make);
    let there = {
        let mut session = making.lock().await;
        let session = sessions::house(app, database, &mut session, Duty::Make, None).await?;
        postgresql::list(session, &app.broker.role_prefix())
            .await
            .map_err(Failure::unavailable)?
    };
    // Read afterwards: what was planned meanwhile is known.
    let known = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::open(conn)?))
        .await?;
    let orphans: Vec<String> = there
        .into_iter()
        .filter(|role| !known.iter().any(|lease| lease.handle == *role))
        .collect();
    if orphans.is_empty() {
        return Ok(());
    }
    let mut entry = crate::engine::record::of("lease.orphans");
    entry.detail.insert("system", database.as_str());
    let names: Vec<remit_core::json::Value> = orphans.iter().map(|role| role.as_str().into()).collect();
    entry.detail.insert("names", names);
    app.store.append(entry, |_| Ok(())).await?;
    let open = {
        let cutting = app.broker.sessions.of_house(database, Duty::Cut);
        let mut session = cutting.lock().await;
        let session = sessions::house(app, database, &mut session, Duty::Cut, None).await?;
        postgresql::cut(session, &orphans)
            .await
            .map_err(Failure::unavailable)?
    };
    if let Some(name) = open.first() {
        return Err(Failure::Unavailable(format!(
            "the role `{name}`, which no lease knows, can still sign in, or has a session that does not end"
        )));
    }
    let mut session = making.lock().await;
    let session = sessions::house(app, database, &mut session, Duty::Make, None).await?;
    postgresql::remove(session, &orphans)
        .await
        .map_err(Failure::unavailable)
}
