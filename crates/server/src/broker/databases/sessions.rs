//! Sessions: for the house one per database and duty; one for each task, under its own role.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_broker::backend::postgresql::{self, Account, Rights, Session};
use remit_core::digest::Digest;
use remit_core::id::{LeaseId, TaskId};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_store::leases::Change;
use secrecy::SecretString;

use super::rights::Held;
use crate::app::{App, Failure};
use crate::broker::leases::{self, Plan};
use crate::broker::{Reach, renewal, vault};
use crate::config::Database;
use crate::engine::live::Live;

/// The backend's name in leases.
pub(crate) const POSTGRESQL: &str = "postgresql";

/// A role whose end is this near is not given another statement, in milliseconds: another role takes its place.
const AHEAD_MS: i64 = remit_core::limits::UPSTREAM_CALL_MS_MAX.cast_signed();

/// How long one that needs a role waits for its turn.
const TURN: Duration = Duration::from_secs(15);

/// Where one session is, or is being opened.
type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

/// A session of a task.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) session: Session,
    pub(crate) lease: Lease,
    held: Held,
}

/// What a session of the house is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Duty {
    /// It makes roles and removes them. One session, because its server does what it is asked in turn: a role whose making was
    /// given up is there, or is not, when its end is looked for. A session that takes its place ends it first.
    Make,
    /// It takes logins away and ends sessions: nothing that makes or removes roles is waited for.
    Cut,
}

impl Duty {
    /// What the session is called in the database: the same after a restart, so that an earlier one is found and ended.
    fn name(self, app: &App, database: &Name) -> String {
        let duty = match self {
            Self::Make => "make",
            Self::Cut => "cut",
        };
        // PostgreSQL keeps 63 bytes of it.
        let of: String = Digest::of(database.as_str().as_bytes())
            .to_string()
            .chars()
            .rev()
            .take(12)
            .collect();
        format!("{}{duty}_{of}", app.broker.role_prefix())
    }
}

/// The sessions of this process.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    house: Mutex<HashMap<(Name, Duty), Slot<Session>>>,
    tasks: Mutex<HashMap<(TaskId, Name), Slot<Open>>>,
}

impl Sessions {
    /// Drops the sessions of a task: what runs on them ends with them.
    pub(crate) fn forget_task(&self, task: TaskId) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|(of, _), _| *of != task);
    }

    /// Closes the session of one lease, after what runs on it.
    pub(crate) async fn forget_lease(&self, task: TaskId, lease: LeaseId) {
        let slots: Vec<Slot<Open>> = {
            let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            let of_task = tasks.iter().filter(|((of, _), _)| *of == task);
            of_task.map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            let mut open = slot.lock().await;
            if open.as_ref().is_some_and(|open| open.lease.id == lease) {
                *open = None;
            }
        }
    }

    pub(crate) fn of_task(&self, task: TaskId, database: &Name) -> Slot<Open> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tasks.entry((task, database.clone())).or_default())
    }

    /// The session of the house for one duty.
    pub(crate) fn of_house(&self, database: &Name, duty: Duty) -> Slot<Session> {
        let mut house = self.house.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(house.entry((database.clone(), duty)).or_default())
    }
}

/// A configured database.
pub(crate) fn configured<'a>(app: &'a App, database: &Name) -> Result<&'a Database, Failure> {
    app.config.databases.get(database.as_str()).ok_or_else(|| {
        Failure::Unavailable(format!("`[databases.{database}]` is not in remit.toml any more"))
    })
}

/// The account we sign in with ourselves.
async fn account(app: &Arc<App>, database: &Name, live: Option<&Arc<Live>>) -> Result<Account, Failure> {
    let configured = configured(app, database)?;
    let password = match &configured.secret {
        Some(secret) => Some(vault::value(app, &secret.parse().map_err(Failure::invalid)?, live).await?),
        None => None,
    };
    Ok(Account {
        place: configured.place(),
        database: configured.database.clone(),
        user: configured.user.clone(),
        password,
    })
}

/// The session of the house, opened where there is none. For a task that needs it the way is that task's, so nothing leaves
/// after its end.
pub(crate) async fn house<'h>(
    app: &Arc<App>,
    database: &Name,
    held: &'h mut Option<Session>,
    duty: Duty,
    live: Option<&Arc<Live>>,
) -> Result<&'h Session, Failure> {
    if held.as_ref().is_none_or(Session::is_closed) {
        *held = None;
        let reach = match live {
            Some(live) => Reach::of_task(app, database.as_str(), live)?,
            None => Reach::of_house(app, database.as_str())?,
        };
        let account = account(app, database, live).await?;
        let schema = &configured(app, database)?.schema;
        let session = postgresql::connect_house(&account, schema, &duty.name(app, database), &reach)
            .await
            .map_err(Failure::unavailable)?;
        *held = Some(session);
    }
    held.as_ref()
        .ok_or_else(|| Failure::Unavailable("the session is gone".to_owned()))
}

/// Makes sure `held` is a session that holds what the task holds now.
pub(crate) async fn task(
    app: &Arc<App>,
    live: &Arc<Live>,
    database: &Name,
    held: &mut Option<Open>,
) -> Result<(), Failure> {
    let wanted = Held::of(&live.snapshot().task.authority, database);
    if let Some(open) = held.as_ref() {
        // The task was renewed, and the role ends when the task would have.
        let ends = open.lease.expires_at;
        let due = open.lease.class != LeaseClass::R0
            && ends < live.snapshot().task.expires_at
            && ends.ms_since(app.clock.now()) < AHEAD_MS;
        if !open.session.is_closed() && open.held == wanted && !due {
            return Ok(());
        }
        let old = open.lease.clone();
        *held = None;
        let why = if due {
            "another one took its place"
        } else {
            "its session is gone, or the task holds other rights now"
        };
        let renewed = if due {
            renewal::decide(app, live, &old, None).await
        } else {
            Ok(())
        };
        end_early(app, old.id, why).await?;
        renewed.map_err(|refused| Failure::Conflict(refused.to_string()))?;
    }
    let configured = configured(app, database)?;
    *held = Some(if configured.roles {
        under_role(app, live, database, configured, wanted).await?
    } else {
        shared(app, live, database, configured, wanted).await?
    });
    Ok(())
}

/// A session whose lease has to go before the task does: the task was narrowed, or the session broke.
pub(crate) async fn end_early(app: &Arc<App>, lease: LeaseId, why: &str) -> Result<(), Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::get(conn, lease)?))
        .await?;
    let goes_on = |lease: &Lease| matches!(lease.state, LeaseState::Planned | LeaseState::Live);
    let Some(stored) = stored.filter(|stored| goes_on(&stored.value)) else {
        return Ok(());
    };
    let to = if stored.class == LeaseClass::R0 {
        LeaseState::Dead
    } else {
        LeaseState::Revoking
    };
    leases::step(app, &stored.value, to, Change::default(), why).await?;
    app.broker.work.notify_one();
    Ok(())
}

/// The one shared account: it never leaves us, and what it may do is what was decided about the statement.
async fn shared(
    app: &Arc<App>,
    live: &Arc<Live>,
    database: &Name,
    configured: &Database,
    held: Held,
) -> Result<Open, Failure> {
    let id = LeaseId::fresh(app.clock.now(), &*app.entropy)?;
    let plan = Plan {
        system: database.clone(),
        backend: POSTGRESQL.parse().map_err(Failure::unavailable)?,
        handle: format!("shared/{}", configured.user),
        class: LeaseClass::R0,
        expires_at: live.snapshot().task.expires_at,
        outlives_task: false,
    };
    let lease = leases::plan(app, live, id, plan).await?;
    let reach = Reach::of_task(app, database.as_str(), live)?;
    let account = account(app, database, Some(live)).await?;
    let session = postgresql::connect(&account, &configured.schema, &reach)
        .await
        .map_err(Failure::unavailable)?;
    Ok(Open { session, lease, held })
}

/// A role of its own: planned under its name, made, confirmed, and only then signed in with.
async fn under_role(
    app: &Arc<App>,
    live: &Arc<Live>,
    database: &Name,
    configured: &Database,
    held: Held,
) -> Result<Open, Failure> {
    let (lease, password) = issue(app, live, database, &held).await?;
    let account = Account {
        place: configured.place(),
        database: configured.database.clone(),
        user: lease.handle.clone(),
        password: Some(password),
    };
    let reach = Reach::of_task(app, database.as_str(), live)?;
    let session = postgresql::connect(&account, &configured.schema, &reach)
        .await
        .map_err(Failure::unavailable)?;
    Ok(Open { session, lease, held })
}

/// Issues a role to a task.
pub(crate) async fn issue(
    app: &Arc<App>,
    live: &Arc<Live>,
    database: &Name,
    held: &Held,
) -> Result<(Lease, SecretString), Failure> {
    let now = app.clock.now();
    let id = LeaseId::fresh(now, &*app.entropy)?;
    let _making = app.broker.making.enter(&app.broker.work, id);
    let plan = Plan {
        system: database.clone(),
        backend: POSTGRESQL.parse().map_err(Failure::unavailable)?,
        handle: app.broker.role_of(id),
        class: LeaseClass::R1,
        expires_at: live.snapshot().task.expires_at,
        outlives_task: false,
    };
    let mut lease = leases::plan(app, live, id, plan).await?;
    let password = app.broker.fresh_password(&*app.entropy)?;
    let made = async {
        // It takes milliseconds of a core: nobody waits for the session meanwhile.
        let of = password.clone();
        let verifier = tokio::task::spawn_blocking(move || postgresql::verifier(&of))
            .await
            .map_err(Failure::unavailable)?;
        let slot = app.broker.sessions.of_house(database, Duty::Make);
        let mut admin = tokio::time::timeout(TURN, slot.lock()).await.map_err(|_| {
            Failure::Unavailable(format!(
                "`{database}` has not made a role for this task within {} s: try again",
                TURN.as_secs()
            ))
        })?;
        let admin = house(app, database, &mut admin, Duty::Make, Some(live)).await?;
        if live.lifeline().state().is_some() {
            return Err(Failure::Conflict("the task is not open any more".to_owned()));
        }
        let rights = Rights {
            of: &|table| held.of_table(table),
        };
        postgresql::make(admin, &lease.handle, &verifier, lease.expires_at, &rights)
            .await
            .map_err(Failure::unavailable)
    };
    let made: Result<(), Failure> = made.await;
    if let Err(failure) = made {
        // It may exist all the same: what was asked for is taken back by its name.
        leases::step(
            app,
            &lease,
            LeaseState::Revoking,
            Change::default(),
            "it could not be made",
        )
        .await?;
        app.broker.work.notify_one();
        return Err(failure);
    }
    if !leases::confirm(app, &mut lease, Change::default(), None).await? {
        app.broker.work.notify_one();
        return Err(Failure::Conflict(
            "the role was taken back while it was made: its task ended, or may not have it any more"
                .to_owned(),
        ));
    }
    app.broker.remember(format!("lease/{}", lease.id), &password);
    Ok((lease, password))
}
