//! The part `saga` from the outside: sagas that complete, that are undone, whose process is killed.

mod flow;
mod killed;
mod outage;
#[path = "../../../support/ports.rs"]
mod ports;
#[path = "../../../storage/tests/support/postgres.rs"]
mod postgres;
mod replicas;
mod service;
mod steps;
mod works;
mod world;

use ports::free_port;
