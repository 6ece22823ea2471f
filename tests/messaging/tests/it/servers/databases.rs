//! Databases that hold messages.

use std::sync::OnceLock;

use chassis::config::Secret;
use messaging::Settings;
use storage::Database;

use super::{Folder, Server, free_port};
use crate::support::unique;

#[path = "../../../../storage/tests/support/postgres.rs"]
pub mod postgres;

/// A file that all tests share.
pub async fn sqlite() -> Option<Settings> {
    static FOLDER: OnceLock<Folder> = OnceLock::new();
    let folder = FOLDER.get_or_init(Folder::new);
    Some(at(format!(
        "sqlite:{}",
        folder.sub("messaging.db").display()
    )))
}

/// A database of a PostgreSQL that all tests share.
pub async fn postgres() -> Option<Settings> {
    static URL: OnceLock<String> = OnceLock::new();
    let server = postgres::shared()?;
    let url = URL.get_or_init(|| server.create("messaging"));
    Some(at(url.clone()))
}

/// An empty database of that PostgreSQL.
pub async fn fresh_postgres() -> Option<Database> {
    let url = postgres::shared()?.create(&unique("outbox"));
    let settings = storage::Settings::at(url);
    let database = Database::open(&settings, &[]).await;
    Some(database.expect("a database"))
}

/// A PostgreSQL of a test's own.
pub struct OwnPostgres {
    server: postgres::Postgres,
    url: String,
}

impl OwnPostgres {
    pub fn start() -> Option<Self> {
        let server = postgres::Postgres::start()?;
        let url = server.create("messaging");
        Some(Self { server, url })
    }
}

impl Server for OwnPostgres {
    fn settings(&self) -> Settings {
        at(self.url.clone())
    }

    fn signal(&self, signal: &str) {
        match signal {
            "STOP" => self.server.pause(),
            "CONT" => self.server.resume(),
            other => panic!("no test sends {other}"),
        }
    }

    fn kill_and_boot(&mut self) {
        self.server.kill();
        self.server.run();
    }
}

fn at(url: String) -> Settings {
    Settings {
        url: Secret::new(url),
        ..Settings::default()
    }
}
