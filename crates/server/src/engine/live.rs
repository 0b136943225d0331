//! Live tasks: the in-memory cache of versioned rows, found by token.
//!
//! What is cached here only makes decisions quick; whether it still holds is an expectation of each append.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwap;
use remit_core::confinement::{BoundKey, Proof};
use remit_core::digest::Digest;
use remit_core::id::{CallId, RunId, TaskId};
use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::task::{Run, Task, TaskState};
use remit_core::time::BootTime;
use remit_enforce::{Cut, Lifeline, LifelineHolder};
use remit_gateway::ports::{Catalog, Endpoint};
use remit_policy::Principal;
use remit_store::Epochs;
use remit_store::runs::{Process, StoredRun};
use tokio::sync::OnceCell;

use super::origin::Attempts;
use super::uses::Uses;

/// Live tasks kept at most; the one idle longest goes first.
pub const LIVE_TASKS_MAX: usize = 20_000;

/// A task with its run, as decisions need it.
#[derive(Debug)]
pub struct Live {
    token: Mutex<Digest>,
    run: RwLock<Arc<Run>>,
    standing: RwLock<Arc<Standing>>,
    /// Agents from the root of the delegation chain down to this one.
    pub chain: Vec<Name>,
    /// Templates of this task and of its ancestors.
    pub templates: Vec<Name>,
    snapshot: ArcSwap<Snapshot>,
    life: Mutex<LifelineHolder>,
    line: RwLock<Lifeline>,
    /// What the task called so far, and what its agent has used before; read with the first call.
    pub uses: OnceCell<Uses>,
    /// Denials since the last call that was not denied.
    pub denials_in_a_row: AtomicU64,
    /// A call of this task may wait for a login, or have been made after one; not known to be otherwise yet.
    pub waited_for_login: AtomicBool,
    used_at: AtomicU64,
    /// What a repeated call would be compared with.
    pub attempts: Attempts,
    handed_over: Mutex<HashSet<CallId>>,
    shown: Mutex<Shown>,
}

/// What a run's calls must prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How they must prove it.
    pub proof: Proof,
    /// The key they must prove.
    pub key: Option<BoundKey>,
    /// The process they must come from.
    pub process: Option<Process>,
}

impl Standing {
    fn of(stored: &StoredRun) -> Self {
        Self {
            proof: stored.proof,
            key: stored.key.clone(),
            process: stored.process,
        }
    }
}

/// What lists were last made of.
#[derive(Debug, Default)]
struct Shown {
    resources: HashMap<Name, Arc<[Object]>>,
    catalogs: HashMap<Endpoint, (Epochs, i64, Arc<Catalog>)>,
}

/// The task as it stood at one version, with the entities policy reads.
#[derive(Debug)]
pub struct Snapshot {
    /// The task.
    pub task: Arc<Task>,
    /// The tasks it was delegated from, nearest first; their budgets are its own too.
    pub above: Arc<[Arc<Task>]>,
    /// The run, agent, initiator and task as policy reads them; built under these epochs.
    pub principal: Arc<Principal>,
    /// The epochs the principal was built under.
    pub epochs: Epochs,
}

impl Snapshot {
    /// The task and those above it, itself first.
    pub fn line(&self) -> impl Iterator<Item = &Arc<Task>> {
        std::iter::once(&self.task).chain(self.above.iter())
    }
}

impl Live {
    /// A live task from what is stored.
    #[must_use]
    pub fn new(stored: &StoredRun, chain: Vec<Name>, templates: Vec<Name>, snapshot: Snapshot) -> Self {
        let (life, line) = LifelineHolder::new();
        if snapshot.task.state == TaskState::Suspended {
            life.cut(Cut::Suspended);
        }
        Self {
            token: Mutex::new(stored.token),
            run: RwLock::new(Arc::new(stored.run.clone())),
            standing: RwLock::new(Arc::new(Standing::of(stored))),
            chain,
            templates,
            snapshot: ArcSwap::from_pointee(snapshot),
            life: Mutex::new(life),
            line: RwLock::new(line),
            uses: OnceCell::new(),
            denials_in_a_row: AtomicU64::new(0),
            waited_for_login: AtomicBool::new(true),
            used_at: AtomicU64::new(0),
            attempts: Attempts::default(),
            handed_over: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// Digest of the token.
    #[must_use]
    pub fn token(&self) -> Digest {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> Arc<Run> {
        Arc::clone(&self.run.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the run: its confinement, its process or its key was attested.
    pub fn attested(&self, stored: &StoredRun) {
        *self.run.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stored.run.clone());
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Standing::of(stored));
    }

    /// What its calls must prove.
    #[must_use]
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The task as last read.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a newer version in; a task that is open again gets a new lifeline, one that is not loses its own.
    pub fn refresh(&self, snapshot: Snapshot) {
        let state = snapshot.task.state;
        self.snapshot.store(Arc::new(snapshot));
        let mut life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            TaskState::Open if life.line().state() == Some(Cut::Suspended) => {
                let (holder, line) = LifelineHolder::new();
                *life = holder;
                *self.line.write().unwrap_or_else(PoisonError::into_inner) = line;
            }
            TaskState::Open => {}
            TaskState::Suspended => life.cut(Cut::Suspended),
            TaskState::Ended(_) => life.cut(Cut::Ended),
        }
    }

    /// Cuts everything under way, at once.
    pub fn cut(&self, why: Cut) {
        self.life.lock().unwrap_or_else(PoisonError::into_inner).cut(why);
    }

    /// What goes when the authority goes.
    #[must_use]
    pub fn lifeline(&self) -> Lifeline {
        self.line.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers that the result of an approved call reached the agent: the identical call is a new one from now on.
    /// True the first time.
    pub fn hand_over(&self, call: CallId) -> bool {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(call)
    }

    /// True when the result of an approved call has reached the agent.
    #[must_use]
    pub fn was_handed_over(&self, call: CallId) -> bool {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&call)
    }

    /// Remembers the concrete resources a server listed; lists made before are made again.
    pub fn remember_resources(&self, server: &Name, resources: Arc<[Object]>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.resources.get(server) != Some(&resources) {
            shown.resources.insert(server.clone(), resources);
            shown.catalogs.clear();
        }
    }

    /// The concrete resources a server listed last.
    #[must_use]
    pub fn resources_of(&self, server: &Name) -> Arc<[Object]> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.resources.get(server).cloned().unwrap_or_default()
    }

    /// The list made for an endpoint, if nothing it was made of has changed.
    #[must_use]
    pub fn kept_catalog(&self, endpoint: &Endpoint, epochs: Epochs, version: i64) -> Option<Arc<Catalog>> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, at, catalog) = shown.catalogs.get(endpoint)?;
        (*of == epochs && *at == version).then(|| Arc::clone(catalog))
    }

    /// Keeps a list for an endpoint.
    pub fn keep_catalog(&self, endpoint: Endpoint, epochs: Epochs, version: i64, catalog: Arc<Catalog>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.catalogs.insert(endpoint, (epochs, version, catalog));
    }

    /// Remembers that it was used.
    pub fn touch(&self, now: BootTime) {
        self.used_at.store(now.0, Ordering::Relaxed);
    }
}

/// The live tasks of this process.
#[derive(Debug, Default)]
pub struct LiveTasks {
    inner: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    by_token: HashMap<Digest, Arc<Live>>,
    by_task: HashMap<TaskId, Arc<Live>>,
    by_run: HashMap<RunId, TaskId>,
}

impl LiveTasks {
    /// The live task of a token digest.
    #[must_use]
    pub fn by_token(&self, token: Digest) -> Option<Arc<Live>> {
        self.read(|maps| maps.by_token.get(&token).cloned())
    }

    /// The live task of an id.
    #[must_use]
    pub fn by_task(&self, task: TaskId) -> Option<Arc<Live>> {
        self.read(|maps| maps.by_task.get(&task).cloned())
    }

    /// The task whose authority a run holds.
    #[must_use]
    pub fn task_of_run(&self, run: RunId) -> Option<TaskId> {
        self.read(|maps| maps.by_run.get(&run).copied())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Live>> {
        self.read(|maps| maps.by_task.values().cloned().collect())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(|maps| maps.by_task.len())
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds one; when two readers load the same task, the first one stays.
    pub fn insert(&self, live: Arc<Live>) -> Arc<Live> {
        let mut maps = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let task = live.snapshot().task.id;
        if let Some(first) = maps.by_task.get(&task) {
            return Arc::clone(first);
        }
        if maps.by_task.len() >= LIVE_TASKS_MAX {
            maps.evict_idle();
        }
        maps.by_token.insert(live.token(), Arc::clone(&live));
        maps.by_run.insert(live.run().id, task);
        maps.by_task.insert(task, Arc::clone(&live));
        live
    }

    /// The run of a task has another token: the one before finds nothing any more.
    pub fn hand_over(&self, task: TaskId, token: Digest) {
        let mut maps = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let Some(live) = maps.by_task.get(&task).cloned() else {
            return;
        };
        maps.by_token.remove(&live.token());
        *live.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
        maps.by_token.insert(token, live);
    }

    /// Takes one out.
    pub fn remove(&self, task: TaskId) {
        let mut maps = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        maps.remove(task);
    }

    fn read<T>(&self, look: impl FnOnce(&Maps) -> T) -> T {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Maps {
    fn remove(&mut self, task: TaskId) {
        if let Some(live) = self.by_task.remove(&task) {
            self.by_token.remove(&live.token());
            self.by_run.remove(&live.run().id);
        }
    }

    /// Drops a tenth of those nobody else holds, idle longest first: they are read again when they are used.
    fn evict_idle(&mut self) {
        let mut idle: Vec<(u64, TaskId)> = self
            .by_task
            .iter()
            .filter(|(_, live)| Arc::strong_count(live) <= 2)
            .map(|(task, live)| (live.used_at.load(Ordering::Relaxed), *task))
            .collect();
        idle.sort_unstable();
        for (_, task) in idle.into_iter().take(LIVE_TASKS_MAX / 10) {
            self.remove(task);
        }
    }
}
