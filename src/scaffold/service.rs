//! Planning the crate of one service.
//!
//! Pure: names and the model of the protos in, a plan out.

use tera::Context;

use crate::manifest::RegistryKind;
use crate::proto::model::Service;
use crate::scaffold::handlers;
use crate::scaffold::names::{ServiceName, StarterNames};
use crate::scaffold::plan::Plan;
use crate::scaffold::templates::{self, TemplateError};

/// The widest line, rustfmt's default.
const MAX_WIDTH: usize = 100;
/// The widest arguments of a call on one line, rustfmt's default.
const MAX_CALL_WIDTH: usize = 60;
/// How far the body of a function is indented.
const INDENT: usize = 4;

/// What a service is made from.
#[derive(Clone, Debug)]
pub struct NewService<'a> {
    /// What it is called.
    pub name: &'a ServiceName,
    /// The gRPC services that it is to serve.
    pub serves: &'a [Service],
    /// The names of the starter, for a service made from its name alone.
    pub starter: Option<&'a StarterNames>,
    /// Its gRPC port in development.
    pub port: u16,
    /// Its admin port in development.
    pub admin_port: u16,
    /// Where services find each other.
    pub registry: RegistryKind,
}

/// Adds the files of a service to a plan.
///
/// # Errors
/// When a template does not render.
pub fn plan(service: &NewService<'_>, plan: &mut Plan) -> Result<(), TemplateError> {
    let handlers = handlers::handlers(service.serves);
    let methods = || service.serves.iter().flat_map(|one| &one.methods);
    let types = methods().flat_map(|method| [&method.input, &method.output]);
    let mut context = Context::new();
    context.insert("service", service.name);
    context.insert("crate_name", &service.name.crate_name());
    context.insert("port", &service.port);
    context.insert("admin_port", &service.admin_port);
    context.insert("registry", service.registry.as_str());
    context.insert("starter", &service.starter.is_some());
    context.insert(
        "uses_prost_types",
        &types.clone().any(|one| one.0.starts_with("prost_types")),
    );
    context.insert(
        "streams_requests",
        &methods().any(|method| method.client_streaming),
    );
    context.insert("has_methods", &(methods().count() > 0));
    let names: Vec<String> = service
        .serves
        .iter()
        .map(|one| format!("`{}`", one.full_name))
        .collect();
    context.insert("summary", &format!("serves {}", names.join(" and ")));
    context.insert("services", &handlers);
    let mut modules: Vec<&str> = handlers.iter().map(|one| one.file.as_str()).collect();
    modules.sort_unstable();
    context.insert("modules", &modules);

    let servers: Vec<(String, &str)> = match service.starter {
        Some(names) => {
            context.insert("names", names);
            vec![(format!("{}Server", names.service), "api")]
        }
        None => handlers
            .iter()
            .map(|one| (one.server_name.clone(), one.handler.as_str()))
            .collect(),
    };
    context.insert("services_expression", &services_expression(&servers));

    let folder = format!("services/{}", service.name);
    let mut place = |path: &str, template: &str, context: &Context| {
        let text = templates::render(template, context)?;
        plan.create(format!("{folder}/{path}"), text);
        Ok(())
    };
    place("Cargo.toml", "service/Cargo.toml.tera", &context)?;
    for environment in ["default", "dev", "prod"] {
        let path = format!("config/{environment}.toml");
        place(&path, &format!("service/{path}.tera"), &context)?;
    }
    place("src/main.rs", "service/src/main.rs.tera", &context)?;
    if let (Some(_), [served]) = (service.starter, service.serves) {
        context.insert("rust_package", &served.module.join("::"));
        context.insert("server_module", last_part(&served.server_module()));
        context.insert("client_module", last_part(&served.client_module()));
        place("src/lib.rs", "starter/lib.rs.tera", &context)?;
        place("src/api.rs", "starter/api.rs.tera", &context)?;
        place("src/repository.rs", "starter/repository.rs.tera", &context)?;
        place("tests/api.rs", "starter/tests.rs.tera", &context)?;
    } else {
        place("src/lib.rs", "service/src/lib.rs.tera", &context)?;
        for handler in &handlers {
            context.insert("one", handler);
            let path = format!("src/{}.rs", handler.file);
            place(&path, "service/src/handler.rs.tera", &context)?;
        }
        place("tests/api.rs", "service/tests/api.rs.tera", &context)?;
    }
    Ok(())
}

/// The proto of a service made from its name alone.
///
/// # Errors
/// When the template does not render.
pub fn starter_proto(names: &StarterNames) -> Result<String, TemplateError> {
    let mut context = Context::new();
    context.insert("names", names);
    templates::render("starter/entity.proto.tera", &context)
}

/// Adds every server to `Services`, laid out as rustfmt does it.
fn services_expression(servers: &[(String, &str)]) -> String {
    let head = "Services::new(protocol::DESCRIPTOR_SET)";
    let fits = |argument: &str| argument.len() <= MAX_CALL_WIDTH;
    if let [(server, handler)] = servers {
        let argument = format!("{server}::new({handler})");
        let width = INDENT + head.len() + ".add()".len();
        return match fits(&argument) {
            true if width + argument.len() <= MAX_WIDTH => format!("{head}.add({argument})"),
            true => format!("{head}\n        .add({argument})"),
            false if width + server.len() + "::new".len() < MAX_WIDTH => {
                format!("{head}.add({server}::new(\n        {handler},\n    ))")
            }
            false if 2 * INDENT + argument.len() < MAX_WIDTH => {
                format!("{head}.add(\n        {argument},\n    )")
            }
            false => format!(
                "{head}.add(\n        {server}::new(\n            {handler},\n        ),\n    )"
            ),
        };
    }
    servers
        .iter()
        .fold(head.to_owned(), |expression, (server, handler)| {
            let argument = format!("{server}::new({handler})");
            let add = match fits(&argument) {
                true => argument,
                false if fits(&format!("{server}::new(")) => {
                    format!("{server}::new(\n            {handler},\n        )")
                }
                false => format!(
                    "\n            {server}::new(\n                {handler},\n            ),\n        "
                ),
            };
            format!("{expression}\n        .add({add})")
        })
}

fn last_part(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scaffold::names::kebab;

    /// The names of types in Rust code, without those of associated items.
    fn type_names(code: &str) -> BTreeSet<String> {
        let is_part = |one: char| one.is_alphanumeric() || one == '_';
        let code: Vec<&str> = code
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect();
        let code = code.join("\n");
        let mut names = BTreeSet::new();
        let mut rest = code.as_str();
        while let Some(start) = rest.find(is_part) {
            let before = &rest[..start];
            let word = rest[start..]
                .split(|one| !is_part(one))
                .next()
                .expect("a word");
            let is_constant = word.len() > 2 && !word.contains(|one: char| one.is_lowercase());
            let is_type = word.starts_with(char::is_uppercase) && !is_constant;
            if is_type && !before.ends_with("::") && !before.ends_with('"') {
                names.insert(word.to_owned());
            }
            rest = &rest[start + word.len()..];
        }
        names
    }

    /// An entity is imported by its name, so it must have none that the starter's code uses.
    #[test]
    fn no_entity_has_the_name_of_a_type_that_a_starter_uses() {
        let name = ServiceName::parse("zebra-service").expect("valid");
        let names = StarterNames::new(&name);
        let mut context = Context::new();
        context.insert("names", &names);
        for key in [
            "service",
            "crate_name",
            "rust_package",
            "server_module",
            "client_module",
            "services_expression",
        ] {
            context.insert(key, "x");
        }
        let mut checked = 0;
        let mut shadowing = BTreeSet::new();
        for template in ["lib", "api", "repository", "tests"] {
            let path = format!("starter/{template}.rs.tera");
            let code = templates::render(&path, &context).expect("renders");
            let used = type_names(&code).into_iter();
            for used in used.filter(|used| !used.contains("Zebra")) {
                let Ok(name) = ServiceName::parse(&format!("{}-service", kebab(&used))) else {
                    continue;
                };
                checked += 1;
                if StarterNames::new(&name).entity == used {
                    shadowing.insert(used);
                }
            }
        }
        assert_eq!(shadowing, BTreeSet::new());
        assert!(checked > 40, "{checked} names");
    }
}
