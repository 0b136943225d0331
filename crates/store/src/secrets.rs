//! Secrets: what they are for, and their sealed versions. Values are opened elsewhere; here lie wrapped keys and
//! ciphertext.

use remit_core::name::Name;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::{SECRET_VERSIONS, SECRETS};

/// A secret, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: Name,
    /// The system it opens; nothing else may ever get it.
    pub system: Option<Name>,
    /// The account it belongs to, where the system asks for one (a user name).
    pub account: Option<String>,
    /// Where the value comes from: our versions, or an external manager; a form of the broker's.
    pub source: String,
    /// The version in use; 0 for references, which have none here.
    pub version: i64,
    /// Not to be used any more.
    pub retired: bool,
}

/// One value, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// The secret.
    pub secret: Name,
    /// Its number, from 1.
    pub version: i64,
    /// The data key, wrapped; empty once the version was destroyed.
    pub wrapped: Vec<u8>,
    /// The value, sealed under the data key; empty once the version was destroyed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it may be gone back to, once another one took its place.
    pub until: Option<Timestamp>,
}

impl SecretVersion {
    /// True when there is nothing left to open.
    #[must_use]
    pub const fn is_destroyed(&self) -> bool {
        self.sealed.is_empty()
    }
}

/// Adds a secret.
///
/// # Errors
/// [`Refused::Duplicate`] when the name is taken.
pub fn add(tx: &mut Tx<'_>, secret: &Secret) -> Result<(), ApplyError> {
    SECRETS.insert(tx, &columns(secret)).map(drop)
}

/// Replaces a secret as it was read.
///
/// # Errors
/// [`Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, secret: &Stored<Secret>) -> Result<(), ApplyError> {
    SECRETS.update(tx, &columns(secret), secret.changed)
}

/// Adds a version.
///
/// # Errors
/// [`Refused::Duplicate`] when the number is taken: somebody else rotated meanwhile.
pub fn add_version(tx: &mut Tx<'_>, version: &SecretVersion) -> Result<(), ApplyError> {
    SECRET_VERSIONS.insert(tx, &version_columns(version)).map(drop)
}

/// Replaces a version as it was read.
///
/// # Errors
/// [`Refused::Stale`] when it changed since.
pub fn put_version(tx: &mut Tx<'_>, version: &Stored<SecretVersion>) -> Result<(), ApplyError> {
    SECRET_VERSIONS.update(tx, &version_columns(version), version.changed)
}

/// One secret.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, name: &Name) -> Result<Option<Stored<Secret>>, StoreError> {
    SECRETS.get(conn, &[name.as_str().into()])?.map(read).transpose()
}

/// One secret that must be there.
///
/// # Errors
/// [`Refused::NotFound`].
pub fn need(tx: &mut Tx<'_>, name: &Name) -> Result<Stored<Secret>, ApplyError> {
    let found = get(tx, name)?.filter(|secret| !secret.retired);
    found.ok_or_else(|| {
        Refused::NotFound {
            what: "secrets",
            key: name.to_string(),
        }
        .into()
    })
}

/// All secrets by name, retired ones too.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<Secret>>, StoreError> {
    let rows = SECRETS.load(conn, "ORDER BY t.name", &[])?;
    rows.into_iter().map(read).collect()
}

/// One version.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn version(
    conn: &mut Conn,
    secret: &Name,
    number: i64,
) -> Result<Option<Stored<SecretVersion>>, StoreError> {
    let key = [secret.as_str().into(), number.into()];
    SECRET_VERSIONS.get(conn, &key)?.map(read_version).transpose()
}

/// The versions of a secret, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn versions(conn: &mut Conn, secret: &Name) -> Result<Vec<Stored<SecretVersion>>, StoreError> {
    let rows = SECRET_VERSIONS.load(
        conn,
        "WHERE t.secret = $1 ORDER BY t.version",
        &[secret.as_str().into()],
    )?;
    rows.into_iter().map(read_version).collect()
}

/// Versions that are out of use and whose overlap is over at `now`, but that still hold a value.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn outlived(conn: &mut Conn, now: Timestamp) -> Result<Vec<Stored<SecretVersion>>, StoreError> {
    let rows = SECRET_VERSIONS.load(
        conn,
        "WHERE t.until <= $1 AND length(t.sealed) > 0 ORDER BY t.secret, t.version",
        &[now.0.into()],
    )?;
    rows.into_iter().map(read_version).collect()
}

fn columns(secret: &Secret) -> [Value<'_>; 6] {
    [
        secret.name.as_str().into(),
        secret.system.as_ref().map(Name::as_str).into(),
        secret.account.as_deref().into(),
        secret.source.as_str().into(),
        secret.version.into(),
        secret.retired.into(),
    ]
}

fn version_columns(version: &SecretVersion) -> [Value<'_>; 6] {
    [
        version.secret.as_str().into(),
        version.version.into(),
        version.wrapped.as_slice().into(),
        version.sealed.as_slice().into(),
        version.made_at.0.into(),
        version.until.map(|until| until.0).into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Secret>, StoreError> {
    let columns = Columns::of(&SECRETS, &row);
    let value = Secret {
        name: columns.parsed(0)?,
        system: columns.opt_parsed(1)?,
        account: columns.opt_parsed(2)?,
        source: columns.text(3)?.to_owned(),
        version: columns.int(4)?,
        retired: columns.int(5)? != 0,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read_version(row: Checked) -> Result<Stored<SecretVersion>, StoreError> {
    let columns = Columns::of(&SECRET_VERSIONS, &row);
    let value = SecretVersion {
        secret: columns.parsed(0)?,
        version: columns.int(1)?,
        wrapped: columns.bytes(2)?.to_vec(),
        sealed: columns.bytes(3)?.to_vec(),
        made_at: Timestamp(columns.int(4)?),
        until: columns.opt_int(5)?.map(Timestamp),
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
