//! How a conversation reaches the client: one JSON message when it is quick and quiet, an event stream otherwise.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use remit_core::limits::ANSWER_MOMENT_MS;

use crate::ports::{Engine, Session};

use super::body::Accept;
use super::conversation::{Conversation, Frame};
use super::respond::{self, PING, SILENCE};

/// Serves `conversation`; when the client goes away, the conversation ends.
pub(crate) async fn respond<E: Engine>(
    mut conversation: Conversation,
    engine: &Arc<E>,
    owner: &Session,
    accept: Accept,
) -> Response<Body> {
    if !accept.events {
        conversation.watch(engine, owner);
        loop {
            match conversation.next().await {
                Frame::Message(_) => {}
                Frame::Last(message) => return respond::last(message),
                Frame::Cancelled => return respond::empty(StatusCode::ACCEPTED),
            }
        }
    }
    match at_once(&mut conversation, accept).await {
        Ok(response) => response,
        Err(first) => {
            conversation.watch(engine, owner);
            respond::events(stream::unfold(Some((conversation, first)), step))
        }
    }
}

/// The response, when it is there before anything else and before a moment has passed; otherwise the first message.
pub(crate) async fn at_once(
    conversation: &mut Conversation,
    accept: Accept,
) -> Result<Response<Body>, Option<Vec<u8>>> {
    if !accept.json {
        return Err(None);
    }
    let moment = Duration::from_millis(ANSWER_MOMENT_MS);
    match tokio::time::timeout(moment, conversation.next()).await {
        Ok(Frame::Last(message)) => Ok(respond::last(message)),
        Ok(Frame::Cancelled) => Ok(respond::empty(StatusCode::ACCEPTED)),
        Ok(Frame::Message(first)) => Err(Some(first)),
        Err(_) => Err(None),
    }
}

type Streaming = Option<(Conversation, Option<Vec<u8>>)>;

async fn step(streaming: Streaming) -> Option<(Bytes, Streaming)> {
    let (mut conversation, first) = streaming?;
    if let Some(first) = first {
        return Some((respond::event(&first), Some((conversation, None))));
    }
    match tokio::time::timeout(SILENCE, conversation.next()).await {
        Err(_) => Some((Bytes::from_static(PING), Some((conversation, None)))),
        Ok(Frame::Message(message)) => Some((respond::event(&message), Some((conversation, None)))),
        Ok(Frame::Last(message)) => Some((respond::event(&message.bytes), None)),
        Ok(Frame::Cancelled) => None,
    }
}
