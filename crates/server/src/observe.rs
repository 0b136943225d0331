//! Observe mode: which tool classes are recorded instead of held or denied by baseline and organisation, and until when.
//!
//! It begins when `remit up` is asked for it, ends by itself, and is never made longer by a restart: whoever wants more
//! time starts once without it and then again with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::json::Object;
use remit_core::tool::ToolClass;
use remit_store::Epoch;
use remit_store::observations::{self, Observation};

use crate::app::{App, Failure};
use crate::engine::record;

/// Brings the store in line with the configuration. What begins, ends or is over is recorded and said aloud.
///
/// # Errors
/// [`Failure`] when the configuration or the store does not let it.
pub async fn align(app: &Arc<App>) -> Result<(), Failure> {
    let wanted = app.config.policy.observed().map_err(Failure::invalid)?;
    let known = app
        .store
        .read(|conn| Ok::<_, Failure>(observations::list(conn)?))
        .await?;
    let known: BTreeMap<ToolClass, Observation> = known
        .into_iter()
        .filter(|known| !known.ended)
        .map(|known| (known.class, known))
        .collect();
    let mut changed = false;
    for class in known.keys().filter(|class| !wanted.contains_key(class)) {
        end(app, *class).await?;
        changed = true;
    }
    let now = app.clock.now();
    for (class, ms) in wanted {
        match known.get(&class) {
            Some(over) if over.until <= now => tracing::warn!(
                %class,
                until = %over.until,
                "observe mode is over, the class is enforced; to observe it again start once without it, then with it"
            ),
            Some(_) => {}
            None => {
                begin(app, class, ms).await?;
                changed = true;
            }
        }
    }
    if changed {
        app.reload().await?;
    }
    Ok(())
}

async fn begin(app: &Arc<App>, class: ToolClass, ms: u64) -> Result<(), Failure> {
    let since = app.clock.now();
    let observation = Observation {
        class,
        since,
        until: since.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)),
        asked_by: app.me.clone(),
        ended: false,
    };
    let mut detail = Object::new();
    detail.insert("until", observation.until.to_string());
    let mut entry = record::by_human("observe.begin", &app.me, detail);
    entry.class = Some(class.to_string());
    entry.lane = Some(record::OBSERVED.to_owned());
    app.store
        .append(entry, move |tx| {
            observations::begin(tx, &observation)?;
            tx.bump(Epoch::Policy);
            Ok(())
        })
        .await?;
    Ok(())
}

async fn end(app: &Arc<App>, class: ToolClass) -> Result<(), Failure> {
    let mut entry = record::by_human("observe.end", &app.me, Object::new());
    entry.class = Some(class.to_string());
    app.store
        .append(entry, move |tx| {
            observations::end(tx, class)?;
            tx.bump(Epoch::Policy);
            Ok(())
        })
        .await?;
    Ok(())
}
