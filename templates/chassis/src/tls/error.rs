//! What is wrong with certificates and keys.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::{fmt, io};

use crate::features::turn_on;

/// What is wrong with the settings of TLS, or with the files they name.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS is asked for and was left out of the build.
    NotBuilt {
        /// The key that asks for it: `server.tls.enabled`.
        setting: &'static str,
    },
    /// A file is needed and not named.
    Missing {
        /// The key that names it: `server.tls.cert`.
        setting: &'static str,
    },
    /// A file cannot be read.
    Unreadable {
        /// The key that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    Unusable {
        /// The key that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TlsError {
    #[cfg(not(feature = "tls"))]
    pub(super) fn not_built(setting: &'static str) -> Self {
        Self::NotBuilt { setting }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt { setting } => write!(
                f,
                "`{setting}` asks for TLS, which this build is without: {}",
                turn_on!("tls")
            ),
            Self::Missing { setting } => write!(f, "`{setting}` is missing"),
            Self::Unreadable { setting, path, .. } => {
                write!(f, "failed to read {} (`{setting}`)", path.display())
            }
            Self::Unusable {
                setting,
                path,
                problem,
            } => write!(f, "{} (`{setting}`) {problem}", path.display()),
        }
    }
}

impl StdError for TlsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
