//! Refusing calls that the service should not take: too many a second, too many at a time, or
//! more than it can do just now. A refusal is `RESOURCE_EXHAUSTED`, at once: nothing is queued,
//! because a caller with a deadline gains nothing from waiting here, and one with other instances
//! to go to loses.
//!
//! | limit | where |
//! |---|---|
//! | calls a second, of all clients and of each | `rate.rs`, `gcra.rs`, `keys.rs` |
//! | calls at a time | `in_flight.rs` |
//! | what the processor can do (adaptive, off by default) | `shed.rs` |
//!
//! Health checks and reflection are never refused: an instance that is busy is not ill, and an
//! orchestrator that restarts it makes it worse for the others.

pub(crate) mod gcra;
mod in_flight;
mod keys;
mod rate;
mod refusal;
mod shed;

pub(crate) use in_flight::InFlightLimitLayer;
pub(crate) use rate::RateLimitLayer;

#[cfg(test)]
mod tests;
