//! The same test on each database.

use std::sync::atomic::{AtomicU32, Ordering};

use storage::testing::{self, TestDatabase};
use storage::{Database, Migration, Settings};

use crate::postgres;

/// A database of its own, of one kind.
pub(crate) enum Fresh {
    Sqlite(TestDatabase),
    Postgres(Database, String),
}

impl Fresh {
    pub(crate) fn database(&self) -> &Database {
        match self {
            Self::Sqlite(database) => database,
            Self::Postgres(database, _) => database,
        }
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Sqlite(database) => database.url(),
            Self::Postgres(_, url) => url,
        }
    }
}

/// A fresh database of each kind that is here, with `migrations`.
pub(crate) async fn each(migrations: &[Migration]) -> Vec<Fresh> {
    let mut all = vec![Fresh::Sqlite(testing::database(migrations).await)];
    if let Some(url) = postgres_url() {
        let database = Database::open(&Settings::at(url.as_str()), migrations).await;
        all.push(Fresh::Postgres(database.expect("it opens"), url));
    }
    all
}

/// An empty database of the shared PostgreSQL.
pub(crate) fn postgres_url() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let server = postgres::shared()?;
    Some(server.create(&format!("test_{number}")))
}
