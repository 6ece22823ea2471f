//! `msvc proto list`: what the protos define.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::commands::proto::input::{self, InputArgs};
use crate::context::Context;
use crate::error::Result;
use crate::proto::finding::Span;
use crate::proto::module::Modules;
use crate::proto::report::ErrorFormat;
use crate::proto::schema::{File, Method, last_part, plain};

/// Arguments of `msvc proto list`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc proto list                                  all packages\n  \
    msvc proto list proto/user                       those of a folder\n  \
    msvc proto list --format json | jq '.[].services[].name'")]
pub struct ListArgs {
    #[command(flatten)]
    input: InputArgs,
}

/// A package with what it defines.
#[derive(Debug, Default, Serialize)]
struct Package {
    package: String,
    services: Vec<Service>,
    messages: Vec<Definition>,
    enums: Vec<Definition>,
}

/// A message or an enum.
#[derive(Debug, Serialize)]
struct Definition {
    name: String,
    file: String,
    line: Option<usize>,
}

/// A service with its methods.
#[derive(Debug, Serialize)]
struct Service {
    #[serde(flatten)]
    definition: Definition,
    methods: Vec<ListedMethod>,
}

/// A method.
#[derive(Debug, Serialize)]
struct ListedMethod {
    name: String,
    request: String,
    response: String,
    client_streaming: bool,
    server_streaming: bool,
}

/// Runs `msvc proto list`.
///
/// # Errors
/// When a proto does not compile.
pub fn run(context: &Context, args: &ListArgs) -> Result {
    let modules = Modules::find(&context.directory, &args.input.include)?;
    let names = modules.names(&args.input.paths)?;
    let names: Vec<String> = names.into_iter().flatten().collect();
    let pool = input::compile(context, &modules, &names, ErrorFormat::Human)?;
    let files: Vec<File<'_>> = pool.file_descriptor_protos().map(File::new).collect();
    let own = files
        .iter()
        .filter(|file| names.iter().any(|name| name == file.name()));
    let packages = packages(&modules, own);
    match context.printer.is_json() {
        true => context.printer.json(&packages),
        false => context.printer.data(&tree(&packages)),
    }
}

fn packages<'a>(modules: &Modules, files: impl Iterator<Item = &'a File<'a>>) -> Vec<Package> {
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    for file in files {
        let name = file.proto.package();
        let package = packages.entry(name).or_default();
        package.package = name.to_owned();
        let shown = modules.shown(file.name());
        let definition = |full_name: &str, path: &[i32]| Definition {
            name: full_name.to_owned(),
            file: shown.clone(),
            line: file.location(path).and_then(Span::of).map(|span| span.line),
        };
        package
            .services
            .extend(file.services.iter().map(|it| Service {
                definition: definition(&it.full_name, &it.path),
                methods: it.methods().map(|method| listed(&method)).collect(),
            }));
        let messages = file.messages.iter().filter(|it| !it.is_map_entry());
        let messages = messages.map(|it| definition(&it.full_name, &it.path));
        package.messages.extend(messages);
        let enums = file
            .enums
            .iter()
            .map(|it| definition(&it.full_name, &it.path));
        package.enums.extend(enums);
    }
    packages.into_values().collect()
}

fn listed(method: &Method<'_>) -> ListedMethod {
    ListedMethod {
        name: method.proto.name().to_owned(),
        request: plain(method.proto.input_type()).to_owned(),
        response: plain(method.proto.output_type()).to_owned(),
        client_streaming: method.proto.client_streaming(),
        server_streaming: method.proto.server_streaming(),
    }
}

fn tree(packages: &[Package]) -> String {
    let mut text = String::new();
    for package in packages {
        let title = match package.package.as_str() {
            "" => "(no package)",
            name => name,
        };
        let within = |name: &str| {
            let prefix = format!("{}.", package.package);
            name.strip_prefix(&prefix).unwrap_or(name).to_owned()
        };
        writeln!(text, "{title}").expect("to a string");
        for service in &package.services {
            let name = within(&service.definition.name);
            writeln!(text, "  service {name}").expect("to a string");
            for method in &service.methods {
                let stream = |streams: bool| if streams { "stream " } else { "" };
                writeln!(
                    text,
                    "    {}({}{}) returns ({}{})",
                    method.name,
                    stream(method.client_streaming),
                    short(&method.request, &package.package),
                    stream(method.server_streaming),
                    short(&method.response, &package.package),
                )
                .expect("to a string");
            }
        }
        for message in &package.messages {
            writeln!(text, "  message {}", within(&message.name)).expect("to a string");
        }
        for it in &package.enums {
            writeln!(text, "  enum {}", within(&it.name)).expect("to a string");
        }
    }
    text
}

/// A type's name as its own package has it; in full for those of others.
fn short<'a>(name: &'a str, package: &str) -> &'a str {
    let of_package = name
        .strip_prefix(package)
        .and_then(|it| it.strip_prefix('.'));
    let is_own = of_package.is_some_and(|it| !package.is_empty() && it == last_part(name));
    if is_own { last_part(name) } else { name }
}
