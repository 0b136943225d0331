//! Enrolments: tokens a person hands to a workload once. Only their hash is here; each attests one run, ever.

use remit_core::digest::Digest;
use remit_core::id::RunId;
use remit_core::name::Name;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::ENROLMENTS;

/// An enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// SHA-256 of its token.
    pub token: Digest,
    /// The agent it makes somebody.
    pub agent: Name,
    /// Who handed it out.
    pub issued_by: Name,
    /// When.
    pub issued_at: Timestamp,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// Its one use.
    pub used: Option<Use>,
}

/// The one use of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// By which key: `jkt:…` or `x5t:…`.
    pub key: String,
    /// For which run.
    pub run: RunId,
}

/// Adds one.
///
/// # Errors
/// [`Refused::Duplicate`] when the token is known.
pub fn add(tx: &mut Tx<'_>, enrolment: &Enrolment) -> Result<(), ApplyError> {
    ENROLMENTS.insert(tx, &columns(enrolment)).map(drop)
}

/// Uses one. It is used at most once, however many try at the same time.
///
/// # Errors
/// [`Refused::NotFound`] when there is none; [`Refused::Stale`] when it was used already.
pub fn spend(tx: &mut Tx<'_>, token: Digest, by: Use) -> Result<(), ApplyError> {
    let missing = || Refused::NotFound {
        what: "enrolments",
        key: token.to_string(),
    };
    let mut stored = get(tx, token)?.ok_or_else(missing)?;
    if stored.used.is_some() {
        return Err(Refused::Stale {
            what: "enrolments",
            key: token.to_string(),
        }
        .into());
    }
    stored.used = Some(by);
    ENROLMENTS.update(tx, &columns(&stored), stored.changed)
}

/// One enrolment, used or not.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, token: Digest) -> Result<Option<Stored<Enrolment>>, StoreError> {
    ENROLMENTS
        .get(conn, &[token.to_string().into()])?
        .map(read)
        .transpose()
}

fn columns(enrolment: &Enrolment) -> [Value<'_>; 8] {
    let used = enrolment.used.as_ref();
    [
        enrolment.token.to_string().into(),
        enrolment.agent.as_str().into(),
        enrolment.issued_by.as_str().into(),
        enrolment.issued_at.0.into(),
        enrolment.expires_at.0.into(),
        used.map(|used| used.at.0).into(),
        used.map(|used| used.key.as_str()).into(),
        used.map(|used| used.run.to_string()).into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Enrolment>, StoreError> {
    let columns = Columns::of(&ENROLMENTS, &row);
    let used = match columns.opt_int(5)? {
        None => None,
        Some(at) => Some(Use {
            at: Timestamp(at),
            key: columns.text(6)?.to_owned(),
            run: columns.parsed(7)?,
        }),
    };
    let value = Enrolment {
        token: columns.word(0, Digest::parse)?,
        agent: columns.parsed(1)?,
        issued_by: columns.parsed(2)?,
        issued_at: Timestamp(columns.int(3)?),
        expires_at: Timestamp(columns.int(4)?),
        used,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
