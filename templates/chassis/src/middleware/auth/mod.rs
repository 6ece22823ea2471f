//! Who is calling, by a JSON Web Token, and whether they may.
//!
//! A call needs a token that one of our keys has signed, that is valid now, and that is for us
//! (RFC 7519; RFC 8725 for what to look at). The handler gets what it says as [`Claims`]:
//!
//! ```
//! use chassis::auth::Claims;
//! # fn f(request: tonic::Request<()>) -> Result<(), tonic::Status> {
//! let claims = request.extensions().get::<Claims>();
//! let user = claims.and_then(Claims::subject);
//! # Ok(())
//! # }
//! ```
//!
//! Changed settings are in force for calls that begin then. Those that cannot be used are refused,
//! with the rest of their change.
//!
//! A caller is told that a token will not do, not why: the reason is in the metric
//! `grpc_server_auth_total` and, at the level `debug`, in the log. It is the Cargo feature `auth`.

mod cache;
mod claims;
mod fetch;
mod keys;
mod layer;
mod outcome;
mod provider;
mod store;
mod verify;

pub use claims::Claims;

pub(crate) use layer::{AuthLayer, layer};

#[cfg(test)]
mod tests;
