//! The integration tests: one binary, a file a command.

mod cli;
mod run;
mod support;
