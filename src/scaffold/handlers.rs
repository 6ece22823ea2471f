//! The files of a service that is made from the user's protos: a typed stub a method, and tests that
//! call each.
//!
//! Pure: the model of the protos in, text out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::proto::model::{Method, RustType, Service};
use crate::proto::stubs::{Scope, render_method};
use crate::scaffold::names::{is_keyword, pascal, snake};

/// The widest line, rustfmt's default.
const MAX_WIDTH: usize = 100;
/// Names that imports must not take in the tests.
const TAKEN_IN_TESTS: &[&str] = &["Channel", "Client", "Code", "Settings", "TestServer", "Vec"];
/// Names of crates, which modules that are imported must not take.
const TAKEN_BY_CRATES: &[&str] = &[
    "chassis",
    "core",
    "protocol",
    "std",
    "tokio_stream",
    "tonic",
];
/// Names that imports must not take in a file of ours.
const TAKEN: &[&str] = &[
    "BoxStream",
    "Box",
    "Err",
    "None",
    "Ok",
    "Option",
    "Request",
    "Response",
    "Result",
    "Self",
    "Some",
    "Status",
    "Streaming",
    "String",
    "Vec",
];

/// One gRPC service, as the templates see it.
#[derive(Clone, Debug, Serialize)]
pub struct Handler {
    /// `chat.v1.ChatService`.
    pub full_name: String,
    /// What its comment says first.
    pub summary: String,
    /// The trait: `ChatService`.
    pub rust_name: String,
    /// The module file: `chat_service`.
    pub file: String,
    /// The type that implements it: `ChatApi`.
    pub handler: String,
    /// The path of tonic's server module.
    pub server_module: String,
    /// The server's name in `lib.rs`.
    pub server_name: String,
    /// ` as Name` where two servers have one name.
    pub server_alias: String,
    /// What its file imports.
    pub imports: Vec<String>,
    /// The functions of its `impl` block.
    pub body: String,
    /// The client's type.
    pub client_name: String,
    /// What its tests import.
    pub test_imports: Vec<String>,
    /// Its methods, for the tests.
    pub methods: Vec<TestedMethod>,
}

/// One method, as the template of the tests sees it.
#[derive(Clone, Debug, Serialize)]
pub struct TestedMethod {
    /// The client's function.
    pub rust_name: String,
    /// The name without what makes it an identifier.
    pub test_name: String,
    /// The line that makes a request.
    pub request: String,
    /// Whether the client sends a stream.
    pub client_streaming: bool,
}

/// Describes services to the templates.
pub fn handlers(services: &[Service]) -> Vec<Handler> {
    let own = services.iter().map(|it| Names::of(&it.rust_name));
    let own: Vec<Names> = own.collect();
    let is_unique = |names: &Names| own.iter().filter(|it| it.collide(names)).count() == 1;
    let (kept, _): (Vec<&Names>, Vec<&Names>) = own.iter().partition(|it| is_unique(it));
    let mut taken: Vec<Names> = kept.into_iter().cloned().collect();
    let mut handlers = Vec::new();
    for (service, own) in services.iter().zip(&own) {
        let names = match is_unique(own) {
            true => own.clone(),
            false => {
                // Where two services have one name, the package tells them apart, or else a number.
                let qualified = pascal(&service.full_name.replace('.', "_"));
                let numbered = (2..).map(|number| format!("{qualified}{number}"));
                let mut candidates = std::iter::once(qualified.clone()).chain(numbered);
                let free = candidates.find_map(|it| {
                    let names = Names::of(&it);
                    let is_free = !taken.iter().any(|other| other.collide(&names));
                    is_free.then_some(names)
                });
                let names = free.unwrap_or_else(|| own.clone());
                taken.push(names.clone());
                names
            }
        };
        handlers.push(describe(service, names));
    }
    handlers
}

/// What is named after a service in the crate that serves it.
#[derive(Clone, Debug)]
struct Names {
    file: String,
    handler: String,
    server: String,
}

impl Names {
    fn of(service: &str) -> Self {
        let stem = service
            .strip_suffix("Service")
            .filter(|stem| !stem.is_empty())
            .unwrap_or(service);
        let mut file = snake(service);
        // Of `_1`, whose underscore is no word.
        if file.starts_with(|first: char| first.is_ascii_digit()) {
            file.insert(0, '_');
        }
        if is_keyword(&file) || matches!(file.as_str(), "lib" | "main") {
            file.push_str("_service");
        }
        Self {
            file,
            handler: format!("{stem}Api"),
            server: format!("{service}Server"),
        }
    }

    fn collide(&self, other: &Self) -> bool {
        self.file == other.file || self.handler == other.handler || self.server == other.server
    }
}

fn describe(service: &Service, names: Names) -> Handler {
    let Names {
        file,
        handler,
        server: server_name,
    } = names;
    let imports = imports(service, &handler);
    let scope = scope_of(&imports);
    let mut body = String::new();
    for method in &service.methods {
        if !body.is_empty() {
            body.push('\n');
        }
        for line in render_method(method, &scope, method.server_streaming).lines() {
            let indent = if line.is_empty() { "" } else { "    " };
            writeln!(body, "{indent}{line}").expect("writing to a string");
        }
    }
    let server = format!("{}Server", service.rust_name);
    let client_name = format!("{}Client", service.rust_name);
    let mut test_imports = vec![format!("{}::{client_name}", service.client_module())];
    let requests = service.methods.iter().map(|method| &method.input);
    let is_taken = |name: &str| TAKEN_IN_TESTS.contains(&name) || name == client_name;
    test_imports.extend(messages(service, requests, is_taken));
    let test_scope = scope_of(&test_imports);
    Handler {
        full_name: service.full_name.clone(),
        summary: summary(service),
        rust_name: service.rust_name.clone(),
        handler,
        file,
        server_module: service.server_module(),
        server_alias: match server == server_name {
            true => String::new(),
            false => format!(" as {server_name}"),
        },
        server_name,
        imports,
        body,
        client_name,
        test_imports,
        methods: service
            .methods
            .iter()
            .map(|method| tested(method, &test_scope))
            .collect(),
    }
}

/// The first line of a service's comment, as part of a sentence.
fn summary(service: &Service) -> String {
    let line = service
        .comments
        .iter()
        .map(|line| line.trim())
        .find(|line| !line.is_empty());
    match line {
        Some(line) => line.trim_end_matches('.').to_owned(),
        None => "every method answers UNIMPLEMENTED until it is written".to_owned(),
    }
}

/// What the file of a service imports: tonic's types, and messages whose names are free.
fn imports(service: &Service, handler: &str) -> Vec<String> {
    let types = service
        .methods
        .iter()
        .flat_map(|method| [&method.input, &method.output]);
    let is_taken = |name: &str| TAKEN.contains(&name) || name == handler;
    let mut imports = messages(service, types, is_taken);
    let (methods, own) = (&service.methods, service.rust_name.as_str());
    let mut tonic = Vec::new();
    if !methods.is_empty() {
        tonic.extend(["Request", "Response", "Status"]);
    }
    if methods.iter().any(|method| method.client_streaming) {
        tonic.push("Streaming");
    }
    if methods.iter().any(|method| method.server_streaming) && own != "BoxStream" {
        imports.push("tonic::codegen::BoxStream".to_owned());
    }
    // A service may be called as a type of tonic's is; then that is written in full.
    tonic.retain(|name| *name != own);
    if !tonic.is_empty() {
        imports.push(format!("tonic::{{{}}}", tonic.join(", ")));
    }
    imports
}

/// Imports for these types: of those whose names are free, and of the modules of the others.
fn messages<'a>(
    service: &Service,
    types: impl Iterator<Item = &'a RustType> + Clone,
    is_taken: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut modules_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, name) in types.clone().filter_map(RustType::split) {
        modules_of.entry(name).or_default().insert(module);
    }
    let mut by_module: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut whole: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, name) in types.filter_map(RustType::split) {
        let is_free = !is_taken(name)
            && name != service.rust_name
            && modules_of[name].len() == 1
            && !name.contains('<');
        if is_free {
            by_module.entry(module).or_default().insert(name);
        } else if let Some((_, last)) = module.rsplit_once("::") {
            whole.entry(last).or_default().insert(module);
        }
    }
    let whole = whole.into_iter().filter_map(|(name, modules)| {
        let is_free = modules.len() == 1 && !TAKEN_BY_CRATES.contains(&name);
        is_free.then_some(modules).into_iter().flatten().next()
    });
    let mut imports: Vec<String> = whole.map(str::to_owned).collect();
    let import = |(module, names): (&&str, &BTreeSet<&str>)| {
        let names: Vec<&str> = names.iter().copied().collect();
        format!("{module}::{{{}}}", names.join(", "))
    };
    imports.extend(by_module.iter().map(import));
    imports
}

fn scope_of(imports: &[String]) -> Scope {
    let source: String = imports
        .iter()
        .map(|import| format!("use {import};"))
        .collect();
    let file = syn::parse_file(&source).expect("our imports are valid Rust");
    Scope::of(&file.items)
}

fn tested(method: &Method, scope: &Scope) -> TestedMethod {
    let request = match scope.shorten(&method.input.0).as_str() {
        "()" => "();".to_owned(),
        path => match path.split_once('<') {
            Some((path, arguments)) => format!("{path}::<{arguments}::default();"),
            None => format!("{path}::default();"),
        },
    };
    let plain = method.rust_name.trim_start_matches("r#");
    TestedMethod {
        rust_name: method.rust_name.clone(),
        test_name: plain.trim_end_matches('_').to_owned(),
        request: assignment(8, "let request =", &request),
        client_streaming: method.client_streaming,
    }
}

/// A line with an equals sign, broken behind it where it is too long.
fn assignment(indent: usize, left: &str, right: &str) -> String {
    if indent + left.len() + 1 + right.len() <= MAX_WIDTH {
        format!("{left} {right}")
    } else {
        format!("{left}\n{}{right}", " ".repeat(indent + 4))
    }
}
