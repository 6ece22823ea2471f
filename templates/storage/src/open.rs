//! From a URL to a pool of connections.

use std::str::FromStr;

use crate::connection::Pool;
use crate::{Error, Settings, System};

/// A pool, and what spans and metrics say of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) pool: Pool,
    pub(crate) system: System,
    /// The name of the database, for people.
    pub(crate) name: String,
    /// The server, when there is one.
    pub(crate) server: Option<(String, u16)>,
}

/// Makes the pool that `settings` ask for. Nothing is connected yet.
pub(crate) fn open(settings: &Settings) -> Result<Opened, Error> {
    let url = settings.url.expose();
    match url.split_once(':') {
        Some(("sqlite", _)) => sqlite(settings, url),
        Some(("postgres" | "postgresql", _)) => postgres(settings, url),
        // The rest of it may be a secret.
        Some((scheme, _)) => Err(Error::Settings(format!(
            "the database's `url` begins with `{scheme}:`, expected `sqlite:` or `postgres:`"
        ))),
        None => Err(Error::Settings(
            "the database's `url` has no scheme, expected `sqlite:PATH` or `postgres://…`"
                .to_owned(),
        )),
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn wrong(error: &sqlx::Error) -> Error {
    Error::Settings(format!("the database's `url` is not valid: {error}"))
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn pool<D: sqlx::Database>(settings: &Settings) -> sqlx::pool::PoolOptions<D> {
    let max = settings.max_connections.max(1);
    sqlx::pool::PoolOptions::new()
        .max_connections(max)
        .min_connections(settings.min_connections.min(max))
        .acquire_timeout(settings.acquire_timeout.get())
        .idle_timeout(settings.idle_timeout.get())
        .max_lifetime(settings.max_lifetime.get())
}

#[cfg(feature = "sqlite")]
fn sqlite(settings: &Settings, url: &str) -> Result<Opened, Error> {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

    let options = SqliteConnectOptions::from_str(url).map_err(|it| wrong(&it))?;
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let options = options
        .foreign_keys(true)
        // Others have the right to write for a short time each.
        .busy_timeout(settings.acquire_timeout.get());
    let pool = pool(settings);
    let (options, pool, name) = if in_memory {
        // The database is gone with its last connection, and a second one only meets its locks.
        let pool = pool.max_connections(1).min_connections(1);
        let pool = pool.idle_timeout(None).max_lifetime(None);
        (options, pool, "memory".to_owned())
    } else {
        let path = options.get_filename();
        make_folder(path)?;
        let name = path.file_stem().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let synchronous = match settings.synchronous_commit {
            true => SqliteSynchronous::Full,
            false => SqliteSynchronous::Normal,
        };
        // Readers and the writer do not wait for each other, and a commit is one write.
        let options = options
            .create_if_missing(!url.contains("mode="))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous);
        (options, pool, name)
    };
    Ok(Opened {
        pool: Pool::Sqlite(pool.connect_lazy_with(options)),
        system: System::Sqlite,
        name,
        server: None,
    })
}

#[cfg(feature = "sqlite")]
fn make_folder(path: &std::path::Path) -> Result<(), Error> {
    let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        let folder = folder.display();
        Error::Settings(format!(
            "failed to make the database's folder {folder}: {error}"
        ))
    })
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &Settings, _: &str) -> Result<Opened, Error> {
    Err(Error::Settings(
        "the database's `url` begins with `sqlite:`: build with the feature `sqlite` of crates/storage"
            .to_owned(),
    ))
}

#[cfg(feature = "postgres")]
fn postgres(settings: &Settings, url: &str) -> Result<Opened, Error> {
    use sqlx::postgres::PgConnectOptions;

    let options = PgConnectOptions::from_str(url).map_err(|it| wrong(&it))?;
    // The server's own limit lets go of its locks as well.
    let limit = settings.statement_timeout.get().as_millis();
    let limit = (limit > 0).then(|| ("statement_timeout", limit.to_string()));
    let commit = match settings.synchronous_commit {
        true => None,
        false => Some(("synchronous_commit", "off".to_owned())),
    };
    // What is not asked for is as the server has it.
    let options = options.options(limit.into_iter().chain(commit));
    let name = options.get_database().unwrap_or(options.get_username());
    let name = name.to_owned();
    let server = Some((options.get_host().to_owned(), options.get_port()));
    Ok(Opened {
        pool: Pool::Postgres(pool(settings).connect_lazy_with(options)),
        system: System::Postgres,
        name,
        server,
    })
}

/// Makes the database that `settings` name, on a server that has none of that name. Another instance may
/// have made it meanwhile.
#[cfg(feature = "postgres")]
pub(crate) async fn create(settings: &Settings) -> Result<(), Error> {
    use sqlx::postgres::{PgConnectOptions, PgConnection};
    use sqlx::{AssertSqlSafe, Connection, Executor};

    /// The database that every server has, to be connected to.
    const MAINTENANCE: &str = "postgres";
    /// `duplicate_database`; when two are made at a time it is a violation of a unique index.
    const IS_THERE: &str = "42P04";

    let url = settings.url.expose();
    let options = PgConnectOptions::from_str(url).map_err(|it| wrong(&it))?;
    let name = options.get_database().unwrap_or(options.get_username());
    let create = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    let options = options.database(MAINTENANCE);
    let work = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let created = connection.execute(AssertSqlSafe(create)).await;
        connection.close().await?;
        created
    };
    let limit = settings.acquire_timeout.get();
    let outcome = tokio::time::timeout(limit, work).await;
    match outcome
        .map_err(|_| Error::Timeout(limit))?
        .map_err(Error::from)
    {
        Err(Error::Violated { .. }) => Ok(()),
        Err(error) if error.code().as_deref() == Some(IS_THERE) => Ok(()),
        outcome => outcome.map(drop),
    }
}

#[cfg(not(feature = "postgres"))]
pub(crate) async fn create(_: &Settings) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &Settings, _: &str) -> Result<Opened, Error> {
    Err(Error::Settings(
        "the database's `url` begins with `postgres:`: build with the feature `postgres` of \
         crates/storage"
            .to_owned(),
    ))
}
