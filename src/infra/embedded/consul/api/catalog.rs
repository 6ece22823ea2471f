//! `/v1/catalog`: the nodes and services there are.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::state::{Entry, Registry, Service};
use super::query::Query;
use super::reply::{Answer, Reply};

pub(super) fn is_known(path: &str) -> bool {
    let starts = ["node/", "node-services/", "service/"];
    ["datacenters", "nodes", "services"].contains(&path)
        || starts.iter().any(|start| path.starts_with(start))
}

pub(super) fn read(registry: &Registry, path: &str, query: &Query) -> Answer {
    let catalog = &registry.catalog;
    let bad = |text| Answer::now(Reply::bad(text));
    let with_node = catalog.nodes_index().max(catalog.services_index());
    let shown = |service: &Entry<Service>| {
        let Entry {
            created, modified, ..
        } = *service;
        service.value.health_json(created, modified)
    };
    match path.split_once('/').unwrap_or((path, "")) {
        ("datacenters", _) => Answer::now(Reply::Json(json!(["dc1"]))),
        ("nodes", _) => {
            let index = catalog.nodes_index();
            Answer::of_catalog(index, Reply::Json(json!([catalog.node_json()])))
        }
        ("services", _) => {
            let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for service in catalog.services() {
                let tags = names.entry(&service.value.name).or_default();
                tags.extend(service.value.tags.iter().map(String::as_str));
                tags.sort_unstable();
                tags.dedup();
            }
            Answer::of_catalog(catalog.services_index(), Reply::Json(json!(names)))
        }
        ("node" | "node-services", "") => bad("Missing node name"),
        (_, node) if path.starts_with("node") && node != catalog.node_name() => {
            // It is not there, and never will be.
            Answer::of_catalog(1, Reply::Json(Value::Null))
        }
        ("node", _) => {
            let services = catalog.services();
            let services = services.map(|service| (service.value.id.clone(), shown(service)));
            let services: Map<_, _> = services.collect();
            let value = json!({"Node": catalog.node_json(), "Services": services});
            Answer::of_catalog(with_node, Reply::Json(value)).watching_reply()
        }
        ("node-services", _) => {
            let services: Vec<_> = catalog.services().map(shown).collect();
            let value = json!({"Node": catalog.node_json(), "Services": services});
            Answer::of_catalog(with_node, Reply::Json(value)).watching_reply()
        }
        (_, "") => bad("Missing service name"),
        (_, name) => {
            let tags = query.tags();
            let node = catalog.node_json();
            let flat = |service: &Entry<Service>| {
                let Entry {
                    created, modified, ..
                } = *service;
                service.value.catalog_json(node, created, modified)
            };
            let all: Vec<_> = catalog.instances(name, &tags).map(flat).collect();
            let index = catalog.service_index(name, false);
            Answer::of_catalog(index, Reply::Json(all.into())).watching_reply()
        }
    }
}
