//! Counts and times calls, by service, method and code.
//!
//! Labels come from the descriptors of the services, never from what a caller sends: a call of an
//! unknown method is counted under `unknown`. The handle of each series is looked up once.

mod family;
mod layer;

pub(crate) use family::CallFamily;
pub(crate) use layer::Metrics;

#[cfg(test)]
mod tests;
