//! GET and DELETE of a legacy client: the stream of notices, the rest of a lost stream, the end of a session.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;

use crate::flights::Flight;
use crate::http::request::Arrived;
use crate::http::respond::{self, PING, SILENCE};
use crate::mcp::notify;
use crate::ports::{Engine, Era, Notice};
use crate::rpc::{self, RpcError};

use super::replay::{self, Replay};
use super::session::LegacySession;

/// Serves GET: the notices of the session, or what is left of a stream named by `Last-Event-ID`.
pub(crate) fn listen<E: Engine>(arrived: Arrived<E>, headers: &HeaderMap) -> Response<Body> {
    let session = match arrived.legacy_session() {
        Ok(Some(session)) => session,
        Ok(None) => return respond::only_post(),
        Err(error) => return respond::error(None, &error),
    };
    if !arrived.accept.events {
        let error = RpcError::invalid_request("`Accept` has to name `text/event-stream`");
        return respond::error(None, &error.with_status(StatusCode::NOT_ACCEPTABLE));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    if let Some((number, place)) = last.and_then(replay::parse_id)
        && let Some(kept) = session.stream_number(number)
    {
        return play(session, kept, place.saturating_add(1), Some(arrived.flight));
    }
    notices(arrived, session)
}

/// Serves DELETE.
pub(crate) fn end<E: Engine>(arrived: &Arrived<E>) -> Response<Body> {
    match arrived.legacy_session() {
        Ok(Some(session)) => {
            let closed = arrived.gateway.sessions.close(&session);
            arrived.end_subscriptions(closed.owner, closed.subscriptions, Era::Legacy);
            respond::empty(StatusCode::NO_CONTENT)
        }
        Ok(None) => respond::only_post(),
        Err(error) => respond::error(None, &error),
    }
}

/// Sends a stream from `place` on, to its end. `flight` is given where no running request holds one.
pub(super) fn play(
    session: Arc<LegacySession>,
    kept: Arc<Replay>,
    place: u64,
    flight: Option<Flight>,
) -> Response<Body> {
    let from = (session, kept, place, flight);
    respond::events(stream::unfold(
        from,
        |(session, kept, mut place, flight)| async move {
            let event = match tokio::time::timeout(SILENCE, kept.next(&mut place)).await {
                Err(_) => Bytes::from_static(PING),
                Ok(Some(event)) => event,
                Ok(None) => {
                    session.forget(kept.number());
                    return None;
                }
            };
            Some((event, (session, kept, place, flight)))
        },
    ))
}

fn notices<E: Engine>(arrived: Arrived<E>, session: Arc<LegacySession>) -> Response<Body> {
    let Arrived {
        gateway,
        session: owner,
        endpoint,
        flight,
        ..
    } = arrived;
    let notices = gateway.engine.notices(&owner, &endpoint);
    let replaced = session.listen();
    let gone = {
        let gateway = Arc::clone(&gateway);
        Box::pin(async move { gateway.engine.gone(&owner).await })
    };
    let state = (gateway, session, notices, replaced, gone, flight);
    let opening = stream::once(async { Bytes::from_static(PING) });
    let rest = stream::unfold(
        state,
        |(gateway, session, mut notices, mut replaced, mut gone, flight): (_, _, _, _, _, Flight)| async move {
            loop {
                let notice = tokio::select! {
                    biased;
                    () = &mut gone => return None,
                    _ = &mut replaced => return None,
                    notice = tokio::time::timeout(SILENCE, notices.recv()) => notice,
                };
                let event = match notice {
                    Err(_) => {
                        gateway.sessions.touch(&session);
                        Some(Bytes::from_static(PING))
                    }
                    Ok(None) => return None,
                    Ok(Some(notice)) => message(&session, notice).map(|message| respond::event(&message)),
                };
                if let Some(event) = event {
                    return Some((event, (gateway, session, notices, replaced, gone, flight)));
                }
            }
        },
    );
    use futures_util::StreamExt as _;
    respond::events(opening.chain(rest))
}

fn message(session: &LegacySession, notice: Notice) -> Option<Vec<u8>> {
    match notice {
        Notice::Log(params) => notify::log(Era::Legacy, session.log_level().as_deref(), &params),
        Notice::ResourceUpdated(uri) if !session.subscribed(&uri) => None,
        notice => notify::change(&notice).map(|(method, params)| rpc::notification(method, &params)),
    }
}
