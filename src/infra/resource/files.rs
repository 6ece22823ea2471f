//! The files that containers start with: what Prometheus collects, what Grafana shows.
//!
//! Pure: values in, text out.

use std::collections::BTreeMap;

use serde_json::json;

use super::containers::{GATEWAY, Stack, network, port_of};
use super::spec::Network;
use super::{Port, Resource};
use crate::manifest::RegistryKind;

/// Where Prometheus looks for its configuration.
pub const PROMETHEUS: &str = "/etc/prometheus/prometheus.yml";
/// Where the dashboard of the services is.
pub const DASHBOARD: &str = "/etc/grafana/dashboards/services.json";
/// How often Prometheus asks, in seconds.
const SCRAPE_SECONDS: u32 = 5;

/// What is to be monitored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// Where services find each other.
    pub registry: RegistryKind,
    /// The services by name, with their admin ports.
    pub services: BTreeMap<String, u16>,
    /// The dashboard, as Grafana's JSON.
    pub dashboard: String,
}

/// The files of a resource's container.
pub(super) fn of(resource: Resource, stack: &Stack) -> BTreeMap<String, String> {
    let files = match resource {
        Resource::Prometheus => vec![(PROMETHEUS, prometheus(stack))],
        Resource::Grafana => vec![
            (
                "/etc/grafana/provisioning/datasources/msvc.yaml",
                sources(stack),
            ),
            (
                "/etc/grafana/provisioning/dashboards/msvc.yaml",
                dashboards(),
            ),
            (DASHBOARD, stack.monitoring.dashboard.clone()),
        ],
        _ => Vec::new(),
    };
    let files = files.into_iter();
    files.map(|(path, text)| (path.to_owned(), text)).collect()
}

/// What Prometheus collects: every instance that Consul knows; without Consul those that the manifest
/// names. JSON is YAML.
fn prometheus(stack: &Stack) -> String {
    let has_consul = stack.has(Resource::Consul);
    let job = if stack.monitoring.registry == RegistryKind::Consul && has_consul {
        json!({
            "job_name": "services",
            "consul_sd_configs": [{ "server": address(stack, Resource::Prometheus, Port::Consul) }],
            "relabel_configs": by_registration(stack),
        })
    } else {
        json!({
            "job_name": "services",
            "static_configs": by_manifest(stack),
        })
    };
    yaml(&json!({
        "global": { "scrape_interval": format!("{SCRAPE_SECONDS}s") },
        "scrape_configs": [job],
    }))
}

/// How a registration becomes a target: by the address of its admin server.
fn by_registration(stack: &Stack) -> serde_json::Value {
    const ADMIN: &str = "__meta_consul_service_metadata_admin";
    let mut rules = vec![
        // What does not say where its admin server is, is none of our services.
        json!({ "source_labels": [ADMIN], "regex": "(.+)", "action": "keep" }),
        json!({ "source_labels": [ADMIN], "target_label": "__address__" }),
    ];
    if network(Resource::Prometheus, stack) == Network::Own {
        rules.push(json!({
            "source_labels": ["__address__"], "regex": r"(?:127\.0\.0\.1|localhost):(\d+)",
            "target_label": "__address__", "replacement": format!("{GATEWAY}:$1"),
        }));
    }
    rules.extend([
        json!({
            "source_labels": ["__meta_consul_service_address", "__meta_consul_service_port"],
            "separator": ":", "target_label": "instance",
        }),
        json!({ "source_labels": ["__meta_consul_service"], "target_label": "job" }),
    ]);
    rules.into()
}

/// The first instance of each service, where the manifest puts it.
fn by_manifest(stack: &Stack) -> serde_json::Value {
    let host = match network(Resource::Prometheus, stack) {
        Network::Host => "127.0.0.1",
        Network::Own => GATEWAY,
    };
    let services = stack.monitoring.services.iter();
    let groups = services.map(|(name, admin)| {
        json!({ "targets": [format!("{host}:{admin}")], "labels": { "job": name } })
    });
    groups.collect()
}

/// Where Grafana gets what it shows.
fn sources(stack: &Stack) -> String {
    let mut sources = vec![json!({
        "name": "Prometheus", "uid": "prometheus", "type": "prometheus", "isDefault": true,
        "url": format!("http://{}", address(stack, Resource::Grafana, Port::Prometheus)),
        "jsonData": { "timeInterval": format!("{SCRAPE_SECONDS}s") },
    })];
    if stack.has(Resource::Jaeger) {
        sources.push(json!({
            "name": "Jaeger", "uid": "jaeger", "type": "jaeger",
            "url": format!("http://{}", address(stack, Resource::Grafana, Port::Jaeger)),
        }));
    }
    yaml(&json!({ "apiVersion": 1, "datasources": sources }))
}

fn dashboards() -> String {
    let folder = DASHBOARD.rsplit_once('/').map_or("/", |(folder, _)| folder);
    yaml(&json!({
        "apiVersion": 1,
        "providers": [{ "name": "msvc", "type": "file", "options": { "path": folder } }],
    }))
}

/// Where one container finds a port of another.
fn address(stack: &Stack, from: Resource, to: Port) -> String {
    match network(from, stack) {
        Network::Host => format!("127.0.0.1:{}", port_of(stack, to)),
        Network::Own => format!("{to}:{}", to.standard()),
    }
}

fn yaml(document: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("plain data serializes");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::infra::resource::containers::{Place, WayToServices};

    /// Everything, with services that register with Consul.
    fn stack(way: WayToServices) -> Stack {
        Stack {
            resources: Resource::ALL.to_vec(),
            others: Vec::new(),
            images: BTreeMap::new(),
            mirror: None,
            ports: BTreeMap::from([(Port::Consul, 18500), (Port::Prometheus, 19090)]),
            place: Place::new(None, way),
            database: "shop".to_owned(),
            monitoring: Monitoring {
                registry: RegistryKind::Consul,
                services: BTreeMap::from([("user-service".to_owned(), 51051)]),
                dashboard: "{}".to_owned(),
            },
        }
    }

    fn parsed(resource: Resource, path: &str, stack: &Stack) -> Value {
        let files = of(resource, stack);
        serde_json::from_str(&files[path]).expect("JSON")
    }

    #[test]
    fn prometheus_asks_consul_where_the_services_are() {
        let host = stack(WayToServices::HostNetwork);
        let job = &parsed(Resource::Prometheus, PROMETHEUS, &host)["scrape_configs"][0];
        let server = &job["consul_sd_configs"][0]["server"];
        assert_eq!(server, "127.0.0.1:18500");
        let rules = job["relabel_configs"].as_array().expect("a list");
        assert_eq!(rules.len(), 4);

        // In a network of its own it finds Consul by its name, and services through the gateway.
        let gateway = stack(WayToServices::Gateway);
        let job = &parsed(Resource::Prometheus, PROMETHEUS, &gateway)["scrape_configs"][0];
        assert_eq!(job["consul_sd_configs"][0]["server"], "consul:8500");
        let rule = &job["relabel_configs"][2];
        assert_eq!(rule["regex"], r"(?:127\.0\.0\.1|localhost):(\d+)");
        assert_eq!(rule["replacement"], "host.docker.internal:$1");
    }

    #[test]
    fn without_consul_prometheus_goes_by_the_manifest() {
        let mut etcd = stack(WayToServices::HostNetwork);
        etcd.monitoring.registry = RegistryKind::Etcd;
        let job = &parsed(Resource::Prometheus, PROMETHEUS, &etcd)["scrape_configs"][0];
        let expected =
            json!([{ "targets": ["127.0.0.1:51051"], "labels": { "job": "user-service" } }]);
        assert_eq!(job["static_configs"], expected);
        assert_eq!(job["consul_sd_configs"], Value::Null);
    }

    #[test]
    fn grafana_shows_what_prometheus_and_jaeger_have() {
        const SOURCES: &str = "/etc/grafana/provisioning/datasources/msvc.yaml";
        let urls = |way| {
            let sources = parsed(Resource::Grafana, SOURCES, &stack(way));
            let sources = sources["datasources"].as_array().expect("a list").clone();
            let urls = sources
                .iter()
                .map(|it| it["url"].as_str().expect("a text").to_owned());
            urls.collect::<Vec<_>>()
        };
        assert_eq!(
            urls(WayToServices::HostNetwork),
            ["http://127.0.0.1:19090", "http://127.0.0.1:16686"]
        );
        assert_eq!(
            urls(WayToServices::Gateway),
            ["http://prometheus:9090", "http://jaeger:16686"]
        );
        let files = of(Resource::Grafana, &stack(WayToServices::Gateway));
        assert_eq!(files[DASHBOARD], "{}");
    }
}
