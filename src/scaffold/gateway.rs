//! Planning a gateway: a service that is all configuration.
//!
//! Pure: a manifest in, files out.

use serde::Serialize;
use tera::Context;

use crate::manifest::{Manifest, RegistryKind};
use crate::scaffold::names::ServiceName;
use crate::scaffold::templates::{self, TemplateError};

/// What is called through a gateway.
#[derive(Clone, Debug, Serialize)]
struct Upstream<'a> {
    target: &'a str,
    names: &'a [String],
}

/// The files of a gateway in front of all services of a workspace, by their paths below its folder.
///
/// # Errors
/// When a template does not render.
pub fn files(
    name: &ServiceName,
    (port, admin_port): (u16, u16),
    manifest: &Manifest,
) -> Result<Vec<(String, String)>, TemplateError> {
    let services = manifest.services.iter();
    let services = services.filter(|(_, service)| !service.serves.is_empty());
    let upstreams: Vec<Upstream<'_>> = services
        .clone()
        .map(|(name, service)| Upstream {
            target: name.as_str(),
            names: &service.serves,
        })
        .collect();
    let mut context = Context::new();
    context.insert("service", name.as_str());
    context.insert("port", &port);
    context.insert("admin_port", &admin_port);
    context.insert("registry", manifest.registry.kind.as_str());
    context.insert("starter", &false);
    context.insert("services", &upstreams);
    let mut files = Vec::new();
    for (path, template) in [
        ("Cargo.toml", "add/gateway/Cargo.toml.tera"),
        ("src/main.rs", "add/gateway/main.rs.tera"),
        ("config/default.toml", "service/config/default.toml.tera"),
        ("config/dev.toml", "service/config/dev.toml.tera"),
        ("config/prod.toml", "service/config/prod.toml.tera"),
    ] {
        files.push((path.to_owned(), templates::render(template, &context)?));
    }
    let configuration = &mut files[2].1;
    if manifest.registry.kind == RegistryKind::Static {
        for (name, service) in services {
            configuration.push_str(&format!("{name} = [\"127.0.0.1:{}\"]\n", service.port));
        }
    }
    configuration.push_str(&templates::render(
        "add/gateway/services.toml.tera",
        &context,
    )?);
    Ok(files)
}
