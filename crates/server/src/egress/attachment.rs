//! What goes with a request to a system besides its call: the body whose digest the call names, and the placeholders it
//! carries. Both wait, sealed, with a held call.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use remit_core::id::{CallId, TaskId};
use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::limits::HELD_BODY_BYTES_MAX;
use remit_egress::describe::Place;
use remit_egress::request::carried::Carried;
use remit_egress::spool::Spooled;
use remit_store::approvals::StoredApproval;
use remit_upstream::Source;

use crate::app::{App, Failure};

/// Longest list of placeholders, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Body and placeholders of one request.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The body.
    pub body: Spooled,
    /// What it carries where credentials stand; placeholders of ours only.
    pub carried: Vec<Carried>,
}

impl Attachment {
    /// Sealed, to wait with its call.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when the body is too long to wait; [`Failure::Unavailable`] when it cannot be sealed.
    pub fn seal(&self, app: &App, task: TaskId, call: CallId) -> Result<Vec<u8>, Failure> {
        if self.body.len() > HELD_BODY_BYTES_MAX {
            return Err(Failure::Conflict(format!(
                "a request with more than {HELD_BODY_BYTES_MAX} bytes cannot wait for a person: send it in smaller parts"
            )));
        }
        let mut head = Vec::new();
        Value::Array(self.carried.iter().map(written).collect()).write_canonical(&mut head);
        let mut plain = u32::try_from(head.len())
            .unwrap_or(u32::MAX)
            .to_be_bytes()
            .to_vec();
        plain.extend_from_slice(&head);
        let mut offset = 0;
        loop {
            let piece = self
                .body
                .piece(offset, 1024 * 1024)
                .map_err(Failure::unavailable)?;
            if piece.is_empty() {
                break;
            }
            offset += piece.len() as u64;
            plain.extend_from_slice(&piece);
        }
        Ok(app
            .sealer(task)?
            .seal(&format!("body of {call}"), &plain, &*app.entropy)?)
    }
}

/// What waited with an approved call; none for MCP calls.
///
/// # Errors
/// [`Failure::Unavailable`] when it was changed.
pub async fn load(app: &Arc<App>, stored: &StoredApproval) -> Result<Option<Arc<Attachment>>, Failure> {
    let (task, call) = (stored.approval.task, stored.approval.call);
    let sealed = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::bodies::get(conn, call)?))
        .await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let plain = app.sealer(task)?.open(&format!("body of {call}"), &sealed)?;
    let bad = || Failure::Unavailable("the body that waited cannot be read".to_owned());
    let (length, rest) = plain.split_first_chunk::<4>().ok_or_else(bad)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| bad())?;
    let (head, body) = rest
        .split_at_checked(length)
        .filter(|_| length <= HEAD_BYTES_MAX)
        .ok_or_else(bad)?;
    let head = parse(head, &Bounds::REQUEST).map_err(|_| bad())?;
    let carried: Option<Vec<Carried>> = head.as_array().unwrap_or_default().iter().map(read).collect();
    Ok(Some(Arc::new(Attachment {
        body: Spooled::of(body).map_err(Failure::unavailable)?,
        carried: carried.ok_or_else(bad)?,
    })))
}

fn written(carried: &Carried) -> Value {
    let mut object = Object::new();
    let (kind, name) = match &carried.place {
        Place::Header(name) => ("header", name.as_str()),
        Place::Basic => ("basic", ""),
        Place::Query(name) => ("query", name.as_str()),
    };
    object.insert("place", kind);
    object.insert("name", name);
    object.insert("value", carried.value.as_str());
    object.insert("declared", carried.declared);
    object.insert("own", carried.own);
    for (key, text) in [("scheme", &carried.scheme), ("user", &carried.user)] {
        if let Some(text) = text {
            object.insert(key, text.as_str());
        }
    }
    if let Some((region, service)) = &carried.scope {
        object.insert("region", region.as_str());
        object.insert("service", service.as_str());
    }
    object.into()
}

fn read(value: &Value) -> Option<Carried> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text("name")?;
    Some(Carried {
        place: match text("place")?.as_str() {
            "header" => Place::Header(name),
            "basic" => Place::Basic,
            "query" => Place::Query(name),
            _ => return None,
        },
        scheme: text("scheme"),
        user: text("user"),
        value: text("value")?,
        declared: value.get("declared")?.as_bool()?,
        own: value.get("own")?.as_bool()?,
        scope: text("region").zip(text("service")),
    })
}

/// A body as the dialler takes it.
pub(super) struct Kept(pub(super) Spooled);

impl Source for Kept {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn sha256(&self) -> &str {
        self.0.sha256()
    }

    fn piece(&self, offset: u64, max: usize) -> io::Result<Bytes> {
        self.0.piece(offset, max)
    }
}
