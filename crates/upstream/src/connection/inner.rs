//! What is behind a connection: the same without permits, so that it can be tested.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_core::call::{Call, Operation};
use remit_core::json::Object;
use remit_core::limits::UPSTREAM_CALL_MS_MAX;
use remit_core::name::Name;
use remit_core::time::Clock;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::answer::Answering;
use crate::environment::Environment;
use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::event::{Reply, RpcError, UpstreamEvent};
use crate::http::leg::HttpLeg;
use crate::leg::Leg;
use crate::negotiate::{Agreed, Negotiation};
use crate::notices::{Board, Notices};
use crate::options::{CallOptions, Era, OpenOptions};
use crate::spec::{ServerSpec, Transport};
use crate::stdio::leg::StdioLeg;
use crate::subscription;
use crate::wire::Failure;
use crate::wire::gate::{Gate, Terms};
use crate::wire::request::{self, Outgoing, Voice};
use crate::wire::router::{Open, Router};

/// How long setting the log level may take.
const LEVEL: Duration = Duration::from_secs(5);
/// How long a modern server may take to confirm that it tells about changes.
const LISTENING: Duration = Duration::from_secs(1);

/// One connection.
pub(crate) struct Inner {
    pub(crate) server: Name,
    pub(crate) leg: Leg,
    pub(crate) router: Arc<Router>,
    pub(crate) agreed: Agreed,
    environment: Environment,
    options: OpenOptions,
    /// The level a legacy server was told; only one call may change it at a time.
    level: tokio::sync::Mutex<Option<String>>,
    /// Held while a lost session is opened anew.
    reopening: tokio::sync::Mutex<()>,
    background: Mutex<Vec<AbortHandle>>,
}

impl Inner {
    /// Starts or connects to the server, agrees on a revision, and listens from then on.
    pub(super) async fn open(
        terms: &Terms,
        spec: &ServerSpec,
        options: OpenOptions,
        environment: &Environment,
    ) -> Result<(Arc<Self>, Notices), Failure> {
        let board = Arc::new(Board::default());
        let router = Arc::new(Router::new(
            environment.scrubber.clone(),
            board.clone(),
            spec.shareable,
        ));
        let answering = Answering {
            clock: environment.clock.clone(),
            server: spec.name.clone(),
        };
        // Nothing is started or looked up for a permit that is not fresh.
        let gate = terms.gate(Duration::MAX);
        gate.check()?;
        let leg = match &spec.transport {
            Transport::Stdio(stdio) => {
                let start = StdioLeg::start(stdio, environment, &options, router.clone(), answering);
                Leg::Stdio(gate.run(start).await?)
            }
            Transport::Http(http) => Leg::Http(HttpLeg::new(
                http,
                environment,
                router.clone(),
                answering,
                options.credential.clone(),
            )?),
        };
        let negotiation = Negotiation {
            leg: &leg,
            router: &router,
            options: &options,
            terms,
        };
        let agreed = match negotiation.agree().await {
            Ok(agreed) => agreed,
            Err(failure) => {
                leg.close().await;
                return Err(failure);
            }
        };
        let inner = Arc::new(Self {
            server: spec.name.clone(),
            leg,
            router,
            agreed,
            environment: environment.clone(),
            options,
            level: tokio::sync::Mutex::default(),
            reopening: tokio::sync::Mutex::default(),
            background: Mutex::default(),
        });
        inner.watch(&terms.lasting(), board.clone()).await;
        Ok((inner, Notices::new(board)))
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.environment.clock
    }

    /// The failure as callers see it.
    pub(super) fn error(&self, failure: Failure) -> UpstreamError {
        failure.at(&self.server, &self.router.scrubber)
    }

    /// Ends the connection with the authority, and listens for changes where a modern server has to be asked to tell.
    async fn watch(&self, terms: &Terms, board: Arc<Board>) {
        let (leg, until) = (self.leg.clone(), terms.clone());
        self.in_background(async move {
            tokio::select! {
                () = until.over() => leg.close().await,
                _ = leg.life().over() => {}
            }
            board.close();
        });
        if let Some((listening, acknowledged)) = subscription::changes(self, terms.clone()) {
            self.in_background(listening);
            // What is read from now on must not change unheard. A server that does not confirm is not waited for long.
            drop(tokio::time::timeout(LISTENING, acknowledged).await);
        }
    }

    fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(work).abort_handle();
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handle);
    }

    pub(crate) async fn call(
        &self,
        call: &Call,
        terms: &Terms,
        options: &CallOptions,
        events: mpsc::Sender<UpstreamEvent>,
    ) -> Result<Reply, Failure> {
        let voice = Voice {
            era: self.agreed.era,
            features: &options.features,
            elicitation_url: options.elicitation_url,
            log_level: options.log_level.as_deref(),
            progress: options.wants_progress,
            decision: terms.decision,
        };
        if options.continuation.is_some() && voice.era == Era::Legacy {
            let why = "a further round, in the revision it speaks";
            return Err(Failure::new(ErrorKind::NotOffered, Sent::No, why));
        }
        let timeout = options.timeout.min(Duration::from_millis(UPSTREAM_CALL_MS_MAX));
        let gate = terms.gate(timeout).for_caller(events.clone());
        self.set_level(voice.log_level, terms).await?;
        let make = |id| {
            let mut outgoing = request::call(id, call, options.continuation.as_ref(), voice)
                .map_err(|why| Failure::new(ErrorKind::WrongPermit, Sent::No, why))?;
            outgoing.mirrored = request::mirrored(&options.mirrored, &call.arguments);
            Ok(outgoing)
        };
        let open = || Open {
            events: Some(events.clone()),
            features: options.features.clone(),
            logs: options.log_level.is_some(),
            ..Open::default()
        };
        // A server that lost its session says so before it looks at the call; yet only what changes nothing goes twice.
        let again = !matches!(call.operation, Operation::CallTool(_));
        let mut reply = self.ask(make, open, &gate, terms, again).await?;
        match &mut reply {
            Reply::Result(result) => self.router.scrubber.object(result),
            Reply::Error(error) => self.scrub_error(error),
        }
        Ok(reply)
    }

    pub(crate) fn scrub_error(&self, error: &mut RpcError) {
        error.message = self.router.scrubber.text(&error.message).into_owned();
        if let Some(data) = &mut error.data {
            self.router.scrubber.value(data);
        }
    }

    /// Sends a request; when the server has lost the session, opens it anew and, if `again`, sends the request once more.
    pub(crate) async fn ask(
        &self,
        make: impl Fn(u64) -> Result<Outgoing, Failure>,
        open: impl Fn() -> Open,
        gate: &Gate,
        terms: &Terms,
        again: bool,
    ) -> Result<Reply, Failure> {
        let generation = match &self.leg {
            Leg::Http(leg) => leg.session().generation,
            Leg::Stdio(_) => 0,
        };
        let outgoing = make(self.router.next_id())?;
        match self.leg.exchange(outgoing, open(), gate).await {
            Err(lost) if lost.kind == ErrorKind::SessionLost => {
                self.reopen(generation, terms).await?;
                if !again {
                    return Err(lost);
                }
            }
            done => return done,
        }
        let outgoing = make(self.router.next_id())?;
        self.leg.exchange(outgoing, open(), gate).await
    }

    async fn reopen(&self, generation: u64, terms: &Terms) -> Result<(), Failure> {
        let _one_at_a_time = self.reopening.lock().await;
        let Leg::Http(leg) = &self.leg else { return Ok(()) };
        if leg.session().generation != generation {
            return Ok(());
        }
        leg.forget_session();
        *self.level.lock().await = None;
        let negotiation = Negotiation {
            leg: &self.leg,
            router: &self.router,
            options: &self.options,
            terms,
        };
        // The request that met the loss was not taken, whatever becomes of the new session.
        negotiation.again().await.map_err(|e| Failure {
            kind: ErrorKind::SessionLost,
            sent: Sent::Yes,
            detail: format!("and no new one could be opened: {}", e.explain()),
        })?;
        subscription::renew(self, &terms.lasting()).await;
        Ok(())
    }

    /// Tells a legacy server which log messages are wanted; a modern one is told with each call.
    async fn set_level(&self, level: Option<&str>, terms: &Terms) -> Result<(), Failure> {
        let Some(level) = level else { return Ok(()) };
        if self.agreed.era == Era::Modern || !self.agreed.capabilities.contains_key("logging") {
            return Ok(());
        }
        let mut told = self.level.lock().await;
        if told.as_deref() == Some(level) {
            return Ok(());
        }
        let params: Object = [("level", level)].into_iter().collect();
        let make = |id| {
            Ok(request::plain(
                id,
                "logging/setLevel",
                &params,
                Voice::plain(Era::Legacy),
            ))
        };
        let gate = terms.gate(LEVEL);
        // Only to be told more is not worth failing for: whatever the server says, the call itself goes on.
        let set = self
            .leg
            .exchange(make(self.router.next_id())?, Open::default(), &gate);
        match set.await {
            Ok(_) => *told = Some(level.to_owned()),
            Err(e) if matches!(e.kind, ErrorKind::TimedOut | ErrorKind::SessionLost) => {}
            Err(e) => return Err(e.having(Sent::No)),
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let background = std::mem::take(self.background.get_mut().unwrap_or_else(PoisonError::into_inner));
        background.iter().for_each(AbortHandle::abort);
        self.router.board.close();
        let leg = self.leg.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { leg.close().await })),
            Err(_) => drop(leg.life().end(ErrorKind::Closed, "")),
        }
    }
}
