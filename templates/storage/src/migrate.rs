//! Tables are made, and changed, by scripts that are part of the program.
//!
//! Each script runs once in a database, in a transaction of its own that also notes it down in the
//! table `_migrations`, so that either both hold or none. Instances that start at the same time wait
//! for each other: in PostgreSQL by an advisory lock that ends with the transaction, in SQLite because
//! one may write at a time. A process that is killed leaves no lock behind.

use std::time::Duration;

use chassis::backoff::Backoff;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::transaction::bounded;
use crate::{Database, Error, Query, System, Transaction};

/// The pauses while the database does not answer.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// Whom the advisory lock is for: any number that others will not use.
const LOCK: i64 = 0x6d69_6772_6174_6501;

/// A script that makes or changes tables. Once it was applied somewhere, it stays as it is: what
/// comes after it is another one.
/// [`migrations!`](crate::migrations) makes them of files.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    part: &'static str,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl Migration {
    /// The script `sql`, called `name`: `0001_orders`. `part` is whose it is, so that the parts of a
    /// service that have tables of their own can share a database: `env!("CARGO_PKG_NAME")`.
    #[must_use]
    pub const fn new(part: &'static str, name: &'static str, sql: &'static str) -> Self {
        Self {
            part,
            name,
            sqlite: sql,
            postgres: sql,
        }
    }

    /// Another script for PostgreSQL.
    #[must_use]
    pub const fn postgres(mut self, sql: &'static str) -> Self {
        self.postgres = sql;
        self
    }

    /// As in `0001_orders`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its name among those of all parts.
    fn full_name(&self) -> String {
        format!("{}/{}", self.part, self.name)
    }

    fn sql(&self, system: System) -> &'static str {
        match system {
            System::Sqlite => self.sqlite,
            System::Postgres => self.postgres,
        }
    }
}

/// The scripts `migrations/NAME.sql` of the crate, which stand beside its `Cargo.toml`, in this order.
///
/// ```ignore
/// pub const MIGRATIONS: &[Migration] = storage::migrations!["0001_orders", "0002_index"];
/// ```
#[macro_export]
macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$($crate::Migration::new(
            env!("CARGO_PKG_NAME"),
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/", $name, ".sql")),
        )),*]
    };
}

/// Applies those of `migrations` that were not, within `limit`. A database that is not there is made, where
/// we may.
pub(crate) async fn run(
    database: &Database,
    migrations: &[Migration],
    limit: Duration,
) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
    let mut may_create = true;
    loop {
        let error = match apply_all(database, migrations, deadline).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if may_create && matches!(error, Error::NoSuchDatabase(_)) {
            may_create = false;
            match database.create().await {
                Ok(()) => continue,
                // That it is not there says more than that we may not make it.
                Err(refused) => tracing::debug!(%refused, "the database cannot be made"),
            }
        }
        let is_transient = match &error {
            Error::Migration { source, .. } => source.is_transient(),
            error => error.is_transient(),
        };
        let pause = backoff.delay();
        if !is_transient || Instant::now() + pause >= deadline {
            return Err(error);
        }
        let database = database.place();
        tracing::warn!(database, error = ?error, ?pause, "the database is not ready, trying again");
        tokio::time::sleep(pause).await;
    }
}

async fn apply_all(
    database: &Database,
    migrations: &[Migration],
    deadline: Instant,
) -> Result<(), Error> {
    database.ping().await?;
    if migrations.is_empty() {
        return Ok(());
    }
    let mut transaction = locked(database, deadline).await?;
    transaction.query(TABLE).execute().await?;
    transaction.commit().await?;
    for migration in migrations {
        let applied = apply(database, migration, deadline).await;
        applied.map_err(|error| match error {
            changed @ Error::Changed { .. } => changed,
            error => Error::Migration {
                name: migration.full_name(),
                source: Box::new(error),
            },
        })?;
    }
    Ok(())
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS _migrations (
    name TEXT PRIMARY KEY,
    checksum BIGINT NOT NULL,
    applied_at BIGINT NOT NULL
)";

async fn apply(database: &Database, migration: &Migration, deadline: Instant) -> Result<(), Error> {
    let (name, sql) = (migration.full_name(), migration.sql(database.system()));
    if is_applied(database.query(APPLIED), &name, sql).await? {
        return Ok(());
    }
    let mut transaction = locked(database, deadline).await?;
    // Another instance may have been faster.
    if is_applied(transaction.query(APPLIED), &name, sql).await? {
        return Ok(());
    }
    let began = Instant::now();
    script(&mut transaction, sql, deadline).await?;
    transaction
        .query("INSERT INTO _migrations (name, checksum, applied_at) VALUES ($1, $2, $3)")
        .bind(&name)
        .bind(checksum(sql))
        .bind(std::time::SystemTime::now())
        .execute()
        .await?;
    transaction.commit().await?;
    let took = began.elapsed();
    tracing::info!(migration = name, ?took, "the database was migrated");
    Ok(())
}

/// A transaction in which no other instance migrates.
async fn locked(database: &Database, deadline: Instant) -> Result<Transaction, Error> {
    let mut transaction = database.begin().await?;
    if database.system() == System::Postgres {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.as_millis().max(1);
        let limits =
            format!("SET LOCAL lock_timeout = {left}; SET LOCAL statement_timeout = {left}");
        script(&mut transaction, limits, deadline).await?;
        let lock = format!("SELECT pg_advisory_xact_lock({LOCK})");
        script(&mut transaction, lock, deadline).await?;
    }
    Ok(transaction)
}

/// Runs a script until `deadline`, however long a statement may take otherwise.
async fn script(
    transaction: &mut Transaction,
    sql: impl Into<String>,
    deadline: Instant,
) -> Result<(), Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    let run = async |it: &mut Connection| Ok(it.script(sql).await?);
    bounded(transaction.connection()?, left, run).await
}

const APPLIED: &str = "SELECT checksum FROM _migrations WHERE name = $1";

async fn is_applied(applied: Query<'_>, name: &str, sql: &str) -> Result<bool, Error> {
    match applied.bind(name).fetch_optional::<i64>().await? {
        None => Ok(false),
        Some(applied) if applied == checksum(sql) => Ok(true),
        Some(_) => Err(Error::Changed {
            name: name.to_owned(),
        }),
    }
}

/// FNV-1a (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>): it is against mistakes, not
/// against anybody. The ends of lines are not part of it.
fn checksum(sql: &str) -> i64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = sql.bytes().filter(|byte| *byte != b'\r');
    let hash = bytes.fold(OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    i64::from_ne_bytes(hash.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_fnv_1a_whatever_the_line_ends() {
        assert_eq!(checksum("") as u64, 0xcbf2_9ce4_8422_2325);
        assert_eq!(checksum("foobar") as u64, 0x8594_4171_f739_67e8);
        assert_eq!(checksum("a\r\nb"), checksum("a\nb"));
    }
}
