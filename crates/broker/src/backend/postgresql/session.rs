//! One session with a server, over a stream the dialler made.

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use super::metered::{Meter, Metered};
use super::{BackendError, failed};
use crate::port::{Place, Streams};

/// Who signs in, and where.
#[derive(Clone, Debug)]
pub struct Account {
    /// Where the server is.
    pub place: Place,
    /// The database.
    pub database: String,
    /// The role.
    pub user: String,
    /// Its password, where the server asks for one.
    pub password: Option<SecretString>,
}

/// An open session; closed when dropped.
#[derive(Debug)]
pub struct Session {
    pub(super) client: Client,
    /// The server's number for it, by which another session can end it.
    pub pid: i32,
    /// What may still come in.
    pub(super) meter: Meter,
    driver: AbortHandle,
}

/// Most bytes of an answer that is ours alone: catalogues, lists of roles.
const OWN_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Before something of ours is asked.
    pub(super) fn refill(&self) {
        self.meter.refill(OWN_BYTES_MAX);
    }

    /// True when it cannot be used any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Ends another session of the same account, or of a role that this one may end.
    ///
    /// # Errors
    /// [`BackendError`] when the server refuses or is away.
    pub async fn terminate(&self, pid: i32) -> Result<(), BackendError> {
        self.refill();
        self.client
            .query("SELECT pg_catalog.pg_terminate_backend($1)", &[&pid])
            .await
            .map(drop)
            .map_err(|error| failed(&error))
    }
}

/// Opens a session. Strings mean what the standard says, and names are looked up in the catalogue and `schema` only.
///
/// # Errors
/// [`BackendError`] when the server is away or does not let the account in.
pub async fn connect(
    account: &Account,
    schema: &str,
    streams: &dyn Streams,
) -> Result<Session, BackendError> {
    let meter = Meter::new(OWN_BYTES_MAX);
    let stream = Metered {
        inner: streams.open(&account.place).await?,
        meter: meter.clone(),
    };
    let mut config = Config::new();
    config
        .user(&account.user)
        .dbname(&account.database)
        .application_name("remit")
        // The dialler has negotiated TLS already, where it belongs.
        .ssl_mode(SslMode::Disable);
    if let Some(password) = &account.password {
        config.password(password.expose_secret());
    }
    let (client, connection) = config
        .connect_raw(stream, NoTls)
        .await
        .map_err(|error| failed(&error))?;
    let driver = tokio::spawn(async move {
        // How it ended is seen by whoever uses the client.
        let _ = connection.await;
    });
    let session = Session {
        client,
        pid: 0,
        meter,
        driver: driver.abort_handle(),
    };
    session.begin(schema).await
}

impl Session {
    async fn begin(mut self, schema: &str) -> Result<Self, BackendError> {
        let settings = format!(
            "SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET search_path TO {}",
            super::quoted(schema)
        );
        self.client
            .batch_execute(&settings)
            .await
            .map_err(|error| failed(&error))?;
        let row = self
            .client
            .query_one("SELECT pg_catalog.pg_backend_pid()", &[])
            .await
            .map_err(|error| failed(&error))?;
        self.pid = row.try_get(0).map_err(|error| failed(&error))?;
        Ok(self)
    }
}
