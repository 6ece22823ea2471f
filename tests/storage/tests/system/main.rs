//! The part `storage` from the outside, on SQLite and on a real PostgreSQL.

mod each;
mod migrations;
mod outage;
#[path = "../support/postgres.rs"]
mod postgres;
mod queries;
mod transactions;
