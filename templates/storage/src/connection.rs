//! The two databases, as one.
//!
//! sqlx has a driver for any database as well, but that knows neither truth values in SQLite nor
//! errors without a copy; here each database has its own types, and what differs stands in this file
//! and in `row.rs`.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, SqlStr};

use crate::row::{Inner, Row};
use crate::value::{Kind, Value};

/// What a transaction sees of others. SQLite knows the second alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Isolation {
    /// What they have committed, by the time of each statement.
    ReadCommitted,
    /// Nothing: all are as if one came after another.
    Serializable,
}

/// Connections that are shared.
#[derive(Debug, Clone)]
pub(crate) enum Pool {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) enum Connection {
    #[cfg(feature = "sqlite")]
    Sqlite(PoolConnection<sqlx::Sqlite>),
    #[cfg(feature = "postgres")]
    Postgres(PoolConnection<sqlx::Postgres>),
}

/// A connection that is counted for as long as it is used.
#[derive(Debug)]
pub(crate) struct Lent {
    connection: Connection,
    _count: Count,
}

#[derive(Debug)]
struct Count(Arc<AtomicU32>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lent {
    /// Counts it with the others in `lent`.
    pub(crate) fn new(connection: Connection, lent: &Arc<AtomicU32>) -> Self {
        lent.fetch_add(1, Ordering::Relaxed);
        let _count = Count(Arc::clone(lent));
        Self { connection, _count }
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

/// The same for each of them.
macro_rules! each {
    ($enum:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "sqlite")]
            $enum::Sqlite($inner) => $body,
            #[cfg(feature = "postgres")]
            $enum::Postgres($inner) => $body,
        }
    };
}

/// A statement with its values, for whichever database it turns out to be for.
macro_rules! bound {
    ($statement:expr) => {{
        let Statement { sql, values } = $statement;
        let mut query = sqlx::query(sql);
        for value in values {
            query = match value {
                Value::Null(Kind::Bool) => query.bind(None::<bool>),
                Value::Null(Kind::Int) => query.bind(None::<i64>),
                Value::Null(Kind::Double) => query.bind(None::<f64>),
                Value::Null(Kind::Text) => query.bind(None::<String>),
                Value::Null(Kind::Bytes) => query.bind(None::<Vec<u8>>),
                Value::Bool(value) => query.bind(value),
                Value::Int(value) => query.bind(value),
                Value::Double(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

/// SQL, and what stands in for its placeholders.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: SqlStr,
    pub(crate) values: Vec<Value>,
}

impl Pool {
    pub(crate) async fn acquire(&self) -> sqlx::Result<Connection> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(pool) => pool.acquire().await.map(Connection::Sqlite),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.acquire().await.map(Connection::Postgres),
        }
    }

    pub(crate) async fn close(&self) {
        each!(Self, self, pool => pool.close().await);
    }

    pub(crate) fn is_closed(&self) -> bool {
        each!(Self, self, pool => pool.is_closed())
    }

    /// How many connections there are, and how many of them nobody uses.
    pub(crate) fn connections(&self) -> (u32, u32) {
        let (open, idle) = each!(Self, self, pool => (pool.size(), pool.num_idle()));
        (open, u32::try_from(idle).unwrap_or(u32::MAX))
    }

    pub(crate) fn max_connections(&self) -> u32 {
        each!(Self, self, pool => pool.options().get_max_connections())
    }
}

impl Connection {
    /// Runs a statement; how many rows it changed.
    pub(crate) async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        each!(Self, self, connection => {
            let outcome = bound!(statement).execute(&mut **connection).await?;
            Ok(outcome.rows_affected())
        })
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        statement: Statement,
    ) -> sqlx::Result<Option<Row>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                let row = bound!(statement).fetch_optional(&mut **connection).await?;
                Ok(row.map(Inner::Sqlite).map(Row))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let row = bound!(statement).fetch_optional(&mut **connection).await?;
                Ok(row.map(Inner::Postgres).map(Row))
            }
        }
    }

    pub(crate) async fn fetch_all(&mut self, statement: Statement) -> sqlx::Result<Vec<Row>> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => {
                let rows = bound!(statement).fetch_all(&mut **connection).await?;
                Ok(rows
                    .into_iter()
                    .map(|row| Row(Inner::Sqlite(row)))
                    .collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => {
                let rows = bound!(statement).fetch_all(&mut **connection).await?;
                Ok(rows
                    .into_iter()
                    .map(|row| Row(Inner::Postgres(row)))
                    .collect())
            }
        }
    }

    /// Runs a script of any number of statements, without values.
    pub(crate) async fn script(&mut self, sql: impl Into<String>) -> sqlx::Result<()> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.into()));
        each!(Self, self, connection => connection.execute(script).await.map(|_| ()))
    }

    /// Begins a transaction. In SQLite it takes the right to write at once: one that reads first and
    /// then finds that others have written cannot go on, however long it waits
    /// (<https://www.sqlite.org/isolation.html>).
    pub(crate) async fn begin(&mut self, isolation: Isolation) -> sqlx::Result<()> {
        let sql = match (&*self, isolation) {
            #[cfg(feature = "sqlite")]
            (Self::Sqlite(_), _) => "BEGIN IMMEDIATE",
            #[cfg(feature = "postgres")]
            (Self::Postgres(_), Isolation::ReadCommitted) => "BEGIN",
            #[cfg(feature = "postgres")]
            (Self::Postgres(_), Isolation::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        };
        self.script(sql).await
    }

    /// It may be waiting for an answer that never comes: it is not used again. SQLite's own thread
    /// always answers, and a database in memory would be gone with its connection.
    pub(crate) fn give_up(&mut self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {}
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.close_on_drop(),
        }
    }
}
