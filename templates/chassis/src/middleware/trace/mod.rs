//! A span for each call, with the trace context read from or written to its metadata.

mod body;
mod client;
mod future;
mod messages;
mod scope;
mod server;
mod span;

pub(crate) use client::{ClientTrace, ClientTraceLayer};
pub(crate) use messages::{Direction, Messages};
pub(crate) use scope::Scope;
pub(crate) use server::ServerTraceLayer;
pub(crate) use span::Recording;

#[cfg(test)]
mod tests;
