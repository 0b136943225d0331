//! Handles: what we hand out by a secret of ours and find again by its digest: authorization codes, refresh tokens,
//! browser sessions, sign-in links. Each is used as its kind says; a code, a refresh token and a link once.

use remit_core::digest::Digest;
use remit_core::json::{Object, Value as Json};
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::codec::BadJson;
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::HANDLES;

/// What a handle opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code (RFC 6749, 1.3.1); its owner is the task.
    Code,
    /// A refresh token (RFC 6749, 1.5); its owner is the task.
    Refresh,
    /// A person's session in a browser; its owner is the human.
    Session,
    /// A sign-in link; its owner is the human.
    Link,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Code, Self::Refresh, Self::Session, Self::Link];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Session => "session",
            Self::Link => "link",
        }
    }
}

/// Where a handle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It counts.
    Live,
    /// It was used; presenting it again is a sign of theft.
    Spent,
    /// It was taken back.
    Revoked,
}

impl State {
    const ALL: [Self; 3] = [Self::Live, Self::Spent, Self::Revoked];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Spent => "spent",
            Self::Revoked => "revoked",
        }
    }
}

/// One handle. The secret itself is nowhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Handle {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// What it opens.
    pub kind: Kind,
    /// Whose it is: a task's id or a human's name.
    pub owner: String,
    /// Where it stands.
    pub state: State,
    /// When it stops counting.
    pub expires_at: Timestamp,
    /// What it is bound to.
    pub detail: Object,
}

/// Adds one.
///
/// # Errors
/// [`Refused::Duplicate`] when the digest is taken.
pub fn add(tx: &mut Tx<'_>, handle: &Handle) -> Result<(), ApplyError> {
    HANDLES.insert(tx, &columns(handle)).map(drop)
}

/// The one behind a digest, whatever its state.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, kind: Kind, digest: Digest) -> Result<Option<Stored<Handle>>, StoreError> {
    let found = HANDLES
        .get(conn, &[digest.to_string().into()])?
        .map(read)
        .transpose()?;
    Ok(found.filter(|handle| handle.kind == kind))
}

/// Uses one up: exactly one of any number of callers succeeds.
///
/// # Errors
/// [`Refused::NotFound`] when there is none, [`Refused::NotAllowed`] when it was used, taken back or is over.
pub fn spend(tx: &mut Tx<'_>, kind: Kind, digest: Digest) -> Result<Handle, ApplyError> {
    let Some(mut stored) = get(tx, kind, digest)? else {
        return Err(Refused::NotFound {
            what: "handles",
            key: kind.as_str().to_owned(),
        }
        .into());
    };
    if stored.state != State::Live || tx.time() >= stored.expires_at {
        return Err(Refused::NotAllowed(format!("this {} counts no more", kind.as_str())).into());
    }
    stored.state = State::Spent;
    HANDLES.update(tx, &columns(&stored), stored.changed)?;
    Ok(stored.value)
}

/// Takes back all live ones of an owner; `kind` = only those.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn revoke_all(tx: &mut Tx<'_>, owner: &str, kind: Option<Kind>) -> Result<usize, ApplyError> {
    let mut revoked = 0;
    for mut stored in of_owner(tx, owner)? {
        if stored.state == State::Live && kind.is_none_or(|kind| stored.kind == kind) {
            stored.state = State::Revoked;
            HANDLES.update(tx, &columns(&stored), stored.changed)?;
            revoked += 1;
        }
    }
    Ok(revoked)
}

/// Takes one back; taking it back twice changes nothing.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn revoke(tx: &mut Tx<'_>, kind: Kind, digest: Digest) -> Result<(), ApplyError> {
    if let Some(mut stored) = get(tx, kind, digest)?
        && stored.state == State::Live
    {
        stored.state = State::Revoked;
        HANDLES.update(tx, &columns(&stored), stored.changed)?;
    }
    Ok(())
}

/// All of an owner.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_owner(conn: &mut Conn, owner: &str) -> Result<Vec<Stored<Handle>>, StoreError> {
    HANDLES
        .load(conn, "WHERE t.owner = $1 ORDER BY t.digest", &[owner.into()])?
        .into_iter()
        .map(read)
        .collect()
}

/// Up to `limit` that were over before `now`, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn over(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<Stored<Handle>>, StoreError> {
    HANDLES
        .load(
            conn,
            "WHERE t.expires_at <= $1 ORDER BY t.expires_at LIMIT $2",
            &[now.0.into(), i64::from(limit).into()],
        )?
        .into_iter()
        .map(read)
        .collect()
}

/// Forgets one that is over.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn forget(tx: &mut Tx<'_>, digest: Digest) -> Result<(), ApplyError> {
    HANDLES.delete(tx, &[digest.to_string().into()])
}

/// Remembers that a proof or an assertion was used.
///
/// # Errors
/// [`Refused::Duplicate`] when it was used before.
pub fn use_once(tx: &mut Tx<'_>, digest: Digest, until: Timestamp) -> Result<(), ApplyError> {
    let now = tx.time();
    tx.execute("DELETE FROM replays WHERE expires_at <= $1", &[now.0.into()])?;
    let added = tx.execute(
        "INSERT INTO replays (digest, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[digest.to_string().into(), until.0.into()],
    )?;
    if added == 1 {
        return Ok(());
    }
    Err(Refused::Duplicate {
        what: "replays",
        key: "proof".to_owned(),
    }
    .into())
}

fn columns(handle: &Handle) -> [Value<'_>; 6] {
    [
        handle.digest.to_string().into(),
        handle.kind.as_str().into(),
        (&handle.owner).into(),
        handle.state.as_str().into(),
        handle.expires_at.0.into(),
        Json::Object(handle.detail.clone()).to_string().into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Handle>, StoreError> {
    let columns = Columns::of(&HANDLES, &row);
    let value = Handle {
        digest: columns.word(0, Digest::parse)?,
        kind: columns.word(1, |word| Kind::ALL.into_iter().find(|kind| kind.as_str() == word))?,
        owner: columns.text(2)?.to_owned(),
        state: columns.word(3, |word| {
            State::ALL.into_iter().find(|state| state.as_str() == word)
        })?,
        expires_at: Timestamp(columns.int(4)?),
        detail: columns.json(5, |json| {
            json.as_object().cloned().ok_or_else(|| BadJson {
                place: String::new(),
                why: "an object is expected".to_owned(),
            })
        })?,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
