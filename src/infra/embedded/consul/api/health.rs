//! `/v1/health`: the instances of services with their checks.

use serde_json::{Value, json};

use super::super::state::{Catalog, Check, Entry, Registry, Service, Status};
use super::query::Query;
use super::reply::{Answer, Reply};

pub(super) fn is_known(path: &str) -> bool {
    let starts = ["service/", "checks/", "node/", "state/"];
    starts.iter().any(|start| path.starts_with(start))
}

pub(super) fn read(registry: &Registry, path: &str, query: &Query) -> Answer {
    let catalog = &registry.catalog;
    let bad = |text| Answer::now(Reply::bad(text));
    match path.split_once('/').unwrap_or_default() {
        ("service" | "checks", "") => bad("Missing service name"),
        ("node", "") => bad("Missing node name"),
        ("state", "") => bad("Missing check state"),
        ("service", name) => service(catalog, name, query),
        ("checks", name) => checks(catalog, |check| check.service_name == name).watching_reply(),
        ("node", node) => checks(catalog, |_| node == catalog.node_name()),
        (_, "any") => checks(catalog, |_| true),
        (_, state) => {
            let state = Status::parse(state);
            checks(catalog, |check| Some(check.status) == state).watching_reply()
        }
    }
}

fn checks(catalog: &Catalog, wanted: impl Fn(&Check) -> bool) -> Answer {
    let found = catalog.checks().filter(|check| wanted(&check.value));
    let found: Value = found.map(|check| catalog.check_json(check)).collect();
    Answer::of_catalog(catalog.checks_index(), Reply::Json(found))
}

fn service(catalog: &Catalog, name: &str, query: &Query) -> Answer {
    let passing = match query.switch("passing") {
        Some(switch) => switch.unwrap_or(false),
        None if query.get("passing") == Some("") => true,
        None => return Answer::now(Reply::bad("Invalid value for ?passing")),
    };
    let is_passing = |service: &&Entry<Service>| {
        let mut checks = catalog.checks_of(&service.value.id);
        checks.all(|check| check.value.status == Status::Passing)
    };
    let tags = query.tags();
    let found = catalog.instances(name, &tags);
    let found = found.filter(|service| !passing || is_passing(service));
    let found: Vec<_> = found.map(|service| catalog.health_json(service)).collect();
    let answer = Answer::of_catalog(catalog.service_index(name, true), Reply::Json(json!(found)));
    // The index of a service that is not there rises with others.
    match catalog.instances(name, &[]).next() {
        Some(_) => answer,
        None => answer.watching_reply(),
    }
}
