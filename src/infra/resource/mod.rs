//! What a workspace may need around its services: a closed set, so that a typo is found before
//! anything starts and every place that must know of a new one is found by the compiler.
//!
//! Pure: values in, values out.

pub mod containers;
pub mod files;
pub mod images;
pub mod needs;
pub mod ports;
pub mod spec;
pub mod urls;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One thing that services need.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Consul: where services find each other.
    Consul,
    /// etcd: the other way to find each other.
    Etcd,
    /// Jaeger: takes spans over OTLP and shows traces.
    Jaeger,
    /// Prometheus: collects the services' metrics.
    Prometheus,
    /// Grafana: shows them.
    Grafana,
    /// PostgreSQL: a database.
    Postgres,
    /// Redis: a cache.
    Redis,
    /// NATS: messages, with JetStream.
    Nats,
    /// RabbitMQ: messages, with its management.
    Rabbitmq,
    /// Kafka: messages, one broker without ZooKeeper.
    Kafka,
}

impl Resource {
    /// All of them; what others depend on comes before them.
    pub const ALL: [Self; 10] = [
        Self::Consul,
        Self::Etcd,
        Self::Jaeger,
        Self::Prometheus,
        Self::Grafana,
        Self::Postgres,
        Self::Redis,
        Self::Nats,
        Self::Rabbitmq,
        Self::Kafka,
    ];

    /// What it is called on the command line, in `msvc.toml` and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Etcd => "etcd",
            Self::Jaeger => "jaeger",
            Self::Prometheus => "prometheus",
            Self::Grafana => "grafana",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Rabbitmq => "rabbitmq",
            Self::Kafka => "kafka",
        }
    }

    /// What cannot be of use without these, which are started with it.
    pub fn needs(self) -> &'static [Self] {
        match self {
            Self::Grafana => &[Self::Prometheus],
            _ => &[],
        }
    }

    /// Its ports; the first is the one that it goes by.
    pub fn ports(self) -> &'static [Port] {
        match self {
            Self::Consul => &[Port::Consul],
            Self::Etcd => &[Port::Etcd],
            Self::Jaeger => &[Port::Jaeger, Port::Otlp, Port::OtlpHttp],
            Self::Prometheus => &[Port::Prometheus],
            Self::Grafana => &[Port::Grafana],
            Self::Postgres => &[Port::Postgres],
            Self::Redis => &[Port::Redis],
            Self::Nats => &[Port::Nats, Port::NatsMonitoring],
            Self::Rabbitmq => &[Port::Rabbitmq, Port::RabbitmqManagement],
            Self::Kafka => &[Port::Kafka],
        }
    }

    /// The folder in its container whose contents outlive it; what has none keeps all in memory.
    pub fn data_folder(self) -> Option<&'static str> {
        match self {
            Self::Consul | Self::Jaeger => None,
            Self::Etcd => Some("/etcd-data"),
            Self::Prometheus => Some("/prometheus"),
            Self::Grafana => Some("/var/lib/grafana"),
            Self::Postgres => Some("/var/lib/postgresql/data"),
            Self::Redis | Self::Nats => Some("/data"),
            Self::Rabbitmq => Some("/var/lib/rabbitmq"),
            Self::Kafka => Some("/var/lib/kafka/data"),
        }
    }

    /// Whether it must reach the services, which listen on the developer's machine alone.
    pub fn calls_services(self) -> bool {
        matches!(self, Self::Prometheus)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Resource {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.name() == text).ok_or(())
    }
}

/// A port of a resource, by the name that it has in `msvc.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// Consul's HTTP API and user interface.
    Consul,
    /// etcd's API for clients.
    Etcd,
    /// Jaeger's user interface.
    Jaeger,
    /// OTLP over gRPC.
    Otlp,
    /// OTLP over HTTP.
    OtlpHttp,
    /// Prometheus' API and user interface.
    Prometheus,
    /// Grafana's user interface.
    Grafana,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// NATS for clients.
    Nats,
    /// NATS' monitoring over HTTP.
    NatsMonitoring,
    /// AMQP.
    Rabbitmq,
    /// RabbitMQ's management over HTTP.
    RabbitmqManagement,
    /// Kafka for clients.
    Kafka,
}

impl Port {
    /// The name that it has in `msvc.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consul => "consul",
            Self::Etcd => "etcd",
            Self::Jaeger => "jaeger",
            Self::Otlp => "otlp",
            Self::OtlpHttp => "otlp-http",
            Self::Prometheus => "prometheus",
            Self::Grafana => "grafana",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::NatsMonitoring => "nats-monitoring",
            Self::Rabbitmq => "rabbitmq",
            Self::RabbitmqManagement => "rabbitmq-management",
            Self::Kafka => "kafka",
        }
    }

    /// The port that the field knows it by: the one in the container, and on the developer's machine
    /// unless another is configured.
    pub fn standard(self) -> u16 {
        match self {
            Self::Consul => 8500,
            Self::Etcd => 2379,
            Self::Jaeger => 16686,
            Self::Otlp => 4317,
            Self::OtlpHttp => 4318,
            Self::Prometheus => 9090,
            Self::Grafana => 3000,
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::Nats => 4222,
            Self::NatsMonitoring => 8222,
            Self::Rabbitmq => 5672,
            Self::RabbitmqManagement => 15672,
            Self::Kafka => 9092,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_read_back_and_ports_belong_to_one_resource() {
        let mut ports = BTreeSet::new();
        for resource in Resource::ALL {
            assert_eq!(resource.name().parse(), Ok(resource));
            for port in resource.ports() {
                assert!(ports.insert(port.standard()), "{port} twice");
                let text = serde_json::to_value(port).expect("a name");
                assert_eq!(text, port.name());
            }
        }
    }

    #[test]
    fn what_is_needed_comes_first() {
        let place = |resource| Resource::ALL.iter().position(|it| *it == resource);
        for resource in Resource::ALL {
            for needed in resource.needs() {
                assert!(place(*needed) < place(resource), "{needed}, {resource}");
            }
        }
    }
}
