//! Whole systems to learn from: workspaces whose services are built in as they are.

use std::path::Path;

use crate::error::Result;
use crate::infra::resource::Resource;
use crate::manifest::{self, RegistryKind, Service};
use crate::proto::options::GenConfig;
use crate::proto::sources::Sources;
use crate::proto::{self, Generation};
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::cargo;
use crate::scaffold::names::ServiceName;
use crate::scaffold::parts::{self, Part};
use crate::scaffold::plan::{Change, Plan};
use crate::scaffold::protocol;
use crate::scaffold::templates;
use crate::scaffold::workspace::{self, NewWorkspace};

/// A system to learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Example {
    /// A gateway, users, orders, payments and an inventory.
    #[default]
    Shop,
}

/// A service of an example.
struct Entry {
    name: &'static str,
    port: u16,
    serves: &'static [&'static str],
    needs: &'static [Resource],
}

/// The services of the shop.
const SHOP: [Entry; 5] = [
    Entry {
        name: "api-gateway",
        port: 8080,
        serves: &[],
        needs: &[],
    },
    Entry {
        name: "inventory-service",
        port: 50052,
        serves: &["inventory.v1.InventoryService"],
        needs: &[Resource::Postgres],
    },
    Entry {
        name: "order-service",
        port: 50054,
        serves: &["order.v1.OrderService"],
        needs: &[Resource::Postgres, Resource::Rabbitmq],
    },
    Entry {
        name: "payment-service",
        port: 50053,
        serves: &["payment.v1.PaymentService"],
        needs: &[Resource::Postgres],
    },
    Entry {
        name: "user-service",
        port: 50051,
        serves: &["user.v1.UserService"],
        needs: &[Resource::Postgres, Resource::Rabbitmq],
    },
];

/// The folder of the shop among the templates.
const FOLDER: &str = "examples/shop/";
/// What the name of a manifest ends with there: folders with one that is called as Cargo's are not published.
const MANIFEST_ENDING: &str = ".tera";

/// The names of its services.
pub fn services(example: Example) -> Vec<&'static str> {
    let Example::Shop = example;
    SHOP.iter().map(|entry| entry.name).collect()
}

/// Plans an example in an empty folder, as a workspace of this name.
///
/// # Errors
/// When what is built in does not fit together.
pub fn plan(example: Example, name: &str, root: &Path) -> Result<Plan> {
    let Example::Shop = example;
    let new = NewWorkspace {
        name,
        registry: RegistryKind::Consul,
        service: "order-service",
        example_method: "order.v1.OrderService/GetOrder",
        example_request: "",
    };
    let mut plan = workspace::verbatim();
    workspace::plan(&new, &mut plan)?;
    let mut draft = Draft::new(root);
    let mut sources = Sources::default();
    for (path, contents) in templates::files_below(FOLDER.trim_end_matches('/')) {
        let path = path.strip_prefix(FOLDER).unwrap_or(path);
        if let Some(proto) = path.strip_prefix("proto/") {
            let text = String::from_utf8_lossy(contents).into_owned();
            sources.memory.insert(proto.to_owned(), text);
        }
        let path = match path.ends_with("Cargo.toml.tera") {
            true => path.trim_end_matches(MANIFEST_ENDING),
            false => path,
        };
        draft.create_verbatim(path.to_owned(), contents);
    }
    // Parts change what the workspace would have without them.
    for path in ["Cargo.toml", "Cargo.lock", "crates/chassis/Cargo.toml"] {
        let change = plan.changes().find(|(changed, _)| *changed == path);
        if let Some((_, Change::Create(text))) = change {
            draft.create(path, String::from_utf8_lossy(text).into_owned());
        }
    }
    parts::lay(&mut draft, Part::Storage, &["postgres"])?;
    parts::lay(&mut draft, Part::Messaging, &["rabbitmq"])?;
    parts::lay(&mut draft, Part::Saga, &[])?;
    parts::lay(&mut draft, Part::Gateway, &[])?;
    draft.edit("crates/chassis/Cargo.toml", |text| {
        cargo::with_default_features(text, &["auth"])
    })?;
    draft.finish(&mut plan);

    let generation = Generation {
        config: &GenConfig::default(),
        manifest: "",
        root,
        directory: root,
    };
    let (compiled, generated) = proto::generate_all(&sources, &generation)?;
    let nothing = protocol::Existing::new();
    protocol::plan_sources(&generated, &compiled.encoded, &nothing, &mut plan);
    let mut text = workspace::manifest(&new)?;
    for entry in SHOP {
        let service = Service {
            port: entry.port,
            admin_port: None,
            serves: entry.serves.iter().map(|it| (*it).to_owned()).collect(),
            needs: Vec::new(),
        };
        let name = ServiceName::parse(entry.name)?;
        text = manifest::with_service(&text, &name, &service)?;
        for need in entry.needs {
            text = manifest::with_need(&text, &name, *need)?;
        }
    }
    plan.create(manifest::FILE_NAME, text);
    Ok(plan)
}
