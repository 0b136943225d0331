//! All sessions of legacy clients: found by id for their run alone, bounded, dropped when idle.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::entropy::{Entropy, NoEntropy};
use remit_core::limits::{SESSION_IDLE_MS_MAX, SESSIONS_MAX, SESSIONS_PER_RUN_MAX};
use remit_core::name::Name;
use remit_core::time::{BootTime, Clock};

use crate::config::GatewayConfig;
use crate::mcp::client::Client;
use crate::ports::{Endpoint, Session};

use super::session::LegacySession;

/// A session that is over, with what its client was still subscribed to.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Whose it was.
    pub owner: Session,
    /// Subscriptions to end.
    pub subscriptions: Vec<(Name, String)>,
}

/// The sessions.
pub(crate) struct Sessions {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    by_id: Mutex<HashMap<String, Arc<LegacySession>>>,
}

impl Sessions {
    /// No sessions.
    pub(crate) fn new(config: &GatewayConfig) -> Self {
        Self {
            clock: Arc::clone(&config.clock),
            entropy: Arc::clone(&config.entropy),
            by_id: Mutex::default(),
        }
    }

    /// Opens a session; gives those that had to go for it.
    ///
    /// # Errors
    /// [`NoEntropy`].
    pub(crate) fn open(
        &self,
        owner: Session,
        endpoint: Endpoint,
        version: &'static str,
        declared: Client,
    ) -> Result<(Arc<LegacySession>, Vec<Closed>), NoEntropy> {
        let mut random = [0_u8; 24];
        self.entropy.fill(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let now = self.clock.boot();
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closed = sweep(&mut by_id, now);
        let mine = by_id.values().filter(|s| s.owner.run == owner.run).count();
        if mine >= SESSIONS_PER_RUN_MAX {
            closed.extend(drop_oldest(&mut by_id, |s| s.owner.run == owner.run));
        }
        if by_id.len() >= SESSIONS_MAX {
            closed.extend(drop_oldest(&mut by_id, |_| true));
        }
        let session = Arc::new(LegacySession::new(
            id.clone(),
            owner,
            endpoint,
            version,
            declared,
            now,
        ));
        by_id.insert(id, Arc::clone(&session));
        Ok((session, closed))
    }

    /// The session `id` of the run behind `owner` at `endpoint`; a stranger's session does not exist for it.
    pub(crate) fn find(&self, id: &str, owner: &Session, endpoint: &Endpoint) -> Option<Arc<LegacySession>> {
        let now = self.clock.boot();
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let session = by_id.get(id)?;
        if session.owner.run != owner.run || session.endpoint != *endpoint || idle(session, now) {
            return None;
        }
        session.touch(now);
        Some(Arc::clone(session))
    }

    /// Keeps a session from becoming idle.
    pub(crate) fn touch(&self, session: &LegacySession) {
        session.touch(self.clock.boot());
    }

    /// Ends a session.
    pub(crate) fn close(&self, session: &LegacySession) -> Closed {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.remove(&session.id);
        shut(session)
    }
}

fn idle(session: &LegacySession, now: BootTime) -> bool {
    session.used().plus_ms(SESSION_IDLE_MS_MAX) <= now
}

fn shut(session: &LegacySession) -> Closed {
    Closed {
        owner: session.owner.clone(),
        subscriptions: session.close(),
    }
}

fn sweep(by_id: &mut HashMap<String, Arc<LegacySession>>, now: BootTime) -> Vec<Closed> {
    let mut closed = Vec::new();
    by_id.retain(|_, session| {
        let keep = !idle(session, now);
        if !keep {
            closed.push(shut(session));
        }
        keep
    });
    closed
}

fn drop_oldest(
    by_id: &mut HashMap<String, Arc<LegacySession>>,
    eligible: impl Fn(&LegacySession) -> bool,
) -> Option<Closed> {
    let oldest = by_id
        .values()
        .filter(|session| eligible(session))
        .min_by_key(|session| session.used())
        .cloned()?;
    by_id.remove(&oldest.id);
    Some(shut(&oldest))
}
