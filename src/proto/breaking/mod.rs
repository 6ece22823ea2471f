//! Changes that break what was built from an earlier state of the protos.

pub mod config;
