//! What a container is to be, and by which it is told whether one that runs still is that.
//!
//! Pure: values in, values out.

use core::net::IpAddr;
use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{Port, Resource};

/// How many characters of a digest are kept: enough to tell two versions of one thing apart.
const SHORT: usize = 12;

/// One container, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What it is.
    pub resource: Resource,
    /// Its image, with a tag.
    pub image: String,
    /// The arguments to the image's entrypoint.
    pub command: Vec<String>,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// Where its ports are reached from the developer's machine.
    pub ports: BTreeMap<Port, u16>,
    /// The address that they are published on.
    pub publish_on: IpAddr,
    /// Files by their absolute path in the container.
    pub files: BTreeMap<String, String>,
    /// How it is connected.
    pub network: Network,
}

/// How a container is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// To the workspace's own network, with ports published.
    Own,
    /// As a process of the engine's machine, whose loopback address the services listen on.
    Host,
}

/// What a spec consists of, each part in a form that can be compared and kept in a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parts(BTreeMap<String, String>);

/// One difference between what runs and what is to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The part that differs.
    pub part: String,
    /// What it was, where that says something.
    pub from: String,
    /// What it is to be.
    pub to: String,
}

impl Spec {
    /// What it consists of. Long and secret parts are digests.
    pub fn parts(&self) -> Parts {
        let ports = self.ports.iter();
        let ports = ports.map(|(port, number)| format!("{port} {number}"));
        let ports: Vec<String> = ports.collect();
        let mut parts = BTreeMap::from([
            ("image".to_owned(), self.image.clone()),
            ("command".to_owned(), short(&self.command)),
            ("environment".to_owned(), short(&self.environment)),
            (
                "ports".to_owned(),
                format!("{} on {}", ports.join(", "), self.publish_on),
            ),
            (
                "network".to_owned(),
                match self.network {
                    Network::Own => "own".to_owned(),
                    Network::Host => "host".to_owned(),
                },
            ),
        ]);
        for (path, text) in &self.files {
            parts.insert(path.clone(), short(text));
        }
        Parts(parts)
    }
}

impl Parts {
    /// A digest of all parts.
    pub fn hash(&self) -> String {
        short(&self.0)
    }

    /// The name of the image.
    pub fn image(&self) -> Option<&str> {
        self.0.get("image").map(String::as_str)
    }

    /// Notes that the image's name stands for another image today.
    pub fn mark_outdated(&mut self) {
        if let Some(image) = self.0.get_mut("image") {
            image.push_str(" (outdated)");
        }
    }

    /// What is to change on the way from here to there.
    pub fn changes(&self, to: &Self) -> Vec<Change> {
        let names = self
            .0
            .keys()
            .chain(to.0.keys().filter(|it| !self.0.contains_key(*it)));
        let value = |parts: &Self, name: &str| match parts.0.get(name) {
            Some(value) => value.clone(),
            None => "none".to_owned(),
        };
        let changes = names.filter(|name| self.0.get(*name) != to.0.get(*name));
        let changes = changes.map(|name| Change {
            part: name.clone(),
            from: value(self, name),
            to: value(to, name),
        });
        changes.collect()
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, from, to } = self;
        match part.as_str() {
            "image" | "ports" | "network" => write!(formatter, "{part}: {from} → {to}"),
            // Two digests say nothing to a reader.
            _ => write!(formatter, "{part}"),
        }
    }
}

/// The start of a digest of a value's canonical form.
fn short(value: &impl Serialize) -> String {
    let text = serde_json::to_vec(value).expect("plain data serializes");
    let digest = digest(&SHA256, &text);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect::<String>()[..SHORT].to_owned()
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn spec() -> Spec {
        Spec {
            resource: Resource::Redis,
            image: "redis:7".to_owned(),
            command: vec!["redis-server".to_owned()],
            environment: BTreeMap::from([("PASSWORD".to_owned(), "secret".to_owned())]),
            ports: BTreeMap::from([(Port::Redis, 6379)]),
            publish_on: Ipv4Addr::LOCALHOST.into(),
            files: BTreeMap::new(),
            network: Network::Own,
        }
    }

    #[test]
    fn what_differs_is_named_and_secrets_are_not_told() {
        let mut changed = spec();
        changed.image = "redis:8".to_owned();
        changed.environment.clear();
        changed.ports.insert(Port::Redis, 16379);
        changed.files.insert("/etc/a".to_owned(), "text".to_owned());
        let (old, new) = (spec().parts(), changed.parts());
        let changes = old.changes(&new);
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "environment",
                "image: redis:7 → redis:8",
                "ports: redis 6379 on 127.0.0.1 → redis 16379 on 127.0.0.1",
                "/etc/a",
            ]
        );
        assert_ne!(old.hash(), new.hash());
        let label = serde_json::to_string(&new).expect("plain data");
        assert!(!label.contains("secret"), "{label}");
        assert_eq!(serde_json::from_str::<Parts>(&label).ok(), Some(new));
    }

    #[test]
    fn the_same_spec_has_no_changes() {
        assert_eq!(spec().parts().changes(&spec().parts()), []);
        assert_eq!(spec().parts().hash(), spec().parts().hash());
    }
}
