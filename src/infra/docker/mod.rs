//! Local infrastructure in containers: the only place that talks to a Docker engine.

pub mod archive;
pub mod connect;
mod container;
mod credentials;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod labels;
pub mod logs;
pub mod perform;
pub mod pull;
