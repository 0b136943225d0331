//! The conversation with a server over streamable HTTP: every request is a POST of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use remit_core::limits::RESPONSE_BYTES_MAX;
use remit_core::name::Name;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::courtesy::REPLIES_MAX;
use super::credential::Credential;
use super::dial::{Dialled, Dialler};
use super::pool::Pool;
use super::request;
use super::response::{Kind, REFUSAL_BYTES_MAX, kind, whole};
use super::session::{Session, session_id};
use super::stream::{Cursor, Of};
use crate::answer::{Answering, Settled};
use crate::environment::Environment;
use crate::error::{ErrorKind, Sent};
use crate::event::Reply;
use crate::options::Era;
use crate::spec::HttpSpec;
use crate::wire::gate::Gate;
use crate::wire::life::Life;
use crate::wire::message::{self, Incoming as Message};
use crate::wire::request::{Outgoing, cancelled};
use crate::wire::router::{Handled, Open, Router};
use crate::wire::{EXCERPT_MAX, Failure};

/// How long a stream that gave its answer may take to end before its connection is closed.
const REST: Duration = Duration::from_millis(200);

/// One server at an address.
pub(crate) struct HttpLeg {
    pub(super) dialler: Dialler,
    pub(super) pool: Arc<Pool>,
    pub(crate) router: Arc<Router>,
    pub(crate) life: Life,
    modern: AtomicBool,
    session: Mutex<Session>,
    pub(super) replies: Arc<Semaphore>,
    pub(super) answering: Answering,
    pub(super) listener: Mutex<Option<AbortHandle>>,
    pub(super) credential: Credential,
}

impl HttpLeg {
    pub(crate) fn new(
        spec: &HttpSpec,
        environment: &Environment,
        router: Arc<Router>,
        answering: Answering,
        credential: Credential,
    ) -> Result<Arc<Self>, Failure> {
        let endpoint = spec
            .parse()
            .map_err(|e| Failure::new(ErrorKind::BadSpec, Sent::No, e))?;
        Ok(Arc::new(Self {
            dialler: Dialler {
                endpoint,
                allow_private: spec.allow_private,
                resolver: environment.resolver.clone(),
                tls: environment.tls.clone(),
            },
            pool: Arc::new(Pool::new(environment.clock.clone())),
            router,
            life: Life::new(),
            modern: AtomicBool::new(false),
            session: Mutex::default(),
            replies: Arc::new(Semaphore::new(REPLIES_MAX)),
            answering,
            listener: Mutex::default(),
            credential,
        }))
    }

    pub(crate) const fn server(&self) -> &Name {
        &self.answering.server
    }

    pub(crate) fn set_era(&self, era: Era) {
        self.modern.store(era == Era::Modern, Ordering::Relaxed);
    }

    pub(crate) fn era(&self) -> Era {
        if self.modern.load(Ordering::Relaxed) {
            Era::Modern
        } else {
            Era::Legacy
        }
    }

    pub(crate) fn session(&self) -> Session {
        let mut session = self
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        session.authorization = self.credential.header();
        session
    }

    /// Forgets the session, to open another one.
    pub(crate) fn forget_session(&self) {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        *session = Session {
            generation: session.generation + 1,
            ..Session::default()
        };
    }

    /// From now on requests say this version; a legacy server's notifications are listened to.
    pub(crate) fn agreed(self: &Arc<Self>, version: &str) {
        let version = HeaderValue::from_str(version).ok();
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .version = version;
    }

    pub(crate) fn start_listening(self: &Arc<Self>) {
        let listener = tokio::spawn(self.clone().keep_listening()).abort_handle();
        let before = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(listener);
        if let Some(before) = before {
            before.abort();
        }
    }

    /// Sends a request and waits for its answer while the gate is open.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        mut request: Outgoing,
        open: Open,
        gate: &Gate,
    ) -> Result<Reply, Failure> {
        let listening = open.events.is_none() && request.method == "subscriptions/listen";
        let registered = self.router.open(request.id, open);
        self.life.check()?;
        let of = if listening {
            Of::Listen(registered.id)
        } else {
            Of::Call(registered.id)
        };
        let mut cancel = Cancel {
            leg: self,
            id: registered.id,
            gate,
            // Modern servers are told by the closing of the stream.
            wanted: self.era() == Era::Legacy && request.method != "initialize",
        };
        let body = Bytes::from(std::mem::take(&mut request.body));
        let reply = tokio::select! {
            biased;
            reply = gate.run(self.attempt(&request, body, of, gate)) => reply,
            why = self.life.over() => Err(why),
        };
        if !matches!(&reply, Err(e) if e.kind.is_stop()) {
            cancel.wanted = false;
        }
        reply.map_err(|e| match e.sent {
            Sent::Yes => e,
            _ => e.having(gate.sent()),
        })
    }

    async fn attempt(
        self: &Arc<Self>,
        request: &Outgoing,
        body: Bytes,
        of: Of,
        gate: &Gate,
    ) -> Result<Reply, Failure> {
        let session = self.session();
        let make = || {
            request::call(
                &self.dialler.endpoint,
                &session,
                self.era(),
                request,
                body.clone(),
            )
        };
        let (dialled, mut response) = self.send(make, gate).await?;
        let status = response.status();
        self.credential
            .note(status, response.headers(), session.authorization.as_ref());
        if status == StatusCode::NOT_FOUND && session.id.is_some() {
            return Err(Failure::new(ErrorKind::SessionLost, Sent::Yes, ""));
        }
        if request.method == "initialize"
            && let Some(id) = response.headers().get("mcp-session-id")
        {
            let id = session_id(id).ok_or_else(|| {
                Failure::protocol(Sent::Yes, "its session id is not visible ASCII of sane length")
            })?;
            self.session.lock().unwrap_or_else(PoisonError::into_inner).id = Some(id);
        }
        match kind(&response)? {
            Kind::Events if status == StatusCode::OK => {
                let mut cursor = Cursor::default();
                let broken = match self.follow(&mut response, of, &mut cursor).await {
                    Ok(Some(reply)) => {
                        self.settle_down(dialled, response);
                        return Ok(reply);
                    }
                    Err(failure) if failure.kind != ErrorKind::Gone => return Err(failure),
                    _ => self.era() == Era::Legacy && !matches!(of, Of::Listen(_)),
                };
                drop((dialled, response));
                if !broken {
                    let detail = "it closed the stream before its answer";
                    return Err(Failure::new(ErrorKind::Gone, Sent::Maybe, detail));
                }
                let (reply, dialled, response) = self.resume(request.id, cursor).await?;
                self.settle_down(dialled, response);
                Ok(reply)
            }
            Kind::Json => {
                let body = whole(&mut response, RESPONSE_BYTES_MAX).await?;
                self.pool.put(dialled);
                self.single(&body, status, request.id)
            }
            other => {
                let body = whole(&mut response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
                Err(self.refused(status, other, &body))
            }
        }
    }

    /// One JSON document as the whole answer.
    fn single(&self, body: &[u8], status: StatusCode, id: u64) -> Result<Reply, Failure> {
        let answer = message::parse(body).and_then(|message| match message {
            Message::Response { .. } => self.router.handle(self.era(), message, Some(id)),
            _ => Err(message::Flaw("its answer is not an answer".to_owned())),
        });
        match answer {
            Ok(Handled::Answer(Reply::Error(mut error))) => {
                error.http_status = (status != StatusCode::OK).then_some(status.as_u16());
                Ok(Reply::Error(error))
            }
            Ok(Handled::Answer(reply)) if status == StatusCode::OK => Ok(reply),
            Ok(_) => Err(self.refused(status, Kind::Json, body)),
            Err(flaw) if status.is_success() => Err(Failure::protocol(Sent::Yes, flaw.0)),
            Err(_) => Err(self.refused(status, Kind::Json, body)),
        }
    }

    fn refused(&self, status: StatusCode, kind: Kind, body: &[u8]) -> Failure {
        let words = self
            .router
            .scrubber
            .excerpt(&String::from_utf8_lossy(body), EXCERPT_MAX);
        if status.is_success() {
            let what = match kind {
                Kind::Other => "its answer is neither JSON nor an event stream",
                Kind::Json | Kind::Events => "its answer does not fit its HTTP status",
            };
            return Failure::protocol(Sent::Yes, format!("{what} (status {status}): {words}"));
        }
        let sent = if status.is_client_error() {
            Sent::Yes
        } else {
            Sent::Maybe
        };
        let words = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("it wants to know who is asking: {words}")
            }
            _ => words,
        };
        Failure::new(ErrorKind::Refused(status.as_u16()), sent, words)
    }

    /// Sends one HTTP request. It is made anew only when not one byte of it left before.
    async fn send(
        &self,
        make: impl Fn() -> Result<Request<Full<Bytes>>, Failure>,
        gate: &Gate,
    ) -> Result<(Dialled, Response<Incoming>), Failure> {
        loop {
            gate.check()?;
            let (mut dialled, used) = match self.idle().await {
                Some(dialled) => (dialled, true),
                None => (self.dialler.dial().await?, false),
            };
            let request = make()?;
            gate.pass()?;
            match dialled.sender.try_send_request(request).await {
                Ok(response) => return Ok((dialled, response)),
                Err(mut error) => {
                    if error.take_message().is_some() {
                        gate.unsent();
                        if used {
                            continue;
                        }
                    }
                    return Err(Failure::new(ErrorKind::Gone, gate.sent(), error.into_error()));
                }
            }
        }
    }

    pub(super) async fn idle(&self) -> Option<Dialled> {
        loop {
            let mut dialled = self.pool.take_soon().await?;
            if dialled.sender.ready().await.is_ok() {
                return Some(dialled);
            }
        }
    }

    /// Keeps the connection of a stream that has nothing more to say.
    fn settle_down(self: &Arc<Self>, dialled: Dialled, mut response: Response<Incoming>) {
        if matches!(response.body_mut().frame().now_or_never(), Some(None)) {
            self.pool.put(dialled);
            return;
        }
        let (pool, returning) = (self.pool.clone(), self.pool.returning());
        tokio::spawn(async move {
            let rest = async {
                while let Some(Ok(_)) = response.body_mut().frame().await {}
                hyper::body::Body::is_end_stream(response.body())
            };
            if matches!(tokio::time::timeout(REST, rest).await, Ok(true)) {
                pool.put(dialled);
            }
            drop(returning);
        });
    }
}

/// Tells a legacy server that a request is no longer wanted, also when the future that waited for it is dropped.
struct Cancel<'a> {
    leg: &'a Arc<HttpLeg>,
    id: u64,
    gate: &'a Gate,
    wanted: bool,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if self.wanted
            && self.gate.sent() != Sent::No
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (leg, id) = (self.leg.clone(), self.id);
            runtime.spawn(async move { drop(leg.tell(Settled::ours(cancelled(id))).await) });
        }
    }
}
