//! Signs of life: a task whose run has gone silent, idles, or has lost its process does not wait for its window to close.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_confine::ProcessId;
use remit_core::id::TaskId;
use remit_core::task::{Ending, Life};
use remit_core::time::BootTime;
use remit_store::runs::Process;

use super::end::end;
use crate::app::{App, Failure};

/// A process has to be seen gone for this long, in milliseconds: whoever started it may just be ending the task.
const GONE_MS: u64 = 3_000;
/// A heartbeat is missed twice before anything happens.
const MISSED: u64 = 2;
/// Tasks looked at in one go.
const AT_ONCE: u32 = 100_000;

/// When each task was last heard of, in this process. A start counts as a sign of life of all.
#[derive(Debug, Default)]
pub struct Pulses {
    beats: Mutex<HashMap<TaskId, Beat>>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    sign: BootTime,
    call: BootTime,
    gone_since: Option<BootTime>,
}

impl Beat {
    const fn at(now: BootTime) -> Self {
        Self {
            sign: now,
            call: now,
            gone_since: None,
        }
    }

    /// What was missed.
    fn overdue(&self, life: Life, now: BootTime) -> Option<&'static str> {
        let over = |bound: Option<i64>, times: u64, then: BootTime| {
            let bound = bound.and_then(|ms| u64::try_from(ms).ok());
            bound.is_some_and(|ms| now.0.saturating_sub(then.0) >= ms.saturating_mul(times))
        };
        if over(life.heartbeat_ms, MISSED, self.sign) {
            Some("no sign of life for two heartbeats")
        } else if over(life.idle_ms, 1, self.call) {
            Some("nothing was asked for too long")
        } else {
            None
        }
    }
}

impl Pulses {
    /// True when it is too late for a sign of life: the task ends for what was missed before.
    pub fn is_overdue(&self, task: TaskId, life: Life, now: BootTime) -> bool {
        self.with(task, now, |beat| beat.overdue(life, now).is_some())
    }

    /// The run showed that it lives. Only what has proved to come from the run counts.
    pub fn sign(&self, task: TaskId, now: BootTime) {
        self.with(task, now, |beat| beat.sign = now);
    }

    /// The run asked for something.
    pub fn call(&self, task: TaskId, now: BootTime) {
        self.with(task, now, |beat| {
            beat.sign = now;
            beat.call = now;
        });
    }

    /// Everything counts from now on.
    pub fn begin(&self, task: TaskId, now: BootTime) {
        self.with(task, now, |beat| *beat = Beat::at(now));
    }

    /// Forgets a task that ended.
    pub fn forget(&self, task: TaskId) {
        self.beats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&task);
    }

    fn with<T>(&self, task: TaskId, now: BootTime, change: impl FnOnce(&mut Beat) -> T) -> T {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        change(beats.entry(task).or_insert_with(|| Beat::at(now)))
    }
}

/// Ends every open task whose run has gone silent, idles beyond its bound, or has lost its process.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written.
pub async fn look(app: &Arc<App>) -> Result<usize, Failure> {
    let watched = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::tasks::watched(conn, AT_ONCE)?))
        .await?;
    let boot = app.clock.boot();
    let mut ended = 0;
    for one in watched {
        let gone = one.process.is_some_and(is_gone);
        let why = app.pulses.with(one.task, boot, |beat| {
            beat.gone_since = if gone {
                beat.gone_since.or(Some(boot))
            } else {
                None
            };
            let gone = |then: BootTime| boot.0.saturating_sub(then.0) >= GONE_MS;
            if beat.gone_since.is_some_and(gone) {
                Some("its process is gone")
            } else {
                beat.overdue(one.life, boot)
            }
        });
        if let Some(why) = why {
            end(app, one.task, Ending::Expired, &app.me.clone(), why).await?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// True while a task has missed what its life asks for and has not been ended for it yet.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn is_due(app: &App) -> Result<bool, Failure> {
    let watched = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::tasks::watched(conn, AT_ONCE)?))
        .await?;
    let boot = app.clock.boot();
    Ok(watched.iter().any(|one| {
        app.pulses
            .with(one.task, boot, |beat| beat.overdue(one.life, boot).is_some())
    }))
}

/// True when exactly this process does not run any more; a pid that came back is another process.
pub(super) fn is_gone(process: Process) -> bool {
    match (process.pid.try_into(), process.started.try_into()) {
        (Ok(pid), Ok(start_time)) => !ProcessId { pid, start_time }.is_alive(),
        // Not a process of this machine.
        _ => false,
    }
}
