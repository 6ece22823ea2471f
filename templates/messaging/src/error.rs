//! What can go wrong between a service and its broker.

use std::time::Duration;

use tonic::Status;

/// Why a broker did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No kind of broker is reached by a URL like this.
    #[error(
        "`{scheme}` is no broker (known: memory, amqp, amqps, nats, tls, kafka, kafkas, sqlite, postgres)"
    )]
    UnknownScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// The URL names a broker whose code is not built in.
    #[error("the broker at `{scheme}:` needs the feature `{feature}` of the crate `messaging`")]
    FeatureIsOff {
        /// What stands before the colon.
        scheme: String,
        /// To be added to `default` in the crate's manifest.
        feature: &'static str,
    },
    /// The URL is none, or lacks something.
    #[error("the broker's URL is not understood: {0}")]
    Url(String),
    /// The file `ca` of the settings cannot be read, has no certificates, or is for a URL without TLS.
    #[error("the authorities for TLS (`ca`) cannot be used: {0}")]
    Authorities(String),
    /// A topic or a group has a name that some broker could not have.
    #[error("`{0}` is no name: 1 to 64 ASCII letters, digits, hyphens and underscores are")]
    Name(String),
    /// The message has an id, a key or a header that not every broker can carry.
    #[error("the {part} `{value}` of the message is not what brokers can carry: {rule}")]
    Message {
        /// What of it.
        part: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        rule: &'static str,
    },
    /// No group wants what is published on the topic, and this broker keeps messages for groups
    /// alone.
    #[error("no group has subscribed to `{topic}` yet")]
    NoGroup {
        /// Where it was to be published.
        topic: String,
    },
    /// The broker did not confirm the message in time. It may have it nevertheless.
    #[error("`{topic}`: the broker did not confirm the message within {limit:?}{}", because(.last))]
    NotConfirmed {
        /// Where it was to be published.
        topic: String,
        /// `publish_timeout` of the settings.
        limit: Duration,
        /// The last failure before.
        last: Option<String>,
    },
    /// The broker refused, and would again.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// The database has something against it.
    #[cfg(feature = "database")]
    #[error("the database refused")]
    Database(#[from] storage::Error),
    /// The broker cannot be reached, or the connection was lost.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
}

fn because(last: &Option<String>) -> String {
    last.as_ref()
        .map_or_else(String::new, |last| format!(" ({last})"))
}

impl From<Error> for chassis::Error {
    fn from(error: Error) -> Self {
        Self::part("broker", error)
    }
}

impl From<Error> for Status {
    /// `UNAVAILABLE` while the broker is away, what the database has to say, and `INTERNAL` else. A
    /// caller is told no more; the rest is logged.
    fn from(error: Error) -> Self {
        match error {
            #[cfg(feature = "database")]
            Error::Database(error) => error.into(),
            Error::NotConfirmed { .. } | Error::Unreachable(_) => {
                tracing::warn!(%error, "a message was not published");
                Self::unavailable("messages cannot be published now")
            }
            error => {
                tracing::error!(%error, "a message was not published");
                Self::internal("a message could not be published")
            }
        }
    }
}
