//! A fresh database for each test.
//!
//! ```
//! use storage::Migration;
//!
//! const MIGRATIONS: &[Migration] =
//!     &[Migration::new("orders", "0001_orders", "CREATE TABLE orders (id TEXT PRIMARY KEY)")];
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), storage::Error> {
//! let database = storage::testing::database(MIGRATIONS).await;
//! let count: i64 = database.query("SELECT COUNT(*) FROM orders").fetch_one().await?;
//! assert_eq!(count, 0);
//! # Ok(())
//! # }
//! ```

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Database, Migration, Settings};

/// A database that is gone when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    database: Database,
    url: String,
    _folder: Folder,
}

impl TestDatabase {
    /// Where it is, for a second [`Database`] or another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for TestDatabase {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

/// A fresh SQLite database, in a file, with `migrations` applied.
///
/// # Panics
/// When it cannot be made: a test has nothing better to do.
pub async fn database(migrations: &[Migration]) -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("storage-test-{}-{number}", std::process::id());
    let folder = Folder(std::env::temp_dir().join(name));
    let url = format!("sqlite:{}", folder.0.join("test.db").display());
    let settings = Settings {
        // It is not meant to last.
        synchronous_commit: false,
        ..Settings::at(url.as_str())
    };
    let opened = Database::open(&settings, migrations).await;
    TestDatabase {
        database: opened.expect("the test database opens"),
        url,
        _folder: folder,
    }
}

/// Checks that all scripts in the folder `migrations` beside a crate's `Cargo.toml` are listed, in order:
/// `assert_listed(MIGRATIONS, env!("CARGO_MANIFEST_DIR"))`.
///
/// # Panics
/// When they are not.
pub fn assert_listed(migrations: &[Migration], manifest_folder: &str) {
    let folder = PathBuf::from(manifest_folder).join("migrations");
    let files = std::fs::read_dir(&folder).expect("there is a folder `migrations`");
    let scripts = files.flatten().filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        name.strip_suffix(".sql").map(str::to_owned)
    });
    let mut scripts: Vec<String> = scripts.collect();
    scripts.sort_unstable();
    let listed: Vec<&str> = migrations.iter().map(Migration::name).collect();
    assert_eq!(
        listed, scripts,
        "the scripts that are listed, and those in the folder"
    );
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
