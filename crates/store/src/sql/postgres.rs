//! PostgreSQL through the synchronous `postgres` client; its connections live on our own threads only.

use std::collections::HashMap;

use ::postgres::error::SqlState;
use ::postgres::types::private::BytesMut;
use ::postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use ::postgres::{Client, Config, NoTls, Statement};

use super::{DbError, DbErrorKind, Row, Value};

/// Key of the advisory lock that says one Remit works on this database: `RMIT` twice.
pub(crate) const APPLICATION_LOCK: i64 = 0x524d_4954_524d_4954;

pub(crate) struct Postgres {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Postgres {
    pub(crate) fn open(url: &str, read_only: bool) -> Result<Self, DbError> {
        let mut config: Config = url.parse()?;
        config
            .application_name("remit")
            .connect_timeout(std::time::Duration::from_secs(10))
            .keepalives_idle(std::time::Duration::from_secs(10));
        let mut client = config.connect(NoTls)?;
        client.batch_execute(
            "SET synchronous_commit = on; SET client_min_messages = warning; SET lock_timeout = '10s'; \
             SET standard_conforming_strings = on;",
        )?;
        if read_only {
            client.batch_execute("SET default_transaction_read_only = on;")?;
        }
        Ok(Self {
            client,
            statements: HashMap::new(),
        })
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        Ok(self.client.batch_execute(sql)?)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn statement(&mut self, sql: &str) -> Result<Statement, DbError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        let statement = self.statement(sql)?;
        Ok(self.client.execute(&statement, &borrowed(params))?)
    }

    pub(crate) fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        let statement = self.statement(sql)?;
        let rows = self.client.query(&statement, &borrowed(params))?;
        rows.iter().map(read).collect()
    }
}

fn borrowed<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn read(row: &::postgres::Row) -> Result<Row, DbError> {
    let mut values = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        values.push(match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
            Type::BOOL => row.try_get::<_, Option<bool>>(at)?.map(i64::from).into(),
            Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(at)?.into(),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.into(),
            ref other => {
                return Err(DbError::new(
                    DbErrorKind::Shape,
                    format!("column {at} has the type {other}"),
                ));
            }
        });
    }
    Ok(Row::new(values))
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(int) if *ty == Type::INT4 => i32::try_from(*int)?.to_sql(ty, out),
            Self::Int(int) if *ty == Type::INT8 => int.to_sql(ty, out),
            Self::Text(text) if *ty == Type::TEXT || *ty == Type::VARCHAR => text.as_ref().to_sql(ty, out),
            Self::Bytes(bytes) if *ty == Type::BYTEA => bytes.as_ref().to_sql(ty, out),
            other => Err(format!("{other:?} given where the database wants {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl From<::postgres::Error> for DbError {
    fn from(error: ::postgres::Error) -> Self {
        let kind = match error.code() {
            Some(&SqlState::DISK_FULL) => DbErrorKind::Full,
            Some(
                &(SqlState::T_R_SERIALIZATION_FAILURE
                | SqlState::T_R_DEADLOCK_DETECTED
                | SqlState::LOCK_NOT_AVAILABLE),
            ) => DbErrorKind::Conflict,
            Some(code) if code.code().starts_with("23") => DbErrorKind::Constraint,
            Some(code)
                if ["08", "53", "57", "58", "XX"]
                    .iter()
                    .any(|class| code.code().starts_with(class)) =>
            {
                DbErrorKind::Lost
            }
            Some(_) => DbErrorKind::Other,
            None => DbErrorKind::Lost,
        };
        let message = error
            .as_db_error()
            .map_or_else(|| error.to_string(), ToString::to_string);
        Self::new(kind, message)
    }
}
