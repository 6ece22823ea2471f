//! The `msvc` process: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    msvc::run(std::env::args_os())
}
