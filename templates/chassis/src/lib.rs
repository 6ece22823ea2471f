//! The chassis: everything cross-cutting in a generated system.

mod admin;
pub mod client;
pub mod config;
mod error;
mod health;
mod lifecycle;
pub mod metrics;
mod middleware;
pub mod readiness;
mod registry;
mod server;
mod services;
pub mod status;
mod telemetry;
pub mod testing;
pub mod validate;

pub use error::Error;
pub use lifecycle::serve;
pub use middleware::deadline;
pub use services::Services;
