//! What the configuration says about messages.

use std::path::PathBuf;

use chassis::config::{Duration, Secret};
use serde::{Deserialize, Serialize};

/// Where the broker is. A service has it in its own settings, as in `[app.messaging]`.
///
/// ```toml
/// [app.messaging]
/// url = "amqp://localhost"
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which broker, and where. A secret, since it may have a password in it.
    ///
    /// | URL | broker |
    /// |---|---|
    /// | `memory:` | within this process: for tests |
    /// | `sqlite:.msvc/data/messaging.db` | tables in SQLite, shared by the processes of a machine |
    /// | `postgres://user:password@host/name` | tables in PostgreSQL |
    /// | `amqp://user:password@host:5672/vhost` | RabbitMQ; `amqps:` over TLS |
    /// | `nats://user:password@host:4222` | NATS JetStream; `tls:` over TLS |
    /// | `kafka://user:password@host:9092,host:9092` | Kafka, with or without a user; `kafkas:` over TLS |
    ///
    /// Default: `"memory:"`.
    pub url: Secret,
    /// A file with the certificates (PEM) of the authorities that vouch for a broker over TLS, beside those
    /// of the system; for NATS in their place. With `amqp:` and `kafka:`, which are not over TLS, it is an
    /// error. (For a database its URL says so.) Default: none.
    pub ca: Option<PathBuf>,
    /// Stands before the names of all topics, so that several systems can share a broker.
    /// Default: none.
    pub prefix: String,
    /// How many parts a topic is divided into by key. The messages of a part are handled by one
    /// member of a group at a time, so no more members than parts handle messages with keys. All
    /// services that use a topic must say the same, and a change needs an empty topic. In memory and in
    /// a database there are none, and none are needed. Default: 8.
    pub partitions: u16,
    /// How long a message may take to be confirmed, lost connections and new attempts included.
    /// Default: `"10s"`.
    pub publish_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: Secret::new("memory:"),
            ca: None,
            prefix: String::new(),
            partitions: 8,
            publish_timeout: Duration::from_secs(10),
        }
    }
}
