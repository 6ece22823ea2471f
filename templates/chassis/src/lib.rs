//! The chassis: everything cross-cutting in this system, in one crate that is yours to read and to
//! change.
//!
//! A service is its handlers, and a `main` that hands them over:
//!
//! ```no_run
//! # const DESCRIPTOR_SET: &[u8] = &[];
//! # type Settings = chassis::config::NoSettings;
//! #[tokio::main]
//! async fn main() -> Result<(), chassis::Error> {
//!     let config = chassis::config::load::<Settings>(
//!         env!("CARGO_PKG_NAME"),
//!         env!("CARGO_PKG_VERSION"),
//!     )?;
//!     let services = chassis::Services::new(DESCRIPTOR_SET);
//!     // .add(UserServiceServer::new(UserApi::default()))
//!     chassis::serve(config, services).await
//! }
//! ```
//!
//! # The map
//!
//! | what happens | where |
//! |---|---|
//! | settings come from files, `APP_` variables, Consul or etcd, and change | [`config`] |
//! | a service starts, serves, leaves, drains, ends | `lifecycle` |
//! | connections are accepted, calls find their service | `server` |
//! | **what a call passes through before a handler** | `server/stack.rs` |
//! | **what a call passes through to another service** | `client/stack.rs` |
//! | each of these layers | `middleware`, a folder each |
//! | other services are found and called | [`client`] |
//! | this one registers itself, others are followed | `registry` |
//! | logs, traces, panics | `telemetry` |
//! | what is off until it is asked for: `auth`, `http`, `secrets`, `tls` | `features` |
//! | requests that are no gRPC calls, for gateways | `front` |
//! | TLS, and who is on the other side | [`tls`] |
//! | who calls, by a token | `auth`, in `middleware` |
//! | values that travel with a trace | [`baggage`] |
//! | work that is not a call: its spans, its way through headers | [`trace`] |
//! | work beside the calls: consumers, relays, sweepers | [`background`] |
//! | waiting between attempts | [`backoff`] |
//! | counters and histograms | [`metrics`] |
//! | `/healthz`, `/readyz`, `/metrics`, `/configz` | `admin` |
//! | whether it should get calls | [`readiness`], and `health` for gRPC's health service |
//! | requests are validated, errors have details | [`validate`], [`status`] |
//! | a server for tests | [`testing`] |

mod admin;
pub mod background;
pub mod backoff;
pub mod baggage;
pub mod client;
pub mod config;
mod error;
mod features;
#[cfg(feature = "http")]
pub mod front;
mod health;
mod lifecycle;
pub mod metrics;
mod middleware;
pub mod readiness;
mod registry;
mod server;
mod services;
pub mod status;
mod task;
mod telemetry;
pub mod testing;
pub mod tls;
pub mod trace;
pub mod validate;

pub use error::Error;
pub use lifecycle::{UntilStopping, serve, stopping, until_stopping};
#[cfg(feature = "auth")]
pub use middleware::auth;
pub use middleware::deadline;
pub use services::Services;
