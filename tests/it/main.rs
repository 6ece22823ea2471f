//! The integration tests: one binary, a file a command.

mod cli;
mod consul_conformance;
mod support;
