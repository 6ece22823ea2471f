//! The database of a service: SQLite or PostgreSQL, as its URL says, and one SQL for both.
//!
//! ```no_run
//! use storage::{Database, Error, FromRow, Row};
//!
//! struct Order {
//!     id: String,
//!     paid: bool,
//! }
//!
//! impl FromRow for Order {
//!     fn from_row(row: &Row) -> Result<Self, Error> {
//!         Ok(Self {
//!             id: row.get("id")?,
//!             paid: row.get("paid")?,
//!         })
//!     }
//! }
//!
//! async fn unpaid(database: &Database, user: &str) -> Result<Vec<Order>, Error> {
//!     database
//!         .query("SELECT id, paid FROM orders WHERE user_id = $1 AND NOT paid ORDER BY id")
//!         .bind(user)
//!         .fetch_all()
//!         .await
//! }
//! ```
//!
//! # The map
//!
//! | what happens | where |
//! |---|---|
//! | which database, how many connections, how long it waits | [`Settings`] |
//! | it is opened, its tables are made | [`Database::open`], [`Migration`] |
//! | statements, with a span and a time limit each | [`Query`] |
//! | values go in and come out | [`Bind`], [`Row`], [`FromRow`] |
//! | transactions, again when they collide with others | [`Database::transaction`], [`Transaction`] |
//! | what went wrong, and what a caller is told | [`Error`] |
//! | values that are read often, kept near | [`cache`] |
//! | a fresh database for each test | [`testing`] |
//!
//! # One SQL for both
//!
//! | for | write |
//! |---|---|
//! | placeholders | `$1`, `$2`, … |
//! | numbers | `BIGINT`, `DOUBLE PRECISION` |
//! | text, bytes, truth | `TEXT`, `BYTEA`, `BOOLEAN` |
//! | points in time | `BIGINT`, and [`SystemTime`](std::time::SystemTime) in the code: microseconds since 1970 |
//! | insert or update | `INSERT … ON CONFLICT (id) DO UPDATE SET …` |
//! | what was written | `… RETURNING id` |
//! | sums | `CAST(SUM(amount) AS BIGINT)`: PostgreSQL's own sums are of another type |
//!
//! Where they differ, [`Database::system`] says which one it is.

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("storage needs one of the features `sqlite` and `postgres`");

pub mod cache;
mod connection;
mod database;
mod error;
mod metrics;
mod migrate;
mod open;
mod query;
mod row;
mod settings;
mod summary;
pub mod testing;
mod transaction;
mod value;

pub use cache::{Cache, CacheSettings};
pub use database::{Database, System};
pub use error::{Error, Violation};
pub use migrate::Migration;
pub use query::Query;
pub use row::{Column, FromRow, FromValue, Row};
pub use settings::Settings;
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
pub use transaction::Transaction;
pub use value::{Bind, Kind, Value};
