//! How failures travel: each fallible module has its own error enum that owns its hint and its exit
//! code; commands return the boxed [`Failure`], which the [`Printer`](crate::printer::Printer) reports
//! once.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use serde::Serialize;

/// What a command returns.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// The exit codes, documented here and in the README, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Success = 0,
    /// 1: failed, stale, or a threshold was breached.
    Failed = 1,
    /// 2: the command line was not understood, or names what the workspace or a server does not define.
    Usage = 2,
    /// 3: the target or a dependency cannot be reached.
    Unreachable = 3,
    /// 4: the measurement is invalid or inconclusive.
    Inconclusive = 4,
    /// 101: a bug of ours, the code of a Rust program that panics.
    Bug = 101,
    /// 130: interrupted by Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that a user sees: besides its text it knows what to do next and how the process ends.
///
/// The text is a lowercase fragment without a full stop; the source is not repeated in it.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// What the user can do about it, as one or more sentences.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The places in files that it is about, for programs that show them.
    fn places(&self) -> Vec<Located> {
        Vec::new()
    }

    /// How the process ends.
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    /// Whether everything has been said already and only the exit code is left.
    fn is_silent(&self) -> bool {
        false
    }
}

/// A place in a file, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The path, as it is shown.
    pub file: String,
    /// From 1; nothing where the file as a whole is meant.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A failure of any module, on its way to the user.
pub struct Failure(Box<dyn Diagnostic>);

impl Failure {
    /// How the process ends.
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// The places in files that it is about.
    pub fn places(&self) -> Vec<Located> {
        self.0.places()
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    /// Whether everything has been said already.
    pub fn is_silent(&self) -> bool {
        self.0.is_silent()
    }

    /// The message and, below it, the chain of causes.
    pub fn messages(&self) -> Vec<String> {
        let mut messages = vec![self.0.to_string()];
        let mut source = self.0.source();
        while let Some(error) = source {
            let message = error.to_string();
            // Some libraries repeat their source's text in their own.
            if !messages
                .last()
                .is_some_and(|above| above.contains(&message))
            {
                messages.push(message);
            }
            source = error.source();
        }
        messages
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.messages().join(": "))
    }
}

impl<E: Diagnostic> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The end of a command that has already printed all there is to say.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("ended with exit code {}", *.0 as u8)]
pub struct Silent(pub Exit);

impl Diagnostic for Silent {
    fn exit(&self) -> Exit {
        self.0
    }

    fn is_silent(&self) -> bool {
        true
    }
}

/// An I/O error with what was tried, so that no message lacks its path or address.
#[derive(Debug, thiserror::Error)]
#[error("failed to {attempt}")]
pub struct IoFailure {
    /// A fragment that follows "failed to", with the path: "read `msvc.toml`".
    pub attempt: String,
    /// What the operating system said.
    #[source]
    pub source: io::Error,
}

impl Diagnostic for IoFailure {}

/// Adds to an I/O result what was tried.
pub trait IoContext<T> {
    /// `attempt` is a fragment that follows "failed to": `read`, `create`; `path` is what it was
    /// tried on.
    fn when(self, attempt: &str, path: impl AsRef<std::path::Path>) -> Result<T, IoFailure>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn when(self, attempt: &str, path: impl AsRef<std::path::Path>) -> Result<T, IoFailure> {
        self.map_err(|source| IoFailure {
            attempt: format!("{attempt} `{}`", path.as_ref().display()),
            source,
        })
    }
}
