//! What `msvc up` would do, for people and for programs.

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::infra::reconcile::{Action, Why};
use crate::infra::resource::Resource;
use crate::infra::resource::spec::Spec;

/// Says what would be done.
pub(super) fn show(context: &Context, specs: &[Spec], actions: &[Action]) -> Result {
    let steps: Vec<(String, Value)> = actions.iter().filter_map(|it| step(it, specs)).collect();
    if context.printer.is_json() {
        let steps: Vec<&Value> = steps.iter().map(|(_, json)| json).collect();
        return context.printer.json(&json!({ "plan": steps }));
    }
    for (text, _) in &steps {
        context.printer.data(&format!("{text}\n"))?;
    }
    if steps.is_empty() {
        context.printer.line("nothing to do");
    }
    Ok(())
}

/// A step for people and for programs; to wait is none.
fn step(action: &Action, specs: &[Spec]) -> Option<(String, Value)> {
    let image = |resource: Resource| {
        let spec = specs.iter().find(|spec| spec.resource == resource);
        spec.map_or("", |spec| spec.image.as_str())
    };
    let named = |resource: &Resource, verb: &str| {
        let text = format!("{verb} {resource}");
        (text, json!({ "action": verb, "resource": resource }))
    };
    Some(match action {
        Action::CreateNetwork => {
            let text = "create the network".to_owned();
            (text, json!({ "action": "create-network" }))
        }
        Action::RemoveNetwork(id) => (
            "remove a second network".to_owned(),
            json!({ "action": "remove-network", "id": id }),
        ),
        Action::CreateVolume(resource) => {
            let text = format!("create the volume of {resource}");
            (
                text,
                json!({ "action": "create-volume", "resource": resource }),
            )
        }
        Action::Remove { resource, why, .. } => {
            let name = resource.map_or("a container", Resource::name);
            let why = reason(why);
            (
                format!("remove {name}: {why}"),
                json!({ "action": "remove", "resource": resource, "why": why }),
            )
        }
        Action::Create(resource) => {
            let image = image(*resource);
            (
                format!("create {resource} from {image}"),
                json!({ "action": "create", "resource": resource, "image": image }),
            )
        }
        Action::Start { resource, .. } => named(resource, "start"),
        Action::Unpause { resource, .. } => named(resource, "unpause"),
        Action::RemoveVolume(_) | Action::Await(_) => return None,
    })
}

/// Why a container cannot stay, as a fragment.
pub(super) fn reason(why: &Why) -> String {
    match why {
        Why::Changed(changes) => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            format!("changed {}", changes.join(", "))
        }
        Why::HalfMade => "it was never finished".to_owned(),
        Why::Duplicate => "there is another".to_owned(),
        Why::NoNetwork => "its network has gone".to_owned(),
        Why::NotWanted => "nobody wants it".to_owned(),
    }
}
