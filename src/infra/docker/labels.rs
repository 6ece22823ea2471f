//! The labels by which what belongs to a workspace is known: all that is remembered is in them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ring::digest::{SHA256, digest};

use crate::infra::resource::spec::{Parts, Spec};
use crate::infra::resource::{Port, Resource};

/// Whose it is.
pub const PROJECT: &str = "dev.msvc.project";
/// The folder of the workspace.
pub const ROOT: &str = "dev.msvc.root";
/// What it is.
pub const RESOURCE: &str = "dev.msvc.resource";
/// What a container was made from, part by part.
const SPEC: &str = "dev.msvc.spec";
/// A digest of that.
const SPEC_HASH: &str = "dev.msvc.spec-hash";
/// The ports of a container.
const PORTS: &str = "dev.msvc.ports";

/// How many characters of the digest of a folder tell workspaces of one name apart.
const DISTINCT: usize = 6;

/// A workspace as the engine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// By what all names begin: the workspace's name, and what tells it from others of that name.
    pub id: String,
    root: String,
}

impl Project {
    /// The workspace of this name in this folder.
    pub fn new(name: &str, root: &Path) -> Self {
        let root = root.display().to_string();
        let digest = digest(&SHA256, root.as_bytes());
        let hex = digest.as_ref().iter().map(|it| format!("{it:02x}"));
        let hex: String = hex.collect();
        Self {
            id: format!("{}-{}", plain(name), &hex[..DISTINCT]),
            root,
        }
    }

    /// The name of the container of a resource, and of its volume.
    pub fn name_of(&self, resource: Resource) -> String {
        format!("{}-{resource}", self.id)
    }

    /// The label that all of its things have.
    pub fn filter(&self) -> HashMap<String, Vec<String>> {
        let label = format!("{PROJECT}={}", self.id);
        HashMap::from([("label".to_owned(), vec![label])])
    }

    /// The labels of what is not a container.
    pub fn labels(&self, resource: Option<Resource>) -> HashMap<String, String> {
        let mut labels = HashMap::from([
            (PROJECT.to_owned(), self.id.clone()),
            (ROOT.to_owned(), self.root.clone()),
        ]);
        if let Some(resource) = resource {
            labels.insert(RESOURCE.to_owned(), resource.name().to_owned());
        }
        labels
    }

    /// The labels of a container.
    pub fn labels_of(&self, spec: &Spec) -> HashMap<String, String> {
        let parts = spec.parts();
        let mut labels = self.labels(Some(spec.resource));
        labels.insert(SPEC_HASH.to_owned(), parts.hash());
        labels.insert(SPEC.to_owned(), json(&parts));
        labels.insert(PORTS.to_owned(), json(&spec.ports));
        labels
    }
}

/// What the labels of a container say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What it is.
    pub resource: Option<Resource>,
    /// What it was made from.
    pub parts: Option<Parts>,
    /// Its ports on the engine's machine.
    pub ports: BTreeMap<Port, u16>,
}

/// Reads the labels of a container.
pub fn read(labels: &HashMap<String, String>) -> Said {
    let get = |name: &str| labels.get(name).map(String::as_str);
    let parts = get(SPEC).and_then(|text| serde_json::from_str::<Parts>(text).ok());
    let ports = get(PORTS).and_then(|text| serde_json::from_str(text).ok());
    Said {
        resource: get(RESOURCE).and_then(|name| name.parse().ok()),
        // Labels that somebody has edited say nothing that could be relied on.
        parts: parts.filter(|parts| Some(parts.hash().as_str()) == get(SPEC_HASH)),
        ports: ports.unwrap_or_default(),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("plain data serializes")
}

/// A name with nothing in it that the engine does not take.
fn plain(name: &str) -> String {
    let kept = name.chars().map(|it| match it {
        'a'..='z' | '0'..='9' | '-' | '_' => it,
        'A'..='Z' => it.to_ascii_lowercase(),
        _ => '-',
    });
    let kept: String = kept.collect();
    match kept.trim_matches(['-', '_']) {
        "" => "msvc".to_owned(),
        kept => kept.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_of_one_name_are_told_apart_by_their_folders() {
        let one = Project::new("Shop & Co.", Path::new("/home/ada/shop"));
        let other = Project::new("Shop & Co.", Path::new("/home/bob/shop"));
        assert!(one.id.starts_with("shop---co-"), "{}", one.id);
        assert_ne!(one.id, other.id);
        assert_eq!(one, Project::new("Shop & Co.", Path::new("/home/ada/shop")));
        assert!(Project::new("…", Path::new("/")).id.starts_with("msvc-"));
    }

    #[test]
    fn labels_that_were_edited_say_nothing_of_the_spec() {
        let parts: Parts = serde_json::from_str(r#"{"image":"redis:7"}"#).expect("parts");
        let mut labels = HashMap::from([
            (RESOURCE.to_owned(), "redis".to_owned()),
            (SPEC.to_owned(), json(&parts)),
            (SPEC_HASH.to_owned(), parts.hash()),
            (PORTS.to_owned(), r#"{"redis":16379}"#.to_owned()),
        ]);
        let said = read(&labels);
        assert_eq!(said.resource, Some(Resource::Redis));
        assert_eq!(said.parts, Some(parts));
        assert_eq!(said.ports, BTreeMap::from([(Port::Redis, 16379)]));
        labels.insert(SPEC.to_owned(), r#"{"image":"redis:8"}"#.to_owned());
        assert_eq!(read(&labels).parts, None);
        assert_eq!(read(&HashMap::new()), Said::default());
    }
}
