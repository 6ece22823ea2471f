//! Local infrastructure for development.

pub mod embedded;
