//! The integration tests: one binary, a file a command.

mod call;
mod chat_fixture;
mod cli;
mod support;
