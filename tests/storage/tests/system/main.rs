//! The part `storage` from the outside, on SQLite and on a real PostgreSQL and Redis.

mod cache;
mod each;
mod killed;
mod migrations;
mod outage;
#[path = "../../../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
mod postgres;
mod queries;
#[path = "../support/redis.rs"]
mod redis;
mod tls;
mod transactions;

use ports::free_port;
