//! Planning a workspace, without its services.
//!
//! Pure: names in, a plan out.

use tera::Context;

use crate::manifest::RegistryKind;
use crate::scaffold::plan::Plan;
use crate::scaffold::templates::{self, TemplateError};

/// What a workspace is made from.
#[derive(Clone, Debug)]
pub struct NewWorkspace<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Where services find each other.
    pub registry: RegistryKind,
    /// The first service, for the examples of the README.
    pub service: &'a str,
    /// A method of it: `user.v1.UserService/GetUser`.
    pub example_method: &'a str,
    /// A request for that method, where one is known.
    pub example_request: &'a str,
}

/// The text of a new `msvc.toml`, without services.
///
/// # Errors
/// When the template does not render.
pub fn manifest(workspace: &NewWorkspace<'_>) -> Result<String, TemplateError> {
    templates::render("workspace/msvc.toml.tera", &context(workspace))
}

/// The files that are the same in every workspace, most of them the chassis'.
pub fn verbatim() -> Plan {
    let mut plan = Plan::default();
    for (path, name) in [
        ("Cargo.lock", "workspace/Cargo.lock"),
        (".gitignore", "workspace/gitignore"),
        (".github/workflows/ci.yml", "workspace/ci.yml"),
        ("deploy/prometheus.yml", "workspace/deploy/prometheus.yml"),
        (
            "deploy/grafana/dashboard.json",
            "workspace/deploy/grafana/dashboard.json",
        ),
    ] {
        plan.create(path, templates::text(name));
    }
    for (path, contents) in templates::files_below("chassis/src") {
        plan.create(format!("crates/{path}"), contents);
    }
    plan
}

/// Adds the files of a workspace that vary to a plan: all but `msvc.toml`, the generated sources and
/// services.
///
/// # Errors
/// When a template does not render.
pub fn plan(workspace: &NewWorkspace<'_>, plan: &mut Plan) -> Result<(), TemplateError> {
    let context = context(workspace);
    for (path, template) in [
        ("Cargo.toml", "workspace/Cargo.toml.tera"),
        ("README.md", "workspace/README.md.tera"),
        ("crates/protocol/Cargo.toml", "protocol/Cargo.toml.tera"),
        ("crates/chassis/Cargo.toml", "chassis/Cargo.toml.tera"),
    ] {
        plan.create(path, templates::render(template, &context)?);
    }
    Ok(())
}

fn context(workspace: &NewWorkspace<'_>) -> Context {
    let mut context = Context::new();
    context.insert("workspace", workspace.name);
    context.insert("version", env!("CARGO_PKG_VERSION"));
    context.insert("registry", workspace.registry.as_str());
    context.insert("service", workspace.service);
    context.insert("example_method", workspace.example_method);
    context.insert("example_request", workspace.example_request);
    context
}
