//! What the tests share: a folder of their own and `msvc` run in it with an environment of its own.

pub mod chat;
#[rustfmt::skip]
pub mod chat_v1;

pub mod differences;
pub mod engine;
pub mod fixtures;
pub mod http2;
#[path = "../../support/ports.rs"]
pub mod ports;
pub mod random_protos;
pub mod script;
pub mod stubs;
pub mod system;
pub mod terminal;
pub mod wire;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder of its own for a test, removed at its end.
pub struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// An empty folder, with an empty home beside it.
    pub fn new() -> Self {
        let root = tempfile::Builder::new()
            .prefix("msvc-it-")
            .tempdir()
            .expect("a temporary folder can be made");
        std::fs::create_dir(root.path().join("work")).expect("work folder");
        std::fs::create_dir(root.path().join("home")).expect("home folder");
        Self { root }
    }

    /// The folder that commands run in.
    pub fn path(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// `msvc` with these arguments, ready to run here, with a hermetic environment.
    pub fn command<I, S>(&self, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msvc"));
        command.args(args).current_dir(self.path()).env_clear();
        for kept in ["PATH", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        // Toolchains live in the real home unless these say otherwise.
        if let Some(home) = std::env::var_os("HOME") {
            for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                if std::env::var_os(name).is_none() {
                    command.env(name, Path::new(&home).join(folder));
                }
            }
        }
        command
            .env("HOME", self.root.path().join("home"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs `msvc` to its end and returns its exit code, stdout and stderr as one text to compare;
    /// the sandbox's path reads `[SANDBOX]`.
    pub fn msvc<I, S>(&self, args: I) -> String
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.render(self.command(args).output().expect("msvc starts"))
    }

    /// A finished process as one text to compare.
    pub fn render(&self, output: Output) -> String {
        let mut text = format!("exit: {}\n", output.status.code().unwrap_or(-1));
        for (name, stream) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            let stream = String::from_utf8(stream).expect("output is UTF-8");
            if !stream.is_empty() {
                write!(text, "--- {name} ---\n{stream}").expect("writing to a string");
            }
        }
        let root = self.root.path().canonicalize().expect("sandbox exists");
        text.replace(&root.join("work").display().to_string(), "[SANDBOX]")
            .replace(&self.path().display().to_string(), "[SANDBOX]")
    }
}

/// Says why a test is skipped; in CI, where everything must be there, fails instead.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub fn skip(reason: &str) {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "CI lacks something: {reason}");
    eprintln!("skipped: {reason}");
}
