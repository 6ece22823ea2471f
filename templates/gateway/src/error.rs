//! Why a gateway could not start or go on.

use std::{error, fmt, io};

/// Why a gateway could not start or go on. `Debug` prints what `Display` prints, followed by the
/// causes, so that a `main` that returns it reads well.
#[non_exhaustive]
pub enum Error {
    /// The chassis says so.
    Chassis(chassis::Error),
    /// The settings of the gateway do not fit each other or what is described.
    Settings(String),
    /// A file with descriptors cannot be read.
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A descriptor set is not one, or a rule in it is wrong.
    Descriptors(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chassis(error) => fmt::Display::fmt(error, f),
            Self::Settings(problem) => f.write_str(problem),
            Self::File { path, .. } => {
                write!(f, "failed to read the descriptor set {}", path.display())
            }
            Self::Descriptors(problem) => write!(f, "the descriptor set is not valid: {problem}"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chassis(error) => fmt::Debug::fmt(error, f),
            Self::File { source, .. } => write!(f, "{self}: {source}"),
            Self::Settings(_) | Self::Descriptors(_) => fmt::Display::fmt(self, f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Chassis(error) => error.source(),
            Self::File { source, .. } => Some(source),
            Self::Settings(_) | Self::Descriptors(_) => None,
        }
    }
}

impl From<chassis::Error> for Error {
    fn from(error: chassis::Error) -> Self {
        Self::Chassis(error)
    }
}

impl From<chassis::config::ConfigError> for Error {
    fn from(error: chassis::config::ConfigError) -> Self {
        Self::Chassis(error.into())
    }
}
