//! The container of each resource: for development, on one machine, quick to start.
//!
//! Pure: values in, specs out.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

use super::files::{self, Monitoring};
use super::images;
use super::spec::{Network, Spec};
use super::{Port, Resource};

/// The user, password and virtual host of everything that wants some: known to everybody, and no
/// protection where the engine is on another machine and its ports are open.
pub const POSTGRES_USER: &str = "postgres";
/// RabbitMQ's user, as its own image has it.
pub const RABBITMQ_USER: &str = "guest";
/// A cluster of Kafka has an id; this one belongs to development.
const KAFKA_CLUSTER: &str = "bXN2Yy1kZXZlbG9wbWVudA";

/// What the containers of a workspace depend on besides what they are.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Everything that is to run, what others need before them.
    pub resources: Vec<Resource>,
    /// What runs besides, and is left alone.
    pub others: Vec<Resource>,
    /// Images that were configured.
    pub images: BTreeMap<Resource, String>,
    /// The mirror that all other images come from.
    pub mirror: Option<String>,
    /// The port of each on the engine's machine.
    pub ports: BTreeMap<Port, u16>,
    /// Where it is reached.
    pub place: Place,
    /// The database that services find; also a part of the workspace's name.
    pub database: String,
    /// What is to be monitored.
    pub monitoring: Monitoring,
}

impl Stack {
    /// Whether a resource is there for others.
    pub(super) fn has(&self, resource: Resource) -> bool {
        self.resources.contains(&resource) || self.others.contains(&resource)
    }
}

/// Where containers and services find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address that ports are published on.
    pub publish_on: IpAddr,
    /// The host by which the developer's machine reaches them.
    pub host: String,
    /// How a container reaches what listens on the developer's machine.
    pub way_to_services: WayToServices,
}

impl Place {
    /// On this machine, where nobody else reaches it; or on another that has a name: there on all
    /// addresses, or nobody could, which [`Self::exposure`] tells of.
    pub fn new(remote: Option<String>, way_to_services: WayToServices) -> Self {
        match remote {
            None => Self {
                publish_on: Ipv4Addr::LOCALHOST.into(),
                host: "127.0.0.1".to_owned(),
                way_to_services,
            },
            Some(host) => Self {
                publish_on: Ipv4Addr::UNSPECIFIED.into(),
                host,
                way_to_services,
            },
        }
    }

    /// Who else reaches what runs there, for those it matters to.
    pub fn exposure(&self) -> Option<String> {
        let host = &self.host;
        (!self.publish_on.is_loopback()).then(|| {
            format!(
                "the ports are published on all addresses of `{host}`, and what listens there has no \
                 password or a known one: it is open to everybody who reaches `{host}`"
            )
        })
    }
}

/// How a container reaches what listens on the loopback address of the developer's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayToServices {
    /// The engine runs on the same kernel: the container joins the machine's own network.
    HostNetwork,
    /// The engine runs in a machine of its own, whose makers lead this name to the loopback address.
    Gateway,
}

/// The name that engines in a machine of their own give to the developer's.
pub const GATEWAY: &str = "host.docker.internal";

/// The containers of a stack, in its order.
pub fn specs(stack: &Stack) -> Vec<Spec> {
    let resources = stack.resources.iter();
    resources.map(|resource| spec(*resource, stack)).collect()
}

fn spec(resource: Resource, stack: &Stack) -> Spec {
    let ports = resource.ports().iter();
    let ports = ports.map(|port| (*port, port_of(stack, *port)));
    Spec {
        resource,
        image: image(resource, stack),
        command: command(resource, stack),
        environment: environment(resource, stack),
        ports: ports.collect(),
        publish_on: stack.place.publish_on,
        files: files::of(resource, stack),
        network: network(resource, stack),
    }
}

/// The image that was configured, else the usual one, from the mirror if there is one.
fn image(resource: Resource, stack: &Stack) -> String {
    let usual = images::default_image(resource);
    let image = match (stack.images.get(&resource), &stack.mirror) {
        (Some(configured), _) => configured.clone(),
        (None, Some(mirror)) => images::mirrored(usual, mirror),
        (None, None) => usual.to_owned(),
    };
    images::tagged(&image)
}

/// The port on the engine's machine.
pub(super) fn port_of(stack: &Stack, port: Port) -> u16 {
    stack.ports.get(&port).copied().unwrap_or(port.standard())
}

/// What calls services is where they are; what only it is called by is with it.
pub(super) fn network(resource: Resource, stack: &Stack) -> Network {
    let calls = resource.calls_services() || resource == Resource::Grafana;
    match stack.place.way_to_services {
        WayToServices::HostNetwork if calls => Network::Host,
        _ => Network::Own,
    }
}

/// Where a container listens: on all addresses of its own network, or beside the services.
fn listen(resource: Resource, port: Port, stack: &Stack) -> (String, u16) {
    match network(resource, stack) {
        Network::Own => ("0.0.0.0".to_owned(), port.standard()),
        Network::Host => (stack.place.publish_on.to_string(), port_of(stack, port)),
    }
}

fn command(resource: Resource, stack: &Stack) -> Vec<String> {
    let words = match resource {
        Resource::Consul => "agent -dev -client=0.0.0.0 -dns-port=-1 -serf-wan-port=-1".to_owned(),
        // What a crash of the machine may lose is worth less here than a quick start.
        Resource::Etcd => format!(
            "etcd --name=msvc --data-dir=/etcd-data --unsafe-no-fsync \
             --listen-client-urls=http://0.0.0.0:2379 --advertise-client-urls=http://{}:{} \
             --listen-peer-urls=http://127.0.0.1:2380 \
             --initial-advertise-peer-urls=http://127.0.0.1:2380 \
             --initial-cluster=msvc=http://127.0.0.1:2380",
            stack.place.host,
            port_of(stack, Port::Etcd)
        ),
        Resource::Prometheus => {
            let (address, port) = listen(resource, Port::Prometheus, stack);
            format!(
                "--config.file={} --storage.tsdb.path=/prometheus \
                 --enable-feature=exemplar-storage --web.listen-address={address}:{port}",
                files::PROMETHEUS
            )
        }
        // Its own protection lets only its own machine in, and here that is its container. Who else
        // gets to it is up to where its port is published.
        Resource::Redis => {
            "redis-server --dir /data --appendonly yes --protected-mode no".to_owned()
        }
        Resource::Nats => "-js -sd /data -m 8222".to_owned(),
        Resource::Postgres => "postgres".to_owned(),
        Resource::Jaeger | Resource::Grafana | Resource::Rabbitmq | Resource::Kafka => {
            String::new()
        }
    };
    words.split_whitespace().map(str::to_owned).collect()
}

fn environment(resource: Resource, stack: &Stack) -> BTreeMap<String, String> {
    let pairs: Vec<(&str, String)> = match resource {
        Resource::Jaeger => vec![("JAEGER_LISTEN_HOST", "0.0.0.0".to_owned())],
        Resource::Grafana => {
            let (address, port) = listen(resource, Port::Grafana, stack);
            vec![
                ("GF_SERVER_HTTP_ADDR", address),
                ("GF_SERVER_HTTP_PORT", port.to_string()),
                ("GF_AUTH_ANONYMOUS_ENABLED", "true".to_owned()),
                ("GF_AUTH_ANONYMOUS_ORG_ROLE", "Admin".to_owned()),
                ("GF_ANALYTICS_REPORTING_ENABLED", "false".to_owned()),
                ("GF_ANALYTICS_CHECK_FOR_UPDATES", "false".to_owned()),
                (
                    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH",
                    files::DASHBOARD.to_owned(),
                ),
            ]
        }
        Resource::Postgres => vec![
            ("POSTGRES_USER", POSTGRES_USER.to_owned()),
            ("POSTGRES_PASSWORD", POSTGRES_USER.to_owned()),
            ("POSTGRES_DB", stack.database.clone()),
        ],
        Resource::Rabbitmq => vec![
            ("RABBITMQ_DEFAULT_USER", RABBITMQ_USER.to_owned()),
            ("RABBITMQ_DEFAULT_PASS", RABBITMQ_USER.to_owned()),
        ],
        Resource::Kafka => kafka(stack),
        Resource::Consul
        | Resource::Etcd
        | Resource::Prometheus
        | Resource::Redis
        | Resource::Nats => Vec::new(),
    };
    let pairs = pairs.into_iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One node that is broker and controller at once. It has a listener for each side: a client is sent
/// to the address that it can reach.
fn kafka(stack: &Stack) -> Vec<(&'static str, String)> {
    let outside = format!("{}:{}", stack.place.host, port_of(stack, Port::Kafka));
    let of = |text: &str| text.to_owned();
    vec![
        ("CLUSTER_ID", of(KAFKA_CLUSTER)),
        ("KAFKA_NODE_ID", of("1")),
        ("KAFKA_PROCESS_ROLES", of("broker,controller")),
        (
            "KAFKA_LISTENERS",
            of("OUTSIDE://0.0.0.0:9092,INSIDE://0.0.0.0:19092,CONTROLLER://127.0.0.1:9093"),
        ),
        (
            "KAFKA_ADVERTISED_LISTENERS",
            format!("OUTSIDE://{outside},INSIDE://kafka:19092"),
        ),
        (
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
            of("OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ),
        ("KAFKA_INTER_BROKER_LISTENER_NAME", of("INSIDE")),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", of("CONTROLLER")),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", of("1@127.0.0.1:9093")),
        ("KAFKA_LOG_DIRS", of("/var/lib/kafka/data")),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", of("1")),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", of("1")),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", of("1")),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", of("0")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Stack {
        Stack {
            resources: Resource::ALL.to_vec(),
            others: Vec::new(),
            images: BTreeMap::from([(Resource::Redis, "valkey/valkey".to_owned())]),
            mirror: Some("mirror.example.com/hub".to_owned()),
            ports: BTreeMap::from([(Port::Kafka, 19092), (Port::Prometheus, 19090)]),
            place: Place::new(None, WayToServices::HostNetwork),
            database: "shop".to_owned(),
            monitoring: Monitoring::default(),
        }
    }

    #[test]
    fn usual_images_come_from_the_mirror_and_others_from_where_they_are() {
        let specs = specs(&stack());
        let images: Vec<&str> = specs.iter().map(|spec| spec.image.as_str()).collect();
        assert!(images.contains(&"valkey/valkey:latest"), "{images:?}");
        let mirrored = images
            .iter()
            .filter(|it| it.starts_with("mirror.example.com/hub/"));
        assert_eq!(mirrored.count(), Resource::ALL.len() - 1);
    }

    #[test]
    fn clients_of_kafka_are_sent_to_where_it_is_reached() {
        let spec = spec(Resource::Kafka, &stack());
        assert_eq!(
            spec.environment["KAFKA_ADVERTISED_LISTENERS"],
            "OUTSIDE://127.0.0.1:19092,INSIDE://kafka:19092"
        );
    }

    #[test]
    fn what_calls_services_listens_beside_them() {
        let prometheus = spec(Resource::Prometheus, &stack());
        assert_eq!(prometheus.network, Network::Host);
        let listens = "--web.listen-address=127.0.0.1:19090".to_owned();
        assert!(prometheus.command.contains(&listens));
        let mut elsewhere = stack();
        elsewhere.place = Place::new(Some("engine".to_owned()), WayToServices::Gateway);
        let prometheus = spec(Resource::Prometheus, &elsewhere);
        assert_eq!(prometheus.network, Network::Own);
        let listens = "--web.listen-address=0.0.0.0:9090".to_owned();
        assert!(prometheus.command.contains(&listens));
        assert!(prometheus.publish_on.is_unspecified());
    }
}
