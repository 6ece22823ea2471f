//! Statements that hold together.

use std::sync::Arc;
use std::time::Duration;

use chassis::backoff::Backoff;
use chassis::trace::{Kind, Span};
use sqlx::SqlSafeStr;

use crate::connection::{Connection, Isolation, Lent};
use crate::{Database, Error, Query};

/// The pauses between attempts.
const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The longest wait for a transaction to begin or to end, when statements have no limit.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest wait for the end of a transaction that was dropped.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A transaction. What was done in it holds when it is committed; it is rolled back when it is
/// dropped. When a statement fails, nothing more can be done in it: insert with `ON CONFLICT DO NOTHING`
/// where a row may be there.
#[derive(Debug)]
pub struct Transaction {
    database: Database,
    /// Until it has ended.
    connection: Option<Lent>,
    /// Whether a statement has failed. PostgreSQL would answer a commit as if all were well.
    has_failed: bool,
}

impl Transaction {
    pub(crate) async fn begin(database: &Database, isolation: Isolation) -> Result<Self, Error> {
        // It is there before it has begun: whoever gives up meanwhile leaves nothing open.
        let mut transaction = Self {
            database: database.clone(),
            connection: Some(database.connection().await?),
            has_failed: false,
        };
        let limit = transaction.limit();
        let begin = async |it: &mut Connection| Ok(it.begin(isolation).await?);
        bounded(transaction.connection()?, limit, begin).await?;
        Ok(transaction)
    }

    /// A statement of this transaction.
    pub fn query(&mut self, sql: impl SqlSafeStr) -> Query<'_> {
        Query::in_transaction(self, sql.into_sql_str())
    }

    /// The database in which it is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Makes it hold.
    ///
    /// # Errors
    /// [`Error::CommitUnknown`] when the connection is lost on the way, or there is no answer; [`Error::Aborted`] when a
    /// statement has failed, and what else the database has against it: then nothing holds.
    pub async fn commit(mut self) -> Result<(), Error> {
        if self.has_failed {
            return Err(Error::Aborted);
        }
        match self.end("COMMIT").await {
            Err(Error::Unavailable(source)) => Err(Error::CommitUnknown(source)),
            Err(Error::Timeout(limit)) => {
                let silence = format!("no answer within {limit:?}");
                let silence = std::io::Error::new(std::io::ErrorKind::TimedOut, silence);
                Err(Error::CommitUnknown(Arc::new(sqlx::Error::Io(silence))))
            }
            outcome => outcome,
        }
    }

    /// Undoes it, and waits until that is done.
    ///
    /// # Errors
    /// When the connection is lost, which undoes it as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(&mut self, sql: &'static str) -> Result<(), Error> {
        let limit = self.limit();
        let end = async |it: &mut Connection| Ok(it.script(sql).await?);
        bounded(self.connection()?, limit, end).await?;
        // Only now is there nothing left to undo.
        self.connection = None;
        Ok(())
    }

    fn limit(&self) -> Duration {
        self.database.statement_timeout().unwrap_or(CONTROL_TIMEOUT)
    }

    pub(crate) fn connection(&mut self) -> Result<&mut Connection, Error> {
        // It is there until `commit` or `rollback`, which take the transaction with them.
        self.connection.as_deref_mut().ok_or(Error::Aborted)
    }

    /// The same for a statement, which has failed unless it [succeeds](Self::succeeded): whoever gives
    /// up waiting for it does not know either.
    pub(crate) fn for_statement(&mut self) -> Result<&mut Connection, Error> {
        match std::mem::replace(&mut self.has_failed, true) {
            true => Err(Error::Aborted),
            false => self.connection(),
        }
    }

    /// A statement has succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.has_failed = false;
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        // Without a runtime there is no pool that it could go back to.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            connection.give_up();
            return;
        };
        runtime.spawn(async move {
            let rollback = async |it: &mut Connection| Ok(it.script("ROLLBACK").await?);
            if let Err(error) = bounded(&mut connection, ROLLBACK_TIMEOUT, rollback).await {
                // There may be no transaction any more, and the connection may be gone with it.
                tracing::debug!(%error, "a transaction was not rolled back");
                connection.give_up();
            }
        });
    }
}

/// Uses a connection, for `limit` at most. When that is over, or whoever waits for it gives up, the
/// connection is not used again.
pub(crate) async fn bounded<T>(
    connection: &mut Connection,
    limit: Duration,
    work: impl AsyncFnOnce(&mut Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut busy = Busy {
        connection,
        is_done: false,
    };
    let outcome = tokio::time::timeout(limit, work(busy.connection)).await;
    busy.is_done = outcome.is_ok();
    outcome.unwrap_or(Err(Error::Timeout(limit)))
}

/// A connection that waits for an answer.
struct Busy<'c> {
    connection: &'c mut Connection,
    is_done: bool,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.connection.give_up();
        }
    }
}

/// Runs `work` until it goes through, `attempts` times at most.
pub(crate) async fn run<T, E, W>(
    database: &Database,
    isolation: Isolation,
    work: W,
    attempts: u32,
) -> Result<T, E>
where
    W: AsyncFnOnce(&mut Transaction) -> Result<T, E> + Clone,
    E: From<Error> + std::error::Error + 'static,
{
    let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
    for _ in 1..attempts {
        match attempt(database, isolation, work.clone()).await {
            Err(error) if Error::cause_of(&error).is_some_and(Error::is_transient) => {
                database.metrics().retried();
                tokio::time::sleep(backoff.delay()).await;
            }
            outcome => return outcome,
        }
    }
    attempt(database, isolation, work).await
}

async fn attempt<T, E, W>(database: &Database, isolation: Isolation, work: W) -> Result<T, E>
where
    W: AsyncFnOnce(&mut Transaction) -> Result<T, E>,
    E: From<Error> + std::error::Error + 'static,
{
    let attempt = async {
        let mut transaction = Transaction::begin(database, isolation).await?;
        match work(&mut transaction).await {
            Ok(done) => {
                transaction.commit().await?;
                Ok(done)
            }
            Err(error) => {
                // A connection that is lost has undone it as well.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    };
    Span::new(Kind::Internal, "transaction").run(attempt).await
}
