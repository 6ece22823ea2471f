//! What the services of a workspace need, unless it is said by name: their registry, something that
//! takes their spans, and whatever their configuration speaks of.
//!
//! Pure: values in, values out.

use std::collections::BTreeSet;

use super::Resource;
use crate::manifest::RegistryKind;

/// The resources whose URLs begin like this.
const SCHEMES: [(&str, Resource); 9] = [
    ("postgres://", Resource::Postgres),
    ("postgresql://", Resource::Postgres),
    ("redis://", Resource::Redis),
    ("nats://", Resource::Nats),
    ("amqp://", Resource::Rabbitmq),
    ("kafka://", Resource::Kafka),
    ("consul://", Resource::Consul),
    ("etcd://", Resource::Etcd),
    ("jaeger://", Resource::Jaeger),
];

/// What is started when nothing is named. `wanted` is what `msvc.toml` says of services, `configurations` are the texts that the services read in
/// development.
pub fn by_default<'a>(
    registry: RegistryKind,
    wanted: impl IntoIterator<Item = Resource>,
    configurations: impl IntoIterator<Item = &'a str>,
) -> Vec<Resource> {
    let mut needed = BTreeSet::from([Resource::Jaeger]);
    needed.extend(wanted);
    match registry {
        RegistryKind::Consul => _ = needed.insert(Resource::Consul),
        RegistryKind::Etcd => _ = needed.insert(Resource::Etcd),
        RegistryKind::Static => {}
    }
    for text in configurations {
        let lines = text.lines().map(str::trim_start);
        for line in lines.filter(|line| !line.starts_with('#')) {
            let named = SCHEMES.iter().filter(|(scheme, _)| line.contains(scheme));
            needed.extend(named.map(|(_, resource)| *resource));
        }
    }
    with_needs(needed)
}

/// These and what they need, each once, what is needed first.
pub fn with_needs(resources: impl IntoIterator<Item = Resource>) -> Vec<Resource> {
    let mut all = BTreeSet::new();
    let mut open: Vec<Resource> = resources.into_iter().collect();
    while let Some(resource) = open.pop() {
        if all.insert(resource) {
            open.extend(resource.needs());
        }
    }
    let order = Resource::ALL.into_iter();
    order.filter(|resource| all.contains(resource)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_needs_its_registry_and_what_its_configuration_speaks_of() {
        let configuration = "[database]\nurl = \"postgres://127.0.0.1/shop\"\n\
                             # url = \"redis://127.0.0.1\"\n  # nats://a\nqueue = \"amqp://a\"\n";
        assert_eq!(
            by_default(RegistryKind::Consul, [Resource::Redis], [configuration]),
            [
                Resource::Consul,
                Resource::Jaeger,
                Resource::Postgres,
                Resource::Redis,
                Resource::Rabbitmq
            ]
        );
        assert_eq!(
            by_default(RegistryKind::Etcd, [], []),
            [Resource::Etcd, Resource::Jaeger]
        );
        assert_eq!(by_default(RegistryKind::Static, [], []), [Resource::Jaeger]);
    }

    #[test]
    fn what_a_resource_needs_comes_with_it() {
        let both = [Resource::Prometheus, Resource::Grafana];
        assert_eq!(with_needs([Resource::Grafana]), both);
        assert_eq!(
            with_needs([Resource::Grafana, Resource::Prometheus, Resource::Grafana]),
            both
        );
    }
}
