//! Why a service could not start or go on.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::client::TargetError;
use crate::config::ConfigError;
use crate::tls::TlsError;

/// Why a service could not start or go on.
///
/// `Debug` prints what `Display` prints, followed by the causes, so that a `main` that returns it
/// reads well: `Error: failed to load config/dev.toml:3: …`.
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be loaded.
    Config(ConfigError),
    /// An address to listen on is not free, not local, or not an address.
    Bind {
        /// What wanted to listen: `gRPC server`, `admin server`.
        server: &'static str,
        /// The address, as in `127.0.0.1:50051`.
        address: String,
        /// The key that sets its port: `server.port`.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The descriptor set that was handed to [`Services::new`](crate::Services::new) is not one.
    Descriptors(Box<dyn StdError + Send + Sync>),
    /// The exporter of traces cannot be made.
    Exporter {
        /// The value of `tracing.endpoint`.
        endpoint: String,
        /// What the exporter says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The target of a client is not valid.
    Target(TargetError),
    /// The settings of TLS, or the files they name, cannot be used.
    Tls(TlsError),
    /// The settings of `[server.auth]`, or the file they name, cannot be used.
    Auth(String),
    /// Something that the service needs from the start, such as its database, cannot be had.
    Part {
        /// What: `database`.
        name: &'static str,
        /// What it says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The operating system does not let the process wait for signals.
    Signals(io::Error),
    /// A second signal asked to end before calls in flight were done.
    Interrupted,
}

impl Error {
    /// That `name` cannot be set up, and why.
    pub fn part(name: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        Self::Part { name, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => fmt::Display::fmt(error, f),
            Self::Bind {
                server,
                address,
                key,
                ..
            } => write!(
                f,
                "the {server} cannot listen on {address}, choose another with `{key}`"
            ),
            Self::Descriptors(_) => f.write_str("the descriptor set of the services is not valid"),
            Self::Exporter { endpoint, .. } => write!(
                f,
                "failed to make an exporter of traces to `tracing.endpoint` = {endpoint}"
            ),
            Self::Target(error) => fmt::Display::fmt(error, f),
            Self::Tls(error) => fmt::Display::fmt(error, f),
            Self::Auth(problem) => f.write_str(problem),
            Self::Part { name, .. } => write!(f, "the {name} cannot be set up"),
            Self::Signals(_) => f.write_str("failed to wait for signals"),
            Self::Interrupted => f.write_str("ended by a second signal, calls in flight were cut"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => error.source(),
            Self::Target(error) => error.source(),
            Self::Tls(error) => error.source(),
            Self::Bind { source, .. } | Self::Signals(source) => Some(source),
            Self::Descriptors(source)
            | Self::Exporter { source, .. }
            | Self::Part { source, .. } => Some(&**source),
            Self::Auth(_) | Self::Interrupted => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}
