//! `[databases.NAME]`: PostgreSQL databases that agents query through the built-in tools.

use std::path::PathBuf;

use remit_broker::backend::postgresql::Limits;
use remit_broker::port::Place;
use serde::Deserialize;

use super::duration::duration_ms;
use super::error::ConfigError;

/// `[databases.NAME]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// Host name or address.
    pub host: Option<String>,
    /// Folder of the Unix socket, in place of a host.
    pub socket: Option<PathBuf>,
    /// Port.
    pub port: u16,
    /// The database there.
    pub database: String,
    /// The account we sign in with: one that may make roles, or the one shared account.
    pub user: String,
    /// Name of the secret with its password.
    pub secret: Option<String>,
    /// TLS, verified against the host's name.
    pub tls: bool,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// Where tables without a schema in front are looked up.
    pub schema: String,
    /// A role for each task; `false` splits the one account by what statements say.
    pub roles: bool,
    /// Most rows of one answer.
    pub rows_max: u32,
    /// Longest time the server works on one statement: `"30s"`.
    pub timeout: String,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            host: None,
            socket: None,
            port: 5432,
            database: String::new(),
            user: String::new(),
            secret: None,
            tls: true,
            allow_private: false,
            schema: "public".to_owned(),
            roles: true,
            rows_max: 1000,
            timeout: "30s".to_owned(),
        }
    }
}

impl Database {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place {
        match (&self.socket, &self.host) {
            (Some(folder), _) => Place::Socket(folder.join(format!(".s.PGSQL.{}", self.port))),
            (None, host) => Place::Host {
                host: host.clone().unwrap_or_default(),
                port: self.port,
                tls: self.tls,
                allow_private: self.allow_private,
            },
        }
    }

    /// Bounds of one statement.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when `timeout` is no duration.
    pub fn limits(&self, name: &str) -> Result<Limits, ConfigError> {
        let timeout_ms = duration_ms(&self.timeout)
            .map_err(|message| ConfigError::value(format!("databases.{name}.timeout"), message))?;
        Ok(Limits {
            rows_max: usize::try_from(self.rows_max).unwrap_or(usize::MAX),
            changed_max: None,
            bytes_max: 4 * 1024 * 1024,
            timeout_ms: timeout_ms.clamp(1, remit_core::limits::UPSTREAM_CALL_MS_MAX),
        })
    }

    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let bad =
            |key: &str, message: &str| Err(ConfigError::value(format!("databases.{name}{key}"), message));
        if name.parse::<remit_core::name::Name>().is_err() {
            return bad("", "a name of a database has lower-case letters, digits and `-`");
        }
        if self.host.is_none() == self.socket.is_none() {
            return bad("", "give either `host` or `socket`");
        }
        if self.database.is_empty() || self.user.is_empty() {
            return bad("", "give `database` and `user`");
        }
        if self.schema.is_empty() || self.schema.starts_with("pg_") {
            return bad(".schema", "give the schema of your tables");
        }
        if let Some(secret) = &self.secret
            && secret.parse::<remit_core::name::Name>().is_err()
        {
            return bad(
                ".secret",
                "name a secret of `remit secret list`; the password itself does not belong here",
            );
        }
        if self.rows_max == 0 {
            return bad(".rows_max", "at least one row");
        }
        self.limits(name)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(), String> {
        let database: Database = toml::from_str(text).map_err(|error| error.to_string())?;
        database.check("erp").map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_missing_or_odd_is_named() {
        assert_eq!(read("host = 'db'\ndatabase = 'erp'\nuser = 'remit'"), Ok(()));
        for (text, what) in [
            ("database = 'erp'\nuser = 'remit'", "either `host` or `socket`"),
            (
                "host = 'db'\nsocket = '/run'\ndatabase = 'erp'\nuser = 'remit'",
                "either `host` or `socket`",
            ),
            ("host = 'db'\nuser = 'remit'", "`database` and `user`"),
            (
                "host = 'db'\ndatabase = 'erp'\nuser = 'remit'\nschema = 'pg_catalog'",
                "schema",
            ),
            (
                "host = 'db'\ndatabase = 'erp'\nuser = 'remit'\nsecret = 'S3cret!'",
                "name a secret",
            ),
            (
                "host = 'db'\ndatabase = 'erp'\nuser = 'remit'\ntimeout = 'soon'",
                "not a duration",
            ),
            (
                "host = 'db'\ndatabase = 'erp'\nuser = 'remit'\nrows_max = 0",
                "at least one",
            ),
            ("host = 'db'\npassword = 'x'", "unknown field"),
        ] {
            let why = read(text).unwrap_err();
            assert!(why.contains(what), "{text}: {why}");
            assert!(!why.contains("S3cret"), "{why}");
        }
    }
}
