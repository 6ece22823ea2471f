//! Where a resource is found, as people read it and as services are told it.
//!
//! Pure: values in, text out.

use std::collections::BTreeMap;

use super::containers::{POSTGRES_USER, RABBITMQ_USER};
use super::{Port, Resource};

/// Where the resources of a workspace are.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The host by which they are reached.
    pub host: &'a str,
    /// Their ports there.
    pub ports: &'a BTreeMap<Port, u16>,
    /// The database that services find.
    pub database: &'a str,
}

impl Found<'_> {
    fn at(&self, port: Port) -> String {
        let number = self.ports.get(&port).copied().unwrap_or(port.standard());
        format!("{}:{number}", self.host)
    }

    /// The URL of a resource; Kafka's clients take an address.
    pub fn url(&self, resource: Resource) -> String {
        let main = self.at(resource.ports()[0]);
        match resource {
            Resource::Consul
            | Resource::Etcd
            | Resource::Jaeger
            | Resource::Prometheus
            | Resource::Grafana => format!("http://{main}"),
            Resource::Postgres => {
                let database = self.database;
                format!("postgres://{POSTGRES_USER}:{POSTGRES_USER}@{main}/{database}")
            }
            Resource::Redis => format!("redis://{main}"),
            Resource::Nats => format!("nats://{main}"),
            Resource::Rabbitmq => format!("amqp://{RABBITMQ_USER}:{RABBITMQ_USER}@{main}"),
            Resource::Kafka => main,
        }
    }

    /// The environment variable by which the field's libraries learn where a resource is, with its
    /// value. Consul's is left out: services are told of their registry by their configuration.
    pub fn variable(&self, resource: Resource) -> Option<(&'static str, String)> {
        let name = match resource {
            Resource::Consul | Resource::Prometheus | Resource::Grafana => return None,
            Resource::Jaeger => {
                let collector = format!("http://{}", self.at(Port::Otlp));
                return Some(("OTEL_EXPORTER_OTLP_ENDPOINT", collector));
            }
            Resource::Etcd => "ETCDCTL_ENDPOINTS",
            Resource::Postgres => "DATABASE_URL",
            Resource::Redis => "REDIS_URL",
            Resource::Nats => "NATS_URL",
            Resource::Rabbitmq => "AMQP_URL",
            Resource::Kafka => "KAFKA_BROKERS",
        };
        Some((name, self.url(resource)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_what_clients_take() {
        let ports = BTreeMap::from([(Port::Otlp, 14317), (Port::Postgres, 15432)]);
        let found = Found {
            host: "127.0.0.1",
            ports: &ports,
            database: "shop",
        };
        let told: Vec<String> = Resource::ALL
            .into_iter()
            .filter_map(|resource| found.variable(resource))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            told,
            [
                "ETCDCTL_ENDPOINTS=http://127.0.0.1:2379",
                "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14317",
                "DATABASE_URL=postgres://postgres:postgres@127.0.0.1:15432/shop",
                "REDIS_URL=redis://127.0.0.1:6379",
                "NATS_URL=nats://127.0.0.1:4222",
                "AMQP_URL=amqp://guest:guest@127.0.0.1:5672",
                "KAFKA_BROKERS=127.0.0.1:9092",
            ]
        );
        assert_eq!(found.url(Resource::Jaeger), "http://127.0.0.1:16686");
    }
}
