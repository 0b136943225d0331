//! Who ends what, and when again. Each backend of each system has a lane of its own with one worker at a time: one that hangs
//! keeps its own worker busy and nobody else's. A lane that failed as a whole waits a little, a lease that failed longer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_core::id::LeaseId;
use remit_core::name::Name;
use remit_core::time::BootTime;

use crate::app::App;

/// The first wait after something failed, in milliseconds; each next one is twice as long, up to the longest.
const WAIT_MS: u64 = 250;
/// Longest wait between two tries of one lease.
const LEASE_WAIT_MS_MAX: u64 = 60_000;
/// Longest wait of a whole lane: one attempt costs little, and what is back is used at once.
const LANE_WAIT_MS_MAX: u64 = 4_000;

/// One kind of work at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    /// Logins of a database are taken away and its sessions ended. On its own, because it is quick and closes the door.
    Cut(Name),
    /// Credentials of a backend and system are ended and looked for.
    End(Name, Name),
    /// Credentials that no lease knows are looked for, under the name they are configured by.
    Orphans(Name),
}

/// All lanes of this process, and what is known of the leases in them.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    lanes: HashMap<Lane, Standing>,
    leases: HashMap<LeaseId, Tried>,
    /// Roles that cannot sign in any more and have no session.
    cut: HashSet<LeaseId>,
    /// What has yet to be searched for credentials that no lease knows.
    unsearched: HashSet<Name>,
}

#[derive(Debug, Default)]
struct Standing {
    busy: bool,
    again: bool,
    failures: u32,
    next: BootTime,
}

#[derive(Debug)]
struct Tried {
    times: u32,
    next: BootTime,
}

impl Lanes {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when the lease may be tried now.
    pub(super) fn is_due(&self, lease: LeaseId, now: BootTime) -> bool {
        self.known()
            .leases
            .get(&lease)
            .is_none_or(|tried| tried.next <= now)
    }

    /// One more try in vain. Waits twice as long as the last time; where the whole lane failed, no longer than that does.
    pub(super) fn later(&self, lease: LeaseId, now: BootTime, whole_lane: bool) -> u32 {
        let mut known = self.known();
        let tried = known.leases.entry(lease).or_insert(Tried { times: 0, next: now });
        tried.times = tried.times.saturating_add(1);
        let most = if whole_lane {
            LANE_WAIT_MS_MAX
        } else {
            LEASE_WAIT_MS_MAX
        };
        tried.next = now.plus_ms(wait_ms(tried.times, most));
        tried.times
    }

    /// How often it was tried in vain.
    pub(super) fn tries(&self, lease: LeaseId) -> u32 {
        self.known().leases.get(&lease).map_or(0, |tried| tried.times)
    }

    /// It is over.
    pub(super) fn done(&self, lease: LeaseId) {
        let mut known = self.known();
        known.leases.remove(&lease);
        known.cut.remove(&lease);
    }

    /// The role cannot sign in any more: it can be removed, at once.
    pub(super) fn was_cut(&self, lease: LeaseId, now: BootTime) {
        let mut known = self.known();
        known.cut.insert(lease);
        if let Some(tried) = known.leases.get_mut(&lease) {
            tried.next = now;
        }
    }

    pub(super) fn is_cut(&self, lease: LeaseId) -> bool {
        self.known().cut.contains(&lease)
    }

    /// Has these searched.
    pub(super) fn search(&self, names: impl IntoIterator<Item = Name>) {
        self.known().unsearched.extend(names);
    }

    pub(super) fn unsearched(&self) -> Vec<Name> {
        self.known().unsearched.iter().cloned().collect()
    }

    pub(super) fn searched(&self, name: &Name) {
        self.known().unsearched.remove(name);
    }

    /// Makes the caller the worker of a lane. `None` while it has one, who then looks once more, or waits after a failure.
    pub(super) fn enter(app: &Arc<App>, lane: Lane) -> Option<Worker> {
        let now = app.clock.boot();
        let mut known = app.broker.lanes.known();
        let standing = known.lanes.entry(lane.clone()).or_default();
        if standing.busy {
            standing.again = true;
            return None;
        }
        if standing.next > now {
            return None;
        }
        standing.busy = true;
        standing.again = false;
        drop(known);
        Some(Worker {
            app: Arc::clone(app),
            lane,
        })
    }
}

fn wait_ms(times: u32, most: u64) -> u64 {
    WAIT_MS
        .saturating_mul(1 << times.saturating_sub(1).min(16))
        .min(most)
}

/// The one worker of a lane, until it is dropped.
pub(super) struct Worker {
    pub(super) app: Arc<App>,
    pub(super) lane: Lane,
}

impl Worker {
    /// The lane works, or failed as a whole; answers how often in a row it did.
    pub(super) fn found(&self, failed: bool) -> u32 {
        let now = self.app.clock.boot();
        let mut known = self.app.broker.lanes.known();
        let standing = known.lanes.entry(self.lane.clone()).or_default();
        if failed {
            standing.failures = standing.failures.saturating_add(1);
            standing.next = now.plus_ms(wait_ms(standing.failures, LANE_WAIT_MS_MAX));
        } else {
            standing.failures = 0;
        }
        standing.failures
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut known = self.app.broker.lanes.known();
        let again = known.lanes.get_mut(&self.lane).is_some_and(|standing| {
            standing.busy = false;
            standing.again
        });
        drop(known);
        // Something came while it worked.
        if again {
            self.app.broker.work.notify_one();
        }
    }
}
