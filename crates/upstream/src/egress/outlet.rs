//! The way out: a permitted call, its body, its credential; name → checked address → TLS → one request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use remit_core::call::Call;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::limits::UPSTREAM_CALL_MS_MAX;
use remit_core::name::Name;
use remit_core::time::BootTime;
use remit_enforce::Permitted;

use super::body::{Leaving, Source};
use super::injection::{self, Injection};
use super::response::{self, EgressResponse};
use super::sigv4;
use super::way::Way;
use crate::environment::Environment;
use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::http::dial::Dialler;
use crate::http::url::Endpoint;
use crate::wire::Failure;
use crate::wire::gate::{Gate, Terms};

/// Most idle connections of one task to one host.
const IDLE_MAX: usize = 4;
/// Idle connections older than this are closed, in milliseconds.
const IDLE_MS_MAX: u64 = 3500;
/// How long a system may take to begin its answer, in milliseconds: models think.
const ANSWER_MS_MAX: u64 = 5 * UPSTREAM_CALL_MS_MAX;

/// How one call leaves.
pub struct Outbound {
    /// For which task; connections are never shared between tasks.
    pub task: TaskId,
    /// Addresses in private networks and on this machine may be dialled.
    pub allow_private: bool,
    /// Credentials, put in last.
    pub injections: Vec<Injection>,
    /// The body whose digest the call names.
    pub body: Arc<dyn Source>,
}

type Slot = (TaskId, String);
/// Connections by task and host that take another request, each with when it was used last.
type Idle = Arc<Mutex<HashMap<Slot, Vec<(BootTime, Way)>>>>;

/// All ways out of this process.
#[derive(Default)]
pub struct Outlet {
    idle: Idle,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

/// A connection in use, given back when its answer was read to the end.
pub(super) struct Kept {
    idle: Idle,
    slot: Slot,
    now: BootTime,
    way: Way,
}

impl Kept {
    pub(super) fn give_back(self) {
        offer(&self.idle, self.slot, self.now, self.way);
    }
}

/// Lets others have a connection, if it is good. One of HTTP/2 takes the place of another: they share it.
fn offer(idle: &Idle, slot: Slot, now: BootTime, way: Way) {
    if way.is_closed() {
        return;
    }
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    let list = idle.entry(slot).or_default();
    if matches!(way, Way::Two(..)) {
        list.retain(|(_, other)| matches!(other, Way::One(_)));
    }
    if list.len() < IDLE_MAX {
        list.push((now, way));
    }
}

impl Outlet {
    /// Sends one call. Nothing is resolved before this, and nothing leaves that is not in the call, but its credential.
    ///
    /// # Errors
    /// [`UpstreamError`], which says how far the request got.
    pub async fn send(
        &self,
        permitted: Permitted<Call>,
        outbound: Outbound,
        environment: &Environment,
    ) -> Result<EgressResponse, UpstreamError> {
        let (call, permit) = permitted.into_parts();
        let terms = Terms::of(&permit, &environment.clock);
        let answered = self.request(&call, &terms, outbound, environment).await;
        answered.map_err(|failure| failure.at(&call.server, &environment.scrubber))
    }

    /// Closes the idle connections of a task.
    pub fn forget(&self, task: TaskId) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, _), _| *of != task);
    }

    async fn request(
        &self,
        call: &Call,
        terms: &Terms,
        outbound: Outbound,
        environment: &Environment,
    ) -> Result<EgressResponse, Failure> {
        let written = Written::of(call, &*outbound.body)?;
        let gate = terms.gate(Duration::from_millis(ANSWER_MS_MAX));
        gate.check()?;
        let dialler = Dialler {
            endpoint: written.endpoint.clone(),
            allow_private: outbound.allow_private,
            resolver: environment.resolver.clone(),
            tls: environment.tls.clone(),
        };
        let request = written.request(&outbound, environment.clock.now())?;
        let method = request.method().clone();
        let slot = (
            outbound.task,
            format!("{}:{}", written.endpoint.host, written.endpoint.port),
        );
        let now = environment.clock.boot();
        let mut way = match self.take(&slot, now).await {
            Some(way) => way,
            None => Way::from(gate.run(dialler.dial_either()).await?),
        };
        if let Some(shared) = way.shared() {
            offer(&self.idle, slot.clone(), now, shared);
        }
        let request = way.fit(request, &written.endpoint)?;
        gate.pass()?;
        let sending = async { Ok(way.send(request).await) };
        let response = match gate.run(sending).await? {
            Ok(response) => response,
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let why = error.into_error();
                if unsent {
                    gate.unsent();
                }
                return Err(Failure::new(ErrorKind::Gone, gate.sent(), why));
            }
        };
        let kept = Kept {
            idle: Arc::clone(&self.idle),
            slot,
            now,
            way,
        };
        // The time limit was for the beginning of the answer; its body has one of its own.
        let rest: Gate = terms.lasting().gate(Duration::MAX);
        rest.pass()?;
        response::read(response, &method, &environment.scrubber, rest, kept)
    }

    async fn take(&self, slot: &Slot, now: BootTime) -> Option<Way> {
        loop {
            let mut way = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let list = idle.get_mut(slot)?;
                list.retain(|(since, way)| now < since.plus_ms(IDLE_MS_MAX) && !way.is_closed());
                list.pop()?.1
            };
            if way.ready().await {
                return Some(way);
            }
        }
    }
}

/// What a call says about its request.
struct Written {
    method: Method,
    endpoint: Endpoint,
    headers: HeaderMap,
}

impl Written {
    fn of(call: &Call, body: &dyn Source) -> Result<Self, Failure> {
        let bad = |why: &str| Failure::new(ErrorKind::BadSpec, Sent::No, format!("the call {why}"));
        let text = |name: &str| call.arguments.get(name).and_then(Value::as_str);
        let line = text("request").ok_or_else(|| bad("holds no request"))?;
        let (method, url) = line.split_once(' ').ok_or_else(|| bad("holds no request"))?;
        let method: Method = method.parse().map_err(|_| bad("names no method"))?;
        let endpoint = Endpoint::parse(url).map_err(|error| bad(&error.to_string()))?;
        // A body nobody decided on must not leave in place of the one that was.
        let decided = text("body_sha256");
        if decided.is_some_and(|digest| digest != body.sha256()) || (decided.is_none() && !body.is_empty()) {
            return Err(bad("was decided with another body"));
        }
        let mut headers = HeaderMap::new();
        let empty = Object::new();
        let named = call
            .arguments
            .get("headers")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        for (name, value) in named.iter() {
            let name = HeaderName::try_from(name).map_err(|_| bad("names no header"))?;
            let one = |value: &Value| {
                let text = value
                    .as_str()
                    .ok_or_else(|| bad("holds a header that is no text"))?;
                HeaderValue::from_str(text).map_err(|_| bad("holds a header that cannot be sent"))
            };
            match value {
                Value::Array(items) => {
                    for item in items {
                        headers.append(name.clone(), one(item)?);
                    }
                }
                value => drop(headers.insert(name, one(value)?)),
            }
        }
        Ok(Self {
            method,
            endpoint,
            headers,
        })
    }

    fn request(
        &self,
        outbound: &Outbound,
        now: remit_core::time::Timestamp,
    ) -> Result<Request<Leaving>, Failure> {
        let bad = |why: http::Error| Failure::new(ErrorKind::BadSpec, Sent::No, why);
        let target = injection::into_query(&outbound.injections, self.endpoint.path.as_str());
        let mut headers = self.headers.clone();
        let host = HeaderValue::from_str(&self.endpoint.authority)
            .map_err(|_| Failure::new(ErrorKind::BadSpec, Sent::No, "its host cannot be written"))?;
        headers.insert(HOST, host);
        injection::into_headers(&outbound.injections, &mut headers)?;
        for injection in &outbound.injections {
            if let Injection::Aws(key) = injection {
                let signed = sigv4::Signed {
                    method: self.method.as_str(),
                    target: &target,
                    body: outbound.body.sha256(),
                };
                sigv4::sign(key, &signed, now, &mut headers)?;
            }
        }
        let expects_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        if outbound.body.is_empty() && expects_body {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .body(Leaving::new(Arc::clone(&outbound.body)))
            .map_err(bad)?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Pieces of an answer, with errors that name the system.
impl super::response::EgressBody {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`UpstreamError`]: it was cut off, by the system, by us, or because the authority behind it ended.
    pub async fn next(
        &mut self,
        system: &Name,
        environment: &Environment,
    ) -> Result<Option<bytes::Bytes>, UpstreamError> {
        let next = self.next_piece().await;
        next.map_err(|failure| failure.at(system, &environment.scrubber))
    }
}
