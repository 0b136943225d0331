//! One session with a server, over a stream the dialler made.
//!
//! A session of the house never waits without end. One that gives no answer is closed, and what it was asked is unknown: it
//! may be done later. So the next one under its name first ends those before it, and only then is anything looked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

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
    given_up: AtomicBool,
}

/// How long signing in may take.
const SIGN_IN: Duration = Duration::from_secs(10);
/// How long the server may take over one statement of the house, and wait for a lock; it gives up by itself then.
const SERVER_LIMITS: &str = "SET statement_timeout = '8s'; SET lock_timeout = '2s'";
/// How long its answer may take, in all.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a session before may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What tasks' sessions are called there.
const PLAIN: &str = "remit";

/// Most bytes of an answer that is ours alone: catalogues, lists of roles.
const OWN_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// True when it cannot be used any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.given_up.load(Ordering::Acquire) || self.client.is_closed()
    }

    /// Waits for an answer as long as `limit`; then the session is closed, and whether it was done is not known.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, BackendError> {
        if let Ok(answer) = tokio::time::timeout(limit, asked).await {
            return answer.map_err(|error| failed(&error));
        }
        self.given_up.store(true, Ordering::Release);
        self.driver.abort();
        Err(BackendError::Away(format!(
            "PostgreSQL gave no answer within {} s, so the session was closed; whether it was done is not known",
            limit.as_secs()
        )))
    }

    /// Asks something of ours.
    pub(super) async fn rows(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, BackendError> {
        self.meter.refill(OWN_BYTES_MAX);
        self.within(ANSWER, self.client.query(query, values)).await
    }

    /// Has something of ours done, all of it or nothing.
    pub(super) async fn execute(&self, script: &str) -> Result<(), BackendError> {
        self.meter.refill(OWN_BYTES_MAX);
        self.within(ANSWER, self.client.batch_execute(script)).await
    }

    /// Ends another session of the same account, or of a role that this one may end.
    ///
    /// # Errors
    /// [`BackendError`] when the server refuses or is away.
    pub async fn terminate(&self, pid: i32) -> Result<(), BackendError> {
        self.rows("SELECT pg_catalog.pg_terminate_backend($1)", &[&pid])
            .await
            .map(drop)
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
    signed_in(account, schema, PLAIN, streams).await
}

/// Opens a session of the house. It is the only one of its name: those before it are ended, and gone, when this answers, so
/// what they were asked is done or never will be. The server gives up by itself what takes too long.
///
/// # Errors
/// [`BackendError`] when the server is away, does not let the account in, or an earlier session cannot be ended.
pub async fn connect_house(
    account: &Account,
    schema: &str,
    name: &str,
    streams: &dyn Streams,
) -> Result<Session, BackendError> {
    let session = signed_in(account, schema, name, streams).await?;
    session.execute(SERVER_LIMITS).await?;
    session.alone(name).await?;
    Ok(session)
}

async fn signed_in(
    account: &Account,
    schema: &str,
    name: &str,
    streams: &dyn Streams,
) -> Result<Session, BackendError> {
    let away = |_| BackendError::Away(format!("PostgreSQL let nobody in within {} s", SIGN_IN.as_secs()));
    let opening = open(account, schema, name, streams);
    tokio::time::timeout(SIGN_IN, opening).await.map_err(away)?
}

async fn open(
    account: &Account,
    schema: &str,
    name: &str,
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
        .application_name(name)
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
        given_up: AtomicBool::new(false),
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

    /// Ends every other session of this account under `name` here, and waits until it is gone.
    async fn alone(&self, name: &str) -> Result<(), BackendError> {
        let ending = async {
            loop {
                let left = self
                    .rows(
                        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                         WHERE application_name = $1 AND usename = session_user AND datname = current_database() \
                           AND pid <> pg_catalog.pg_backend_pid()",
                        &[&name],
                    )
                    .await?;
                if left.is_empty() {
                    return Ok(());
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(GONE, ending).await.map_err(|_| {
            BackendError::Away(
                "an earlier session of ours there has not ended yet, and may still do what it was asked"
                    .to_owned(),
            )
        })?
    }
}
