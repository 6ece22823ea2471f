//! Statements: a span, a time limit and a measurement each.

use std::time::Duration;

use sqlx::SqlStr;
use tokio::time::Instant;

use crate::connection::{Connection, Statement};
use crate::row::{FromRow, Row};
use crate::summary::Summary;
use crate::transaction::bounded;
use crate::value::Bind;
use crate::{Database, Error, Transaction};

/// What the server's own limit gets to work before the client gives up: a server that stands still
/// keeps none.
const GRACE: Duration = Duration::from_secs(1);

/// No limit: thirty years, as tokio has it.
const FOREVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// A statement that has not run.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is executed or fetched from"]
pub struct Query<'c> {
    on: On<'c>,
    statement: Statement,
    is_traced: bool,
}

#[derive(Debug)]
enum On<'c> {
    Database(&'c Database),
    Transaction(&'c mut Transaction),
}

/// What of the result is wanted.
enum Wanted {
    Count,
    One,
    All,
}

enum Got {
    Count(u64),
    Rows(Vec<Row>),
}

impl<'c> Query<'c> {
    pub(crate) fn on_database(database: &'c Database, sql: SqlStr) -> Self {
        let (on, values) = (On::Database(database), Vec::new());
        let statement = Statement { sql, values };
        Self {
            on,
            statement,
            is_traced: true,
        }
    }

    pub(crate) fn in_transaction(transaction: &'c mut Transaction, sql: SqlStr) -> Self {
        let (on, values) = (On::Transaction(transaction), Vec::new());
        let statement = Statement { sql, values };
        Self {
            on,
            statement,
            is_traced: true,
        }
    }

    /// The value of the next placeholder: the first call is for `$1`.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.statement.values.push(value.into_value());
        self
    }

    /// Runs it without a span of its own: for what is asked again and again, where nobody waits for it.
    pub fn untraced(mut self) -> Self {
        self.is_traced = false;
        self
    }

    /// Runs it. The number of rows that it changed.
    ///
    /// # Errors
    /// What the database has against it.
    pub async fn execute(self) -> Result<u64, Error> {
        match self.run(Wanted::Count).await? {
            Got::Count(count) => Ok(count),
            Got::Rows(_) => Ok(0),
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// What the database has against it; a row that is no `T`.
    pub async fn fetch_optional<T: FromRow>(self) -> Result<Option<T>, Error> {
        match self.run(Wanted::One).await? {
            Got::Rows(rows) => rows.first().map(T::from_row).transpose(),
            Got::Count(_) => Ok(None),
        }
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; what the database has against it; a row that is no `T`.
    pub async fn fetch_one<T: FromRow>(self) -> Result<T, Error> {
        self.fetch_optional().await?.ok_or(Error::NotFound)
    }

    /// All rows, in memory: limit how many there can be.
    ///
    /// # Errors
    /// What the database has against it; a row that is no `T`.
    pub async fn fetch_all<T: FromRow>(self) -> Result<Vec<T>, Error> {
        match self.run(Wanted::All).await? {
            Got::Rows(rows) => rows.iter().map(T::from_row).collect(),
            Got::Count(_) => Ok(Vec::new()),
        }
    }

    async fn run(self, wanted: Wanted) -> Result<Got, Error> {
        let Self {
            on,
            statement,
            is_traced,
        } = self;
        let database = match &on {
            On::Database(database) => (*database).clone(),
            On::Transaction(transaction) => transaction.database().clone(),
        };
        let summary = Summary::of(statement.sql.as_str());
        let mut span = database
            .span(summary.text())
            .attribute("db.operation.name", summary.operation)
            .attribute("db.query.summary", summary.text())
            // Values are never part of it.
            .attribute("db.query.text", statement.sql.as_str().to_owned());
        if let Some(table) = summary.table {
            span = span.attribute("db.collection.name", table);
        }
        let limit = database.statement_timeout();
        let began = Instant::now();
        let work = async {
            let got = match on {
                On::Database(database) => match database.connection().await {
                    Ok(mut connection) => run(&mut connection, statement, wanted, limit).await,
                    Err(error) => Err(error),
                },
                On::Transaction(transaction) => {
                    let got = match transaction.for_statement() {
                        Ok(connection) => run(connection, statement, wanted, limit).await,
                        Err(error) => Err(error),
                    };
                    if got.is_ok() {
                        transaction.succeeded();
                    }
                    got
                }
            };
            if let Err(error) = &got {
                chassis::trace::attribute("error.type", error.kind());
                if let Some(code) = error.code() {
                    chassis::trace::attribute("db.response.status_code", code);
                }
            }
            got
        };
        let got = match is_traced {
            true => span.run(work).await,
            false => work.await,
        };
        let outcome = got.as_ref().map_or_else(Error::kind, |_| "ok");
        database
            .metrics()
            .statement(summary.operation, outcome, began.elapsed());
        got
    }
}

/// Runs `statement` within `limit`.
async fn run(
    connection: &mut Connection,
    statement: Statement,
    wanted: Wanted,
    limit: Option<Duration>,
) -> Result<Got, Error> {
    let bound = limit.map_or(FOREVER, |limit| limit + GRACE);
    let got = bounded(connection, bound, async |connection| {
        Ok(match wanted {
            Wanted::Count => Got::Count(connection.execute(statement).await?),
            Wanted::One => {
                let row = connection.fetch_optional(statement).await?;
                Got::Rows(row.into_iter().collect())
            }
            Wanted::All => Got::Rows(connection.fetch_all(statement).await?),
        })
    });
    match (got.await, limit) {
        (Err(Error::Timeout(_)), Some(limit)) => Err(Error::Timeout(limit)),
        (got, _) => got,
    }
}
