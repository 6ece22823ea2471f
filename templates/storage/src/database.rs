//! The database, as a service has it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chassis::trace::{Kind, Span};
use sqlx::SqlSafeStr;
use tokio::time::Instant;

use crate::connection::{Connection, Isolation, Lent, Pool, Statement};
use crate::metrics::Metrics;
use crate::open::{Opened, open};
use crate::transaction::bounded;
use crate::{Error, Migration, Query, Settings, Transaction};

/// A database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Arc<Pool>,
    /// How many of its connections are in use.
    lent: Arc<AtomicU32>,
    system: System,
    name: String,
    server: Option<(String, u16)>,
    settings: Settings,
    metrics: Metrics,
}

/// Which kind of database it is, for the SQL that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// SQLite, in this process.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl System {
    /// As OpenTelemetry's semantic conventions call it.
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

impl Database {
    /// Opens the database that `settings` name and brings its tables up to date with `migrations`.
    /// Until it answers, it is tried again, for `migration_timeout`: services and their databases
    /// are started in any order. A database of PostgreSQL that is not there is made, where the user
    /// may do that.
    ///
    /// # Errors
    /// When the settings are wrong, the database does not answer in time, or a migration fails.
    pub async fn open(settings: &Settings, migrations: &[Migration]) -> Result<Self, Error> {
        let Opened {
            pool,
            system,
            name,
            server,
        } = open(settings)?;
        let (pool, metrics) = (Arc::new(pool), Metrics::of(&name));
        metrics.follow(&pool);
        let database = Self(Arc::new(Inner {
            pool,
            lent: Arc::default(),
            system,
            name,
            server,
            settings: settings.clone(),
            metrics,
        }));
        database.migrate(migrations).await?;
        let (place, system) = (database.place(), database.0.system.name());
        tracing::info!(database = place, system, "the database is ready");
        Ok(database)
    }

    /// Brings further tables up to date, as [`open`](Self::open) does: those of a part that keeps its
    /// own.
    ///
    /// # Errors
    /// When the database does not answer in time, or a migration fails.
    pub async fn migrate(&self, migrations: &[Migration]) -> Result<(), Error> {
        crate::migrate::run(self, migrations, self.0.settings.migration_timeout.get()).await
    }

    /// Makes the database itself.
    pub(crate) async fn create(&self) -> Result<(), Error> {
        crate::open::create(&self.0.settings).await
    }

    /// A statement, which runs by itself: see [`transaction`](Self::transaction) for several that hold
    /// together. Text that is put together while the program runs needs [`AssertSqlSafe`](crate::AssertSqlSafe).
    pub fn query(&self, sql: impl SqlSafeStr) -> Query<'_> {
        Query::on_database(self, sql.into_sql_str())
    }

    /// Runs `work` in a transaction: all of it holds, or, when it fails, nothing. When it collides with
    /// others (a serialization failure, a deadlock, SQLite's `BUSY`) or the connection is lost before
    /// the commit, it is run again, `max_attempts` times in all: it should have no effects but those in
    /// the database.
    ///
    /// ```no_run
    /// # async fn example(database: storage::Database) -> Result<(), storage::Error> {
    /// let left: i64 = database
    ///     .transaction(async |transaction| {
    ///         transaction
    ///             .query("UPDATE stock SET count = count - 1 WHERE item = $1 RETURNING count")
    ///             .bind("book")
    ///             .fetch_one()
    ///             .await
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `work` borrows what it needs. (It is cloned for each attempt, and not called several times: the
    /// future of a closure that is called again borrows from the closure, and the compiler does not
    /// see that threads can hand it to each other, as handlers have to.)
    ///
    /// # Errors
    /// Those of `work`, and of the transaction itself.
    pub async fn transaction<T, E, W>(&self, work: W) -> Result<T, E>
    where
        W: AsyncFnOnce(&mut Transaction) -> Result<T, E> + Clone,
        E: From<Error> + std::error::Error + 'static,
    {
        let attempts = self.0.settings.max_attempts;
        crate::transaction::run(self, Isolation::ReadCommitted, work, attempts).await
    }

    /// As [`transaction`](Self::transaction), and as if no others were there: what it has read is still so
    /// when it is committed. In SQLite all are like that; in PostgreSQL it costs more, and is for work
    /// that decides by what it reads, unless that is in the statement that writes
    /// (`UPDATE … WHERE count > 0`).
    ///
    /// # Errors
    /// Those of `work`, and of the transaction itself.
    pub async fn serializable<T, E, W>(&self, work: W) -> Result<T, E>
    where
        W: AsyncFnOnce(&mut Transaction) -> Result<T, E> + Clone,
        E: From<Error> + std::error::Error + 'static,
    {
        let attempts = self.0.settings.max_attempts;
        crate::transaction::run(self, Isolation::Serializable, work, attempts).await
    }

    /// Begins a transaction that is ended by hand, and is not run again. It is rolled back when it is
    /// dropped.
    ///
    /// # Errors
    /// When there is no connection in time.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Transaction::begin(self, Isolation::ReadCommitted).await
    }

    /// Asks the database whether it is there.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ping(&self) -> Result<(), Error> {
        let statement = Statement {
            sql: "SELECT 1".into_sql_str(),
            values: Vec::new(),
        };
        // Neither measured nor traced: it is asked every few seconds.
        let connection = self.lend().await;
        let mut connection = connection.map_err(|error| self.why(error))?;
        let limit = self.0.settings.acquire_timeout.get();
        let ask = async |it: &mut Connection| Ok(it.execute(statement).await?);
        bounded(&mut connection, limit, ask).await?;
        Ok(())
    }

    /// [`ping`](Self::ping), for [`Services::depends_on`](chassis::Services::depends_on):
    /// `services.depends_on("database", database.probe())`.
    pub fn probe(
        &self,
    ) -> impl Fn() -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> + use<> {
        let database = self.clone();
        move || {
            let database = database.clone();
            Box::pin(async move { database.ping().await })
        }
    }

    /// Which kind of database it is.
    #[must_use]
    pub fn system(&self) -> System {
        self.0.system
    }

    /// Closes its connections when they are done. Nothing can be asked any more.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }

    /// A connection, in time.
    pub(crate) async fn connection(&self) -> Result<Lent, Error> {
        let began = Instant::now();
        let connection = self.lend().await;
        self.0.metrics.acquired(began.elapsed());
        if let Err(sqlx::Error::PoolTimedOut) = connection {
            self.0.metrics.timed_out();
        }
        connection.map_err(|error| self.why(error))
    }

    /// Why there is no connection. sqlx tells in the same way that all are in use and that none could be
    /// made.
    fn why(&self, error: sqlx::Error) -> Error {
        let connections = self.0.pool.max_connections();
        match error {
            sqlx::Error::PoolTimedOut if self.0.lent.load(Ordering::Relaxed) >= connections => {
                Error::Exhausted { connections }
            }
            error => error.into(),
        }
    }

    async fn lend(&self) -> sqlx::Result<Lent> {
        let connection = self.0.pool.acquire().await?;
        Ok(Lent::new(connection, &self.0.lent))
    }

    /// The span of something that this database does.
    pub(crate) fn span(&self, name: String) -> Span {
        let span = Span::new(Kind::Client, name)
            .attribute("db.system.name", self.0.system.name())
            .attribute("db.namespace", self.0.name.clone());
        match &self.0.server {
            Some((host, port)) => span
                .attribute("server.address", host.clone())
                .attribute("server.port", i64::from(*port)),
            None => span,
        }
    }

    /// Where it is, for people: a name, and a server.
    pub(crate) fn place(&self) -> String {
        match &self.0.server {
            Some((host, port)) => format!("{} on {host}:{port}", self.0.name),
            None => self.0.name.clone(),
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The longest that a statement may take, if there is a limit.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let limit = self.0.settings.statement_timeout.get();
        (!limit.is_zero()).then_some(limit)
    }
}
