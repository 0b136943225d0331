//! One HTTP request to a stub server, one response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::message::{Message, Reply, failure, response};
use super::state::State;
use super::{legacy, modern, write};
use crate::file::Revision;

pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The connection breaks off here: a crash that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the stub server breaks the connection off")]
pub(super) struct BreakOff;

/// What the requests of one stub server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub revision: Revision,
    pub state: Mutex<State>,
    /// Moves with everything that reaches the server.
    pub changes: watch::Sender<u64>,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SESSION: &str = "mcp-session-id";

pub(super) async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, BreakOff> {
    let (parts, body) = request.into_parts();
    let session = text_of(&parts.headers, SESSION);
    let legacy = shared.revision == Revision::Legacy;
    match parts.method {
        Method::POST => {}
        Method::GET if legacy => return Ok(listen(&shared, session.as_deref())),
        Method::DELETE if legacy => {
            let known = session.is_some_and(|session| shared.state().sessions.remove(&session));
            return Ok(empty(if known {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            }));
        }
        _ => return Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
    }
    let Ok(body) = body.collect().await else {
        return Err(BreakOff);
    };
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    shared.state().look_for_secrets(&body);
    let Some(message) = Message::read(&body) else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    match shared.revision {
        Revision::Legacy => {
            let next = legacy::post(&mut shared.state(), &shared.changes, session.as_deref(), &message);
            match next {
                legacy::Next::Status(status) => {
                    Ok(empty(StatusCode::from_u16(status).unwrap_or(StatusCode::OK)))
                }
                legacy::Next::Reply(reply, session) => finish(&shared, &message, reply, session).await,
            }
        }
        Revision::Modern => {
            let next = modern::answer(&mut shared.state(), &shared.changes, &message);
            match next {
                modern::Next::Listen(events) => Ok(stream(events)),
                modern::Next::Reply(_) if message.id.is_none() => Ok(empty(StatusCode::ACCEPTED)),
                modern::Next::Reply(reply) => finish(&shared, &message, reply, None).await,
            }
        }
    }
}

async fn finish(
    shared: &Shared,
    message: &Message,
    reply: Reply,
    session: Option<String>,
) -> Result<Answer, BreakOff> {
    let id = message.id.clone().unwrap_or(Value::Null);
    let (status, value) = match reply {
        Reply::Result(result) => (200, response(&id, result)),
        Reply::Error {
            status,
            code,
            message,
            data,
        } => (status, failure(Some(&id), code, &message, data)),
        Reply::Hang => std::future::pending().await,
        Reply::Crash => return Err(BreakOff),
    };
    let text = if shared.state().reformatted {
        write::reformatted(&value)
    } else {
        write::plain(&value)
    };
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    if let Some(session) = session.and_then(|session| session.parse().ok()) {
        headers.insert(SESSION, session);
    }
    Ok(response)
}

fn listen(shared: &Shared, session: Option<&str>) -> Answer {
    let mut state = shared.state();
    match session {
        Some(known) if state.sessions.contains(known) => stream(legacy::listen(&mut state)),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default().boxed());
    *response.status_mut() = status;
    response
}

fn stream(events: mpsc::Receiver<Value>) -> Answer {
    let mut response = Response::new(Events(events).boxed());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/event-stream"),
    );
    response
}

/// An event stream, one message in one `data` line.
struct Events(mpsc::Receiver<Value>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| {
            event.map(|event| {
                Ok(Frame::data(Bytes::from(format!(
                    "event: message\ndata: {event}\n\n"
                ))))
            })
        })
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
