//! Links: one connection per (task, server, revision), or per (server, revision) where the server is declared shareable.
//!
//! Opening one is an act of the system: recorded before anything is resolved, started or dialled. Directly after it the
//! server's tools are read and compared with the registry, so that a changed tool is quarantined before it can be called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_enforce::{Act, Bounds, Lifeline, Permitted, System};
use remit_gateway::ports::{Era, Notice};
use remit_upstream::{Connection, ErrorKind, Introspection, OpenOptions, UpstreamError};
use tokio::sync::broadcast;

use super::cause::UnderWay;
use super::live::Live;
use super::record;
use crate::app::{App, Failure};
use crate::egress::way_out::{self, WayOut};
use crate::logins::{self, Whose};
use crate::registry::snapshot::ServerEntry;

/// How long a permit for an act of the system may be used, in milliseconds.
const ACT_MS: u64 = 24 * 60 * 60 * 1000;
/// Notices a slow listener may fall behind.
const NOTICE_BACKLOG: usize = 128;

/// How often a server that wants a token is asked before the way in is given up.
const LET_IN_TRIES: u32 = 3;

/// Which link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    task: Option<TaskId>,
    server: Name,
    era: Era,
    /// Whose login is presented.
    owner: Option<Name>,
}

/// A working connection with what its server offers.
#[derive(Debug)]
pub struct Link {
    /// The connection.
    pub connection: Connection,
    /// Concrete resources, as listed when the link was opened or last changed.
    pub resources: std::sync::RwLock<Arc<[Object]>>,
    /// What happens outside calls.
    pub notices: broadcast::Sender<Notice>,
    /// The calls under way at its server: what the server asks of the network is for one of them.
    pub under_way: Arc<UnderWay>,
    /// The only way out of its server, where there is one.
    _way_out: Option<WayOut>,
    /// The tokens it knows for scrubbing; others came into use when it differs from the login's.
    generation: u64,
}

/// Where one link is, or is being opened: whoever holds the lock opens it.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Link>>>>;

/// The links of this process.
#[derive(Debug, Default)]
pub struct Links {
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Links {
    /// Links of one task, to close them when it ends. Those that are still being opened close by their lifeline.
    pub fn take_task(&self, task: TaskId) -> Vec<Arc<Link>> {
        self.take(|key| key.task == Some(task))
    }

    /// Links of one server, whatever their task.
    pub fn take_server(&self, server: &Name) -> Vec<Arc<Link>> {
        self.take(|key| key.server == *server)
    }

    /// All links.
    pub fn take_all(&self) -> Vec<Arc<Link>> {
        self.take(|_| true)
    }

    /// Links of one task that are open now.
    #[must_use]
    pub fn of_task(&self, task: TaskId) -> Vec<Arc<Link>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = slots.iter().filter(|(key, _)| key.task == Some(task));
        mine.filter_map(|(_, slot)| slot.try_lock().ok().and_then(|link| link.clone()))
            .collect()
    }

    fn take(&self, which: impl Fn(&Key) -> bool) -> Vec<Arc<Link>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        slots.retain(|key, slot| {
            if which(key) {
                taken.extend(slot.try_lock().ok().and_then(|mut link| link.take()));
                return false;
            }
            true
        });
        taken
    }

    fn slot(&self, key: &Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key.clone()).or_default())
    }
}

/// For whom a link is.
#[derive(Clone, Debug)]
pub enum For<'l> {
    /// A live task.
    Task(&'l Live),
    /// The registry: to look at a server.
    Registry,
}

/// The link to `server`, opened when there is none.
///
/// # Errors
/// [`Failure::Unavailable`] with what the server or the way to it did.
pub async fn link(
    app: &Arc<App>,
    who: For<'_>,
    server: &Arc<ServerEntry>,
    era: Era,
) -> Result<Arc<Link>, Failure> {
    let task = match who {
        For::Task(live) if !server.server.shareable => Some(live.snapshot().task.id),
        For::Task(_) | For::Registry => None,
    };
    let login = login(app, &who, server).await?;
    let key = Key {
        task,
        server: server.server.name.clone(),
        era,
        owner: login.as_ref().map(|(whose, _)| whose.owner.clone()),
    };
    let generation = login.as_ref().map_or(0, |(_, slot)| slot.generation());
    let slot = app.links.slot(&key);
    let mut held = slot.lock().await;
    let good = |link: &&Arc<Link>| !link.connection.is_closed() && link.generation == generation;
    if let Some(link) = held.as_ref().filter(good) {
        return Ok(Arc::clone(link));
    }
    let (opened, seen) = let_in(app, &who, server, &key, login.as_ref().map(|(whose, _)| whose)).await?;
    *held = Some(Arc::clone(&opened));
    drop(held);
    crate::registry::observe::observe(app, &server.server.name, &seen).await?;
    Ok(opened)
}

/// The login that a link for `who` presents, with good tokens in it.
async fn login(
    app: &Arc<App>,
    who: &For<'_>,
    server: &ServerEntry,
) -> Result<Option<(Whose, Arc<logins::slot::Slot>)>, Failure> {
    let (person, live) = match who {
        For::Task(live) => (live.snapshot().task.initiator.clone(), Some(*live)),
        For::Registry => (
            logins::tokens::for_registry(app, &server.server.name).await?,
            None,
        ),
    };
    let Some(whose) = logins::whose(app, &server.server, &person) else {
        return Ok(None);
    };
    let slot = logins::tokens::ready(app, server, &whose, live).await?;
    Ok(Some((whose, slot)))
}

/// Opens a link; where the server refuses what is presented and other tokens can be got without a person, once more.
async fn let_in(
    app: &Arc<App>,
    who: &For<'_>,
    server: &Arc<ServerEntry>,
    key: &Key,
    whose: Option<&Whose>,
) -> Result<(Arc<Link>, Introspection), Failure> {
    let mut tries = 0;
    loop {
        let refusal = match open(app, who, server, key, whose).await {
            Err(NotOpened::Upstream(error)) => error,
            Err(NotOpened::Here(failure)) => return Err(failure),
            Ok(opened) => return Ok(opened),
        };
        let unauthorized = matches!(refusal.kind, ErrorKind::Refused(401 | 403));
        tries += 1;
        let Some(whose) = whose.filter(|_| unauthorized && tries < LET_IN_TRIES) else {
            return Err(Failure::unavailable(refusal));
        };
        let live = match who {
            For::Task(live) => Some(*live),
            For::Registry => None,
        };
        logins::tokens::refused(app, server, whose, live).await?;
    }
}

/// Why a link was not opened.
enum NotOpened {
    /// The server, or the way to it.
    Upstream(UpstreamError),
    /// Something of ours.
    Here(Failure),
}

impl From<Failure> for NotOpened {
    fn from(failure: Failure) -> Self {
        Self::Here(failure)
    }
}

impl From<UpstreamError> for NotOpened {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

/// Opens a connection and reads what the server offers.
async fn open(
    app: &Arc<App>,
    who: &For<'_>,
    server: &Arc<ServerEntry>,
    key: &Key,
    whose: Option<&Whose>,
) -> Result<(Arc<Link>, Introspection), NotOpened> {
    let login = whose.map(|whose| app.logins.slot(whose));
    let generation = login.as_ref().map_or(0, |slot| slot.generation());
    let lifeline = match who {
        For::Task(live) if key.task.is_some() => live.lifeline(),
        For::Task(_) | For::Registry => app.life.line(),
    };
    let mut spec = crate::registry::servers::spec_of(app, &server.server)?;
    crate::registry::servers::expect_identity(app, server, &spec).await?;
    let environment = crate::registry::servers::environment(app)?;
    let features = match who {
        For::Task(live) => live
            .snapshot()
            .task
            .authority
            .client_features
            .iter()
            .copied()
            .collect(),
        For::Registry => Vec::new(),
    };
    let under_way = Arc::new(UnderWay::default());
    let (kept_open, way_out) = if server.contained {
        let (kept_open, sender) = way_out::open(app, who, server, &under_way, &mut spec)?;
        (Some(kept_open), Some(sender))
    } else {
        (None, None)
    };
    let options = OpenOptions {
        way_out,
        prefer: upstream_era(key.era),
        elicitation_url: !features.is_empty(),
        features,
        credential: login.map(|slot| slot.credential.clone()).unwrap_or_default(),
    };
    let permit = act(app, who, key, Act::Connect, lifeline.clone()).await?;
    let (connection, notices) = Connection::open(permit, &spec, options, &environment).await?;
    attested(app, who, key, &connection).await?;
    let permit = act(app, who, key, Act::Introspect, lifeline).await?;
    let seen = connection.introspect(permit).await?;
    let link = Arc::new(Link {
        connection,
        resources: std::sync::RwLock::new(seen.resources.clone().into()),
        notices: broadcast::channel(NOTICE_BACKLOG).0,
        under_way,
        _way_out: kept_open,
        generation,
    });
    tokio::spawn(follow(
        Arc::clone(app),
        server.server.name.clone(),
        key.clone(),
        Arc::downgrade(&link),
        notices,
    ));
    Ok((link, seen))
}

/// Records how a server we started is shut in, as its launcher attested it.
async fn attested(app: &Arc<App>, who: &For<'_>, key: &Key, connection: &Connection) -> Result<(), Failure> {
    let Some(confinement) = connection.confinement() else {
        return Ok(());
    };
    let mut record = match who {
        For::Task(live) => record::of_live("server.started", live),
        For::Registry => record::of("server.started"),
    };
    record.detail.insert("server", key.server.as_str());
    record.detail.insert("shut_in", confinement.word());
    record.detail.insert("contained", confinement.way_out);
    if !confinement.gaps.is_empty() {
        let gaps = confinement.gaps.iter().map(|gap| Value::from(gap.as_str()));
        record.detail.insert("gaps", gaps.collect::<Vec<_>>());
    }
    app.store.append(record, |_| Ok(())).await?;
    Ok(())
}

/// Records an act of the system and makes its permit.
async fn act(
    app: &Arc<App>,
    who: &For<'_>,
    key: &Key,
    act: Act,
    lifeline: Lifeline,
) -> Result<Permitted<System>, Failure> {
    let mut record = match who {
        For::Task(live) => record::of_live(act.record_kind(), live),
        For::Registry => record::of(act.record_kind()),
    };
    record.detail.insert("server", key.server.as_str());
    let expected = match who {
        For::Task(live) => {
            let snapshot = live.snapshot();
            Some((snapshot.task.id, snapshot.task.version))
        }
        For::Registry => None,
    };
    let (receipt, ()) = app
        .store
        .append(record, move |tx| {
            expected.map_or(Ok(()), |(task, version)| tx.expect_task(task, version))
        })
        .await?;
    let bounds = Bounds {
        deadline: app.clock.boot().plus_ms(ACT_MS),
        lifeline,
    };
    let system = System {
        act,
        server: key.server.clone(),
        task: key.task,
    };
    app.mint
        .system(system, &receipt, bounds)
        .map_err(Failure::unavailable)
}

/// Follows what happens outside calls until the connection closes: a changed list is read again and compared before
/// anybody hears of it.
async fn follow(
    app: Arc<App>,
    server: Name,
    key: Key,
    link: std::sync::Weak<Link>,
    mut notices: remit_upstream::Notices,
) {
    use remit_upstream::Notice as Said;
    while let Some(said) = notices.next().await {
        let Some(link) = link.upgrade() else { break };
        let notice = match said {
            Said::ToolsChanged => Notice::ToolsChanged,
            Said::PromptsChanged => Notice::PromptsChanged,
            Said::ResourcesChanged => Notice::ResourcesChanged,
            Said::ResourceUpdated(uri) => Notice::ResourceUpdated(uri),
            Said::Log(params) => Notice::Log(params),
        };
        let changed = matches!(
            notice,
            Notice::ToolsChanged | Notice::PromptsChanged | Notice::ResourcesChanged
        );
        if changed && let Err(failure) = look_again(&app, &server, &key, &link).await {
            tracing::warn!(server = %server, %failure, "a changed list could not be read again");
            continue;
        }
        // Nobody listening is not an error.
        let _ = link.notices.send(notice);
    }
}

async fn look_again(app: &Arc<App>, server: &Name, key: &Key, link: &Arc<Link>) -> Result<(), Failure> {
    let live = key.task.and_then(|task| app.live.by_task(task));
    let who = live.as_deref().map_or(For::Registry, For::Task);
    let lifeline = live.as_deref().map_or_else(|| app.life.line(), Live::lifeline);
    let permit = act(app, &who, key, Act::Introspect, lifeline).await?;
    let seen = link
        .connection
        .introspect(permit)
        .await
        .map_err(Failure::unavailable)?;
    *link.resources.write().unwrap_or_else(PoisonError::into_inner) = seen.resources.clone().into();
    crate::registry::observe::observe(app, server, &seen).await?;
    Ok(())
}

/// The same revision, as the dialler calls it.
#[must_use]
pub const fn upstream_era(era: Era) -> remit_upstream::Era {
    match era {
        Era::Legacy => remit_upstream::Era::Legacy,
        Era::Modern => remit_upstream::Era::Modern,
    }
}

/// What a freshly opened registry link shows, read once more for the person who adds the server.
///
/// # Errors
/// [`Failure::Unavailable`] when the server does not answer.
pub async fn introspect_for_registry(
    app: &Arc<App>,
    link: &Arc<Link>,
    server: &Name,
) -> Result<Introspection, Failure> {
    let key = Key {
        task: None,
        server: server.clone(),
        era: Era::Modern,
        owner: None,
    };
    let permit = act(app, &For::Registry, &key, Act::Introspect, app.life.line()).await?;
    link.connection
        .introspect(permit)
        .await
        .map_err(Failure::unavailable)
}
