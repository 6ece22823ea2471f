//! The layers around calls, one folder each. Where they are stacked is
//! `server/stack.rs` and `client/stack.rs`.

#[cfg(feature = "auth")]
pub mod auth;
#[cfg(not(feature = "auth"))]
#[path = "auth/off.rs"]
pub(crate) mod auth;
pub(crate) mod call;
pub(crate) mod catch_panic;
pub mod deadline;
pub(crate) mod limit;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod observe;
pub(crate) mod refuse;
pub(crate) mod size;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod trace;

use http::HeaderMap;
use http_body::Frame;
use tonic::Status;

/// The trailers that end a response with `status`, as the last frame of a body.
pub(crate) fn end_with<D>(status: &Status) -> Result<Frame<D>, Status> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}
