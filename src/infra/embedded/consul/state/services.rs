//! The definition of a service: how it is registered, and how each part of the API shows it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::decode::Object;
use super::Refusal;
use super::definition::Definition;

/// What Consul 1.8 knows of a service. `Kind`, `Connect` and `Proxy` are its service mesh.
const FIELDS: &[&str] = &[
    "ID",
    "Name",
    "Tags",
    "Port",
    "Address",
    "Meta",
    "Weights",
    "Check",
    "Checks",
    "Token",
    "Kind",
    "Connect",
    "Proxy",
    "EnableTagOverride",
    "enable_tag_override",
    "TaggedAddresses",
    "tagged_addresses",
];
/// Addresses that nobody can call.
const UNSPECIFIED: &[&str] = &["0.0.0.0", "::", "[::]"];
/// Consul's limits of metadata.
const MAX_META: usize = 64;
const MAX_META_KEY: usize = 128;
const MAX_META_VALUE: usize = 512;

/// An instance of a service.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Service {
    pub id: String,
    pub name: String,
    pub tags: Vec<String>,
    pub address: String,
    pub port: i64,
    pub meta: BTreeMap<String, String>,
    pub tagged_addresses: Map<String, Value>,
    pub weights: (i64, i64),
    pub enable_tag_override: bool,
}

impl Service {
    /// Reads the body of a registration: the service and its checks.
    pub fn read(body: &Map<String, Value>) -> Result<(Self, Vec<Definition>), Refusal> {
        let fields = Object::new(body, "");
        fields.only(FIELDS)?;
        for mesh in ["Kind", "Connect", "Proxy"] {
            if fields.get(mesh).is_some_and(|value| value != "") {
                return Err(Refusal::Unsupported(format!("`{mesh}`")));
            }
        }
        let name = fields.text("Name")?;
        let id = Some(fields.text("ID")?).filter(|id| !id.is_empty());
        let service = Self {
            id: id.unwrap_or_else(|| name.clone()),
            tags: fields.texts("Tags")?,
            address: fields.text("Address")?,
            port: fields.integer("Port")?.unwrap_or(0),
            meta: fields.map("Meta")?,
            tagged_addresses: tagged_addresses(&fields)?,
            weights: weights(&fields)?,
            enable_tag_override: fields.boolean("EnableTagOverride")?,
            name,
        };
        let checks = checks(&fields, &service)?;
        service.validate()?;
        Ok((service, checks))
    }

    fn validate(&self) -> Result<(), Refusal> {
        let refused = |text: &str| Err(Refusal::Invalid(text.to_owned()));
        if self.name.is_empty() {
            return refused("Missing service name");
        }
        if UNSPECIFIED.contains(&self.address.as_str()) {
            return refused("Invalid service address");
        }
        if self.weights.0 <= 0 {
            return refused("Invalid Weights: Passing must be greater than 0");
        }
        if self.weights.1 < 0 {
            return refused("Invalid Weights: Warning must be greater or equal than 0");
        }
        if self.meta.len() > MAX_META {
            return refused(
                "Invalid Service Meta: Node metadata cannot contain more than 64 key/value pairs",
            );
        }
        let is_plain = |key: &str| {
            key.chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        };
        for (key, value) in &self.meta {
            let why = match () {
                () if key.is_empty() => "Key cannot be blank",
                () if !is_plain(key) => "Key contains invalid characters",
                () if key.len() > MAX_META_KEY => "Key is too long (limit: 128 characters)",
                () if value.len() > MAX_META_VALUE => "Value is too long (limit: 512 characters)",
                () => continue,
            };
            return refused(&format!(
                "Invalid Service Meta: Couldn't load metadata pair ('{key}', '{value}'): {why}"
            ));
        }
        Ok(())
    }

    /// Whether it has all these tags, which match in any case.
    pub fn has_tags(&self, wanted: &[&str]) -> bool {
        let has = |tag: &&str| self.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        wanted.iter().all(has)
    }

    /// As the agent shows it.
    pub fn agent_json(&self) -> Value {
        let mut value = json!({
            "ID": self.id, "Service": self.name, "Tags": self.tags, "Meta": self.meta,
            "Port": self.port, "Address": self.address,
            "Weights": self.weights_json(),
            "EnableTagOverride": self.enable_tag_override,
        });
        if !self.tagged_addresses.is_empty() {
            value["TaggedAddresses"] = self.tagged_addresses.clone().into();
        }
        value
    }

    /// As the health endpoints show it.
    pub fn health_json(&self, created: u64, modified: u64) -> Value {
        let mut value = self.agent_json();
        if self.meta.is_empty() {
            value["Meta"] = Value::Null;
        }
        value["Proxy"] = json!({"MeshGateway": {}, "Expose": {}});
        value["Connect"] = json!({});
        value["CreateIndex"] = created.into();
        value["ModifyIndex"] = modified.into();
        value
    }

    /// As the catalog shows it, flat with its node.
    pub fn catalog_json(&self, node: &Value, created: u64, modified: u64) -> Value {
        let mut value = json!({
            "ID": node["ID"], "Node": node["Node"], "Address": node["Address"],
            "Datacenter": node["Datacenter"], "TaggedAddresses": node["TaggedAddresses"],
            "NodeMeta": node["Meta"], "ServiceKind": "", "ServiceID": self.id,
            "ServiceName": self.name, "ServiceTags": self.tags, "ServiceAddress": self.address,
            "ServiceWeights": self.weights_json(), "ServiceMeta": self.meta,
            "ServicePort": self.port, "ServiceEnableTagOverride": self.enable_tag_override,
            "ServiceProxy": {"MeshGateway": {}, "Expose": {}}, "ServiceConnect": {},
            "CreateIndex": created, "ModifyIndex": modified,
        });
        if !self.tagged_addresses.is_empty() {
            value["ServiceTaggedAddresses"] = self.tagged_addresses.clone().into();
        }
        value
    }

    fn weights_json(&self) -> Value {
        json!({"Passing": self.weights.0, "Warning": self.weights.1})
    }
}

fn weights(fields: &Object<'_>) -> Result<(i64, i64), String> {
    let Some(given) = fields.object("Weights", "structs.Weights")? else {
        return Ok((1, 1));
    };
    let given = Object::new(given, "Weights.Weights");
    given.only(&["Passing", "Warning"])?;
    let weight = |name| Ok::<_, String>(given.integer(name)?.unwrap_or(0));
    Ok((weight("Passing")?, weight("Warning")?))
}

fn tagged_addresses(fields: &Object<'_>) -> Result<Map<String, Value>, String> {
    let wanted = "structs.ServiceAddress";
    let given = fields.object("TaggedAddresses", "map[string]structs.ServiceAddress")?;
    let mut all = Map::new();
    for (tag, address) in given.into_iter().flatten() {
        let Value::Object(address) = address else {
            let one = Map::from_iter([("TaggedAddresses".to_owned(), address.clone())]);
            Object::new(&one, "").object("TaggedAddresses", wanted)?;
            continue;
        };
        let address = Object::new(address, "ServiceAddress.TaggedAddresses");
        address.only(&["Address", "Port"])?;
        let (host, port) = (address.text("Address")?, address.integer("Port")?);
        let address = json!({"Address": host, "Port": port.unwrap_or(0)});
        all.insert(tag.clone(), address);
    }
    Ok(all)
}

fn checks(fields: &Object<'_>, service: &Service) -> Result<Vec<Definition>, Refusal> {
    // An empty check, as some clients send it, is none.
    let one = fields.object("Check", "struct")?;
    let one = one.filter(|check| !check.is_empty());
    let more = fields.objects("Checks", "structs.CheckTypes")?;
    let aliases = one
        .iter()
        .map(|_| "Check")
        .chain(more.iter().map(|_| "Checks"));
    let given: Vec<_> = one.into_iter().chain(more.iter().copied()).collect();
    let mut checks: Vec<Definition> = Vec::new();
    for (at, (body, alias)) in given.iter().zip(aliases).enumerate() {
        let body = Object::decoded_by_hand(body, alias);
        let default_id = match given.len() {
            1 => format!("service:{}", service.id),
            _ => format!("service:{}:{}", service.id, at + 1),
        };
        checks.push(Definition::of_service(&body, service, default_id)?);
    }
    Ok(checks)
}
