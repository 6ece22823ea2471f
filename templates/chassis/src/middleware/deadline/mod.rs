//! The time by which a call must have ended.
//!
//! A server reads it from `grpc-timeout` (gRPC over HTTP/2, "Requests"), caps it by
//! `[server.deadline]`, ends the call with `DEADLINE_EXCEEDED` when it has passed, whether that is
//! before the response or in the middle of a stream, and makes it known to the handler and to
//! everything that the handler awaits: see [`remaining`]. Clients pass it on with each call that
//! the handler makes, so that nobody works for a caller who has given up.
//!
//! A task that a handler spawns is on its own: wrap its future in [`scope`] to give it the
//! deadline too.

mod body;
mod client;
mod future;
mod server;
mod timeout;
mod timer;

use std::future::Future;
use std::time::Duration;

use http::HeaderName;
use tokio::time::Instant;
use tonic::Status;

pub(crate) use client::{ClientDeadline, ClientDeadlineLayer, SentBody};
pub(crate) use server::ServerDeadlineLayer;
pub(crate) use timeout::{read as read_timeout, write as write_timeout};

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

tokio::task_local! {
    static CURRENT: Option<Instant>;
}

/// When the call that is being served must have ended; `None` outside of one, and when it has all
/// the time in the world.
#[must_use]
pub fn current() -> Option<Instant> {
    CURRENT.try_with(|deadline| *deadline).ok().flatten()
}

/// The time that is left for the call that is being served, down to zero; `None` as in
/// [`current`].
#[must_use]
pub fn remaining() -> Option<Duration> {
    Some(current()?.saturating_duration_since(Instant::now()))
}

/// Runs `future` under `deadline`: calls it makes pass the deadline on. The future itself is not
/// ended when it has passed.
pub async fn scope<F: Future>(deadline: Option<Instant>, future: F) -> F::Output {
    CURRENT.scope(deadline, future).await
}

fn exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

#[cfg(test)]
mod tests;
