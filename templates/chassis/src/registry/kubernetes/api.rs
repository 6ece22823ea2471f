//! The JSON of `discovery.k8s.io/v1`, as much of it as is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::registry::resolve::Parts;

/// `EndpointSliceList`
#[derive(Debug, Deserialize)]
pub(super) struct SliceList {
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) items: Vec<Slice>,
}

/// Of a list or of an object.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    /// Opaque: it is only ever sent back.
    pub(super) resource_version: String,
}

/// `EndpointSlice`: some of the endpoints of a service, all with the same ports.
#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    pub(super) metadata: Metadata,
    #[serde(default, deserialize_with = "nullable")]
    endpoints: Vec<Endpoint>,
    #[serde(default, deserialize_with = "nullable")]
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    zone: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Conditions {
    /// "A nil value should be interpreted as true."
    ready: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Port {
    name: Option<String>,
    port: Option<u16>,
}

/// A line of a watch.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: EventKind,
    pub(super) object: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum EventKind {
    Added,
    Modified,
    Deleted,
    /// No change: it only tells how far the watch is.
    Bookmark,
    /// The end of the watch.
    Error,
}

/// What a bookmark is about.
#[derive(Debug, Deserialize)]
pub(super) struct Bookmark {
    pub(super) metadata: Metadata,
}

/// `Status`: what an error is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    pub(super) code: u16,
    pub(super) message: String,
}

fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Slice {
    /// Where its ready endpoints are, for `port` by name or by number.
    pub(super) fn places(&self, port: &str) -> Vec<Parts> {
        let number = port.parse().ok().or_else(|| {
            let mut ports = self.ports.iter();
            ports.find(|it| it.name.as_deref() == Some(port))?.port
        });
        let Some(number) = number else {
            return Vec::new();
        };
        let endpoints = self.endpoints.iter();
        let ready = endpoints.filter(|it| it.conditions.ready.unwrap_or(true));
        let places = ready.filter_map(|endpoint| {
            // All of them lead to the same pod, and there is seldom more than one.
            let address = endpoint.addresses.first()?.clone();
            let zone = endpoint.zone.clone();
            let meta = zone.map(|zone| ("zone".to_owned(), zone));
            Some((address, number, BTreeMap::from_iter(meta)))
        });
        places.collect()
    }
}
