//! `msvc add queue`: a service publishes messages, and handles them.

use std::path::Path;

use clap::{Args, ValueEnum};
use tera::Context as Values;

use super::{Options, Planned, name, payload, target};
use crate::error::{Diagnostic, Result};
use crate::infra::resource::Resource;
use crate::manifest::{self, Manifest};
use crate::project::Project;
use crate::scaffold::draft::Draft;
use crate::scaffold::edit::handler::NewField;
use crate::scaffold::edit::{rust, settings, wiring};
use crate::scaffold::equip;
use crate::scaffold::names::{ServiceName, snake};
use crate::scaffold::parts::{self, Part};
use crate::scaffold::plan::Plan;
use crate::scaffold::templates;

/// What the module of a queue imports, beside the message.
const TAKEN: [&str; 6] = [
    "Broker",
    "Delivery",
    "Error",
    "Failure",
    "Message",
    "Subscription",
];

/// Arguments of `msvc add queue`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc add queue order-created --to order-service\n  \
    msvc add queue order-created --to mail-service          the same queue, in another service\n  \
    msvc add queue user-blocked --broker nats\n  \
    msvc add queue news --message user.v1.User --to user-service")]
pub struct QueueArgs {
    /// What it is called, by all services that use it.
    #[arg(value_name = "QUEUE")]
    pub name: String,
    /// The service that gets it [default: the only one].
    #[arg(long, value_name = "SERVICE")]
    pub to: Option<String>,
    /// What carries its messages once `msvc up` runs it [default: what carries those of the
    /// workspace's other queues, or rabbitmq].
    #[arg(long, value_enum)]
    pub broker: Option<Broker>,
    /// The message of a proto that it carries [default: the one that is called like the queue, which is
    /// added to the service's proto if there is none].
    #[arg(long, value_name = "MESSAGE")]
    pub message: Option<String>,
    /// Whether to ask, and whether to do it.
    #[command(flatten)]
    pub options: Options,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Broker {
    /// RabbitMQ.
    Rabbitmq,
    /// NATS JetStream.
    Nats,
    /// Kafka.
    Kafka,
    /// The process itself: nothing reaches other services.
    Memory,
}

impl Broker {
    /// What `msvc up` starts for it.
    fn resource(self) -> Option<Resource> {
        match self {
            Self::Rabbitmq => Some(Resource::Rabbitmq),
            Self::Nats => Some(Resource::Nats),
            Self::Kafka => Some(Resource::Kafka),
            Self::Memory => None,
        }
    }

    /// What some service of a workspace needs already.
    fn of(manifest: &Manifest) -> Option<Self> {
        let brokers = [Self::Rabbitmq, Self::Nats, Self::Kafka];
        let mut needs = manifest.services.values().flat_map(|it| &it.needs);
        needs.find_map(|need| {
            let mut brokers = brokers.into_iter();
            brokers.find(|it| it.resource() == Some(*need))
        })
    }

    /// The section of the configuration that says where it is.
    fn section(self) -> &'static str {
        match self {
            Self::Rabbitmq => {
                "[app.messaging]\n# The same in all services that use its queues. `msvc run` names RabbitMQ's instead while `msvc up`\n\
                 # runs it: \"amqp://localhost:5672\".\nurl = \"sqlite:../../.msvc/data/messaging.db\"\n"
            }
            Self::Nats => {
                "[app.messaging]\n# The same in all services that use its queues. `msvc run` names NATS' instead while `msvc up` runs\n\
                 # it: \"nats://localhost:4222\".\nurl = \"sqlite:../../.msvc/data/messaging.db\"\n"
            }
            Self::Kafka => {
                "[app.messaging]\n# The same in all services that use its queues. `msvc run` names Kafka's instead while `msvc up`\n\
                 # runs it: \"kafka://localhost:9092\".\nurl = \"sqlite:../../.msvc/data/messaging.db\"\n"
            }
            Self::Memory => {
                "[app.messaging]\n# Within this process, until it ends. With other services on this machine it would be\n\
                 # \"sqlite:../../.msvc/data/messaging.db\".\nurl = \"memory:\"\n"
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error("`{to}` has a queue `{queue}` already: {path}")]
    Exists {
        to: ServiceName,
        queue: String,
        path: String,
    },
    #[error("the queues of the workspace are carried by {}", .0.name())]
    OtherBroker(Resource),
}

impl Diagnostic for QueueError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { path, .. } => format!("remove {path} to have it made anew"),
            Self::OtherBroker(resource) => format!(
                "leave `--broker` out, or take \"{}\" out of `needs` in `msvc.toml` first",
                resource.name()
            ),
        })
    }
}

/// Plans a queue. Errors show files as seen from `directory`.
///
/// # Errors
/// When a name is none or is unknown, when the queue is there, or the code of the service is not recognised.
pub fn plan(project: &Project, directory: &Path, args: &QueueArgs) -> Result<Planned> {
    let queue = args.name.as_str();
    name::check("queue", queue)?;
    let to = target(&project.manifest, args.to.as_deref())?;
    let broker = broker(&project.manifest, args.broker)?;
    let folder = format!("services/{to}");
    let lib = format!("{folder}/src/lib.rs");
    let module = format!("{}_queue", snake(queue));
    let path = format!("{folder}/src/{module}.rs");
    let mut draft = Draft::new(&project.root);
    if draft.has(&path) {
        let queue = queue.to_owned();
        return Err(QueueError::Exists { to, queue, path }.into());
    }
    let mut plan = Plan::default();
    let asked = args.message.as_deref();
    let payload = payload::plan(project, directory, (&to, queue), asked, &mut plan)?;
    let mut features = Vec::new();
    features.extend(broker.resource().map(Resource::name));
    parts::lay(&mut draft, Part::Messaging, &features)?;
    parts::use_in(&mut draft, Part::Messaging, &to)?;
    draft.create(&path, code(&to, queue, &payload)?);
    draft.edit(&lib, |text| rust::with_module(text, &module, "pub "))?;
    draft.edit(&lib, |text| {
        let field =
            "/// Where messages are published and come from.\npub messaging: messaging::Settings";
        rust::with_setting(text, "messaging", field)
    })?;
    let warnings = equip::make_async(&mut draft, project, &to)?;
    let equipment = equip::Equipment {
        field: NewField {
            name: "broker",
            of: "Broker",
            summary: "Where messages are published.",
        },
        statement: "let broker = Broker::connect(&config.app.messaging).await?;",
        imports: &["messaging::Broker"],
        is_used_later: true,
    };
    draft.edit(&lib, |text| rust::with_import(text, "messaging::Broker"))?;
    equip::hand_to_handlers(&mut draft, project, &to, &payload.served, &equipment)?;
    draft.edit(&lib, |text| {
        let worker = format!("broker.worker({module}::subscription(), {module}::handle)");
        wiring::with_background(text, queue, &worker)
    })?;
    draft.edit(&lib, |text| {
        wiring::with_dependency(text, "broker", "broker.probe()")
    })?;
    draft.edit(&format!("{folder}/config/default.toml"), |text| {
        settings::with_section(text, "app.messaging", broker.section())
    })?;
    draft.finish(&mut plan);
    if let Some(resource) = broker.resource() {
        let text = manifest::with_need(&project.manifest_text, &to, resource)?;
        if text != project.manifest_text {
            plan.write(manifest::FILE_NAME, text);
        }
    }
    let fields = payload.added_to.map_or_else(String::new, |proto| {
        format!("; what it carries is in {proto}: run `msvc proto gen` when that has changed")
    });
    Ok(Planned {
        plan,
        added: vec![format!("the queue {queue} to {to}")],
        warnings,
        hint: Some(format!(
            "handlers publish by `crate::{module}::publish(&self.broker, …)`, and {path} says what is done \
             with what arrives{fields}"
        )),
    })
}

/// The broker that was asked for, unless the workspace has another one.
fn broker(manifest: &Manifest, asked: Option<Broker>) -> Result<Broker, QueueError> {
    let other = Broker::of(manifest);
    match (asked, other.and_then(Broker::resource)) {
        (Some(asked), Some(resource)) if asked.resource().is_some_and(|it| it != resource) => {
            Err(QueueError::OtherBroker(resource))
        }
        (asked, _) => Ok(asked.or(other).unwrap_or(Broker::Rabbitmq)),
    }
}

/// The module of a queue.
fn code(service: &ServiceName, queue: &str, payload: &payload::Payload) -> Result<String> {
    let path = payload.rust_path.as_str();
    let message = path.rsplit("::").next().unwrap_or(path);
    let (import, message) = match TAKEN.contains(&message) {
        true => (
            format!("{path} as {message}Payload"),
            format!("{message}Payload"),
        ),
        false => (path.to_owned(), message.to_owned()),
    };
    let mut values = Values::new();
    values.insert("queue", queue);
    values.insert("service", service.as_str());
    values.insert("import", &import);
    values.insert("message", &message);
    values.insert("is_new", &payload.added_to.is_some());
    Ok(templates::render("add/queue.rs.tera", &values)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_is_toml_that_names_a_url() {
        for broker in Broker::value_variants() {
            let text = settings::with_section("", "app.messaging", broker.section());
            let parsed: toml_edit::DocumentMut = text.expect("taken").parse().expect("it is TOML");
            assert!(parsed["app"]["messaging"]["url"].is_str(), "{broker:?}");
        }
    }
}
