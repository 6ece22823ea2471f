//! The chassis: everything cross-cutting in a generated system.

pub mod client;
pub mod config;
mod error;
mod health;
mod lifecycle;
pub mod readiness;
mod server;
mod services;
pub mod status;
pub mod testing;
pub mod validate;

pub use error::Error;
pub use lifecycle::serve;
pub use services::Services;
