//! Logins: what an authorization server gave us for one person towards one upstream server, and who we are to it. Values
//! are sealed and opened elsewhere; here lies ciphertext.

use remit_core::name::Name;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::{LOGINS, OAUTH_CLIENTS};

/// Where a login stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Its tokens may be used and refreshed.
    Ready,
    /// The authorization server no longer takes what it gave: a person has to sign in again.
    Over,
}

impl LoginState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Over => "over",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Ready, Self::Over]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The upstream server.
    pub server: Name,
    /// Whose it is: a person.
    pub owner: Name,
    /// The authorization server that gave it; nobody else is ever shown it.
    pub issuer: String,
    /// Tokens and what belongs to them, sealed; empty once there are none.
    pub sealed: Vec<u8>,
    /// Where it stands.
    pub state: LoginState,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("server", &self.server)
            .field("owner", &self.owner)
            .field("issuer", &self.issuer)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Keeps a login; `before` is the one it replaces, as it was read.
///
/// # Errors
/// [`Refused::Stale`] or [`Refused::Duplicate`] when somebody else changed it meanwhile.
pub fn keep(tx: &mut Tx<'_>, login: &Login, before: Option<&Stored<Login>>) -> Result<(), ApplyError> {
    match before {
        None => LOGINS.insert(tx, &columns(login)).map(drop),
        Some(before) => LOGINS.update(tx, &columns(login), before.changed),
    }
}

/// Ends a login: its tokens are gone from here.
///
/// # Errors
/// [`Refused::NotFound`] when there is none.
pub fn end(tx: &mut Tx<'_>, server: &Name, owner: &Name) -> Result<(), ApplyError> {
    let Some(mut login) = get(tx, server, owner)? else {
        return Err(Refused::NotFound {
            what: "logins",
            key: format!("{server}/{owner}"),
        }
        .into());
    };
    login.value.sealed = Vec::new();
    login.value.state = LoginState::Over;
    LOGINS.update(tx, &columns(&login.value), login.changed)
}

/// The login of one person to one server.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, server: &Name, owner: &Name) -> Result<Option<Stored<Login>>, StoreError> {
    let row = LOGINS.get(conn, &[server.as_str().into(), owner.as_str().into()])?;
    row.map(read).transpose()
}

/// All logins.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<Login>>, StoreError> {
    let rows = LOGINS.load(conn, "ORDER BY t.server, t.owner", &[])?;
    rows.into_iter().map(read).collect()
}

/// Keeps who we are to an issuer, sealed, for answers that come back to `redirect_uri`. A later registration replaces an
/// earlier one.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn keep_client(
    tx: &mut Tx<'_>,
    issuer: &str,
    redirect_uri: &str,
    sealed: &[u8],
) -> Result<(), ApplyError> {
    let values: [Value<'_>; 3] = [issuer.into(), redirect_uri.into(), sealed.into()];
    match OAUTH_CLIENTS.get(tx, &[issuer.into(), redirect_uri.into()])? {
        None => OAUTH_CLIENTS.insert(tx, &values).map(drop),
        Some(old) => OAUTH_CLIENTS.update(tx, &values, old.changed),
    }
}

/// Who we are to an issuer, sealed.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn client(conn: &mut Conn, issuer: &str, redirect_uri: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = OAUTH_CLIENTS.get(conn, &[issuer.into(), redirect_uri.into()])?;
    row.map(|row| Ok(Columns::of(&OAUTH_CLIENTS, &row).bytes(2)?.to_vec()))
        .transpose()
}

fn columns(login: &Login) -> [Value<'_>; 5] {
    [
        login.server.as_str().into(),
        login.owner.as_str().into(),
        login.issuer.as_str().into(),
        login.sealed.as_slice().into(),
        login.state.as_str().into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Login>, StoreError> {
    let columns = Columns::of(&LOGINS, &row);
    let value = Login {
        server: columns.parsed(0)?,
        owner: columns.parsed(1)?,
        issuer: columns.text(2)?.to_owned(),
        sealed: columns.bytes(3)?.to_vec(),
        state: columns.word(4, LoginState::parse)?,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
