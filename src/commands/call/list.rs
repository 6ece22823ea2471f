//! Listing what a server offers.

use prost_reflect::{MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use serde::Serialize;

use crate::client::{json, methods};
use crate::context::Context;
use crate::error::Result;

/// The package whose services every server has; they are listed last.
const INFRASTRUCTURE: &str = "grpc.";

#[derive(Serialize)]
struct Listing {
    target: String,
    services: Vec<Service>,
}

#[derive(Serialize)]
struct Service {
    name: String,
    methods: Vec<Method>,
}

#[derive(Serialize)]
struct Method {
    name: String,
    full_name: String,
    input: String,
    output: String,
    client_streaming: bool,
    server_streaming: bool,
}

/// Prints services with their methods; with `-v`, with the fields of their requests.
pub(super) fn print(
    context: &Context,
    target: &str,
    mut services: Vec<ServiceDescriptor>,
) -> Result {
    services.sort_by_key(|service| {
        let name = service.full_name().to_owned();
        (name.starts_with(INFRASTRUCTURE), name)
    });
    if context.printer.is_json() {
        return context.printer.json(&Listing {
            target: target.to_owned(),
            services: services.iter().map(describe).collect(),
        });
    }
    if services.is_empty() {
        context
            .printer
            .line(format_args!("{target} offers no services"));
        return Ok(());
    }
    let verbose = context.printer.verbosity() > 0;
    let texts: Vec<String> = services
        .iter()
        .map(|service| human(service, verbose))
        .collect();
    context.printer.data(&texts.join("\n"))
}

fn describe(service: &ServiceDescriptor) -> Service {
    let method = |method: MethodDescriptor| Method {
        name: method.name().to_owned(),
        full_name: methods::full_name(&method),
        input: method.input().full_name().to_owned(),
        output: method.output().full_name().to_owned(),
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
    };
    Service {
        name: service.full_name().to_owned(),
        methods: service.methods().map(method).collect(),
    }
}

fn human(service: &ServiceDescriptor, verbose: bool) -> String {
    let mut text = format!("{}\n", service.full_name());
    let package = service.package_name().to_owned();
    let width = service
        .methods()
        .map(|method| method.name().len())
        .max()
        .unwrap_or_default();
    for method in service.methods() {
        let input = type_name(&method.input(), method.is_client_streaming(), &package);
        let output = type_name(&method.output(), method.is_server_streaming(), &package);
        let name = method.name();
        text.push_str(&format!("  {name:width$}  ({input}) → {output}\n"));
        if verbose {
            for field in method.input().fields() {
                let kind = json::type_name(&field);
                text.push_str(&format!(
                    "  {:width$}    {}: {kind}\n",
                    "",
                    field.json_name()
                ));
            }
        }
    }
    text
}

/// Types of the service's own package go without it.
fn type_name(message: &MessageDescriptor, is_stream: bool, package: &str) -> String {
    let full = message.full_name();
    let name = full
        .strip_prefix(package)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(full);
    let stream = if is_stream { "stream " } else { "" };
    format!("{stream}{name}")
}
