//! From descriptors to Rust, by prost and tonic's generators.
//!
//! Pure: descriptors in, text out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use prost_build::{Module, ServiceGenerator};
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::error::Diagnostic;
use crate::proto::direction;
use crate::proto::groups;
use crate::proto::model::{Method, RustType, Service};
use crate::proto::modules::{self, ModuleCode};
use crate::proto::namer::{self, Kind, Named, Originals, Rename};
use crate::proto::options::{GenConfig, Options, Problem};
use crate::proto::pieces::{self, Piece};

/// Rust types that tonic takes for a name in the proto's module unless they are written in full.
const PRIMITIVES: &[&str] = &["bool", "f32", "f64", "i32", "i64", "u32", "u64"];

/// The generated code of a set of protos.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The source files of the crate, by their path below `src/`.
    pub files: BTreeMap<String, String>,
    /// What there is to implement.
    pub services: Vec<Service>,
    /// Which names are not the usual ones.
    pub renames: Vec<Rename>,
}

/// Why no code can be generated.
#[derive(Debug, thiserror::Error)]
pub enum CodegenError {
    /// prost refuses a descriptor.
    #[error("failed to generate Rust from the protos")]
    Prost(#[from] std::io::Error),
    /// What is wanted of the code cannot be done.
    #[error("{}", .0.iter().map(|it| it.message.as_str()).collect::<Vec<_>>().join("\n"))]
    Options(Vec<Problem>),
}

impl Diagnostic for CodegenError {}

/// Generates the crate `protocol` from a complete set of descriptors.
///
/// # Errors
/// When prost refuses a descriptor.
pub fn generate(descriptors: &FileDescriptorSet) -> Result<Generated, CodegenError> {
    generate_by(descriptors, Stubs::ALL, &GenConfig::default())
}

/// The same with what is wanted of the code beside the usual.
///
/// # Errors
/// When prost refuses a descriptor, or something that is wanted cannot be done.
pub fn generate_with(
    descriptors: &FileDescriptorSet,
    config: &GenConfig,
) -> Result<Generated, CodegenError> {
    generate_by(descriptors, Stubs::ALL, config)
}

/// The same with clients alone, for code that calls services and serves none: the chassis' client
/// of etcd is made by it.
///
/// # Errors
/// When prost refuses a descriptor.
pub fn generate_clients(descriptors: &FileDescriptorSet) -> Result<Generated, CodegenError> {
    generate_by(
        descriptors,
        Stubs {
            servers: false,
            ..Stubs::ALL
        },
        &GenConfig::default(),
    )
}

/// The same with servers and clients that know nothing of tonic's transport, for code that brings
/// its own: the embedded parts are made by it.
///
/// # Errors
/// When prost refuses a descriptor.
pub fn generate_without_transport(
    descriptors: &FileDescriptorSet,
) -> Result<Generated, CodegenError> {
    generate_by(
        descriptors,
        Stubs {
            transport: false,
            ..Stubs::ALL
        },
        &GenConfig::default(),
    )
}

/// Which code is made of a service, beside its client.
#[derive(Clone, Copy, Debug)]
struct Stubs {
    /// Its server.
    servers: bool,
    /// What connects clients by tonic's own transport.
    transport: bool,
}

impl Stubs {
    const ALL: Self = Self {
        servers: true,
        transport: true,
    };
}

fn generate_by(
    descriptors: &FileDescriptorSet,
    stubs: Stubs,
    config: &GenConfig,
) -> Result<Generated, CodegenError> {
    let wanted = files_with_code(descriptors);
    let files = descriptors.file.iter();
    let files = files.filter(|file| wanted.contains(file.name()));
    let Named {
        files,
        renames,
        originals,
    } = namer::name(files.cloned().collect());
    let options =
        Options::resolve(config, &descriptors.file, &files).map_err(CodegenError::Options)?;
    let json = options.canonical_json(&descriptors.file, &files);
    let boxed = groups::recursive(&files);
    let mut modules: BTreeMap<Vec<String>, ModuleCode> = BTreeMap::new();
    let mut requests = Vec::new();
    for mut file in files {
        direction::straighten(&mut file);
        let module = Module::from_protobuf_package_name(file.package());
        // prost brings the well-known types, but wants to know their shape.
        if !namer::is_provided(&file) {
            let parts: Vec<String> = module.parts().map(str::to_owned).collect();
            let code = modules.entry(parts).or_default();
            code.sources.push(file.name().to_owned());
        }
        requests.push((module, file));
    }

    let originals = Rc::new(originals);
    let recorded = Rc::new(RefCell::new(Recorded {
        renames,
        ..Recorded::default()
    }));
    let mut config = prost_build::Config::new();
    // It would parse and lay out the code of services once more.
    config.format(false);
    options.apply(&mut config);
    for group in boxed {
        config.boxed(group);
    }
    config.service_generator(Box::new(Recorder {
        recorded: Rc::clone(&recorded),
        originals: Rc::clone(&originals),
        has_servers: stubs.servers,
    }));
    let texts = config.generate(requests)?;
    drop(config);

    let Recorded {
        services,
        mut renames,
        mut pieces,
    } = recorded.take();
    renames.sort();
    for (module, text) in texts {
        let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let parts: Vec<String> = module.parts().map(str::to_owned).collect();
        modules.entry(parts).or_default().text = format!("{head}\n");
        let rest = Piece::Items(originals.restore(rest.to_owned()));
        pieces.entry(module).or_default().push(rest);
    }
    let (owners, pieces): (Vec<Module>, Vec<Piece>) = pieces
        .into_iter()
        .flat_map(|(module, pieces)| pieces.into_iter().map(move |one| (module.clone(), one)))
        .unzip();
    for (owner, text) in owners
        .into_iter()
        .zip(pieces::render_all(&pieces, stubs.transport))
    {
        let parts: Vec<String> = owner.parts().map(str::to_owned).collect();
        modules.entry(parts).or_default().text.push_str(&text);
    }
    let shared = json.map(|(shared, of_modules)| {
        for (module, text) in of_modules {
            modules.entry(module).or_default().text.push_str(&text);
        }
        shared
    });
    Ok(Generated {
        files: modules::lay_out(&modules, &renames, shared.unwrap_or_default()),
        services,
        renames,
    })
}

/// The names of the files that the code needs: all but Google's common protos where nothing but
/// their options is used.
fn files_with_code(descriptors: &FileDescriptorSet) -> BTreeSet<&str> {
    let file_of_type = index_types(descriptors);
    let by_name: BTreeMap<&str, &FileDescriptorProto> = descriptors
        .file
        .iter()
        .map(|file| (file.name(), file))
        .collect();
    let is_common = |file: &FileDescriptorProto| {
        file.package().starts_with("google.") && file.service.is_empty()
    };
    let mut pending: Vec<&FileDescriptorProto> = descriptors
        .file
        .iter()
        .filter(|file| !is_common(file))
        .collect();
    let mut wanted = BTreeSet::new();
    while let Some(file) = pending.pop() {
        if !wanted.insert(file.name()) {
            continue;
        }
        let mut used = Vec::new();
        file.message_type
            .iter()
            .for_each(|message| field_types(message, &mut used));
        for method in file.service.iter().flat_map(|service| &service.method) {
            used.extend([method.input_type(), method.output_type()]);
        }
        pending.extend(
            used.into_iter()
                .filter_map(|name| file_of_type.get(name))
                .filter_map(|name| by_name.get(name.as_str()).copied()),
        );
    }
    wanted
}

/// Where each message and enum is defined; names as fields refer to them, with a leading dot.
fn index_types(descriptors: &FileDescriptorSet) -> BTreeMap<String, String> {
    fn add(
        scope: &str,
        message: &DescriptorProto,
        file: &str,
        index: &mut BTreeMap<String, String>,
    ) {
        let name = format!("{scope}.{}", message.name());
        for nested in &message.nested_type {
            add(&name, nested, file, index);
        }
        for one in &message.enum_type {
            index.insert(format!("{name}.{}", one.name()), file.to_owned());
        }
        index.insert(name, file.to_owned());
    }
    let mut index = BTreeMap::new();
    for file in &descriptors.file {
        let scope = match file.package() {
            "" => String::new(),
            package => format!(".{package}"),
        };
        for message in &file.message_type {
            add(&scope, message, file.name(), &mut index);
        }
        for one in &file.enum_type {
            index.insert(format!("{scope}.{}", one.name()), file.name().to_owned());
        }
    }
    index
}

fn field_types<'a>(message: &'a DescriptorProto, used: &mut Vec<&'a str>) {
    used.extend(
        message
            .field
            .iter()
            .filter_map(|field| field.type_name.as_deref()),
    );
    for nested in &message.nested_type {
        field_types(nested, used);
    }
}

#[derive(Default)]
struct Recorded {
    services: Vec<Service>,
    renames: Vec<Rename>,
    /// What each module is made of, but for what follows its last service.
    pieces: BTreeMap<Module, Vec<Piece>>,
}

/// Puts the names that go over the wire back before tonic's generator sees them, gives methods theirs
/// in Rust, and remembers what there is.
struct Recorder {
    recorded: Rc<RefCell<Recorded>>,
    originals: Rc<Originals>,
    has_servers: bool,
}

impl ServiceGenerator for Recorder {
    fn generate(&mut self, mut service: prost_build::Service, buffer: &mut String) {
        let module = Module::from_protobuf_package_name(&service.package);
        let given = service.proto_name.clone();
        (service.package, service.proto_name) = self
            .originals
            .service(&service.package, &service.proto_name);
        let full_name = match service.package.as_str() {
            "" => service.proto_name.clone(),
            package => format!("{package}.{}", service.proto_name),
        };
        let names: Vec<&str> = service
            .methods
            .iter()
            .map(|it| it.proto_name.as_str())
            .collect();
        let distinct = namer::distinct_functions(&names);
        let mut renamed = Vec::new();
        for (method, name) in service.methods.iter_mut().zip(distinct) {
            let is_usual = method.name == name;
            renamed.push((!is_usual).then(|| format!("{full_name}/{}", method.proto_name)));
            method.name = name;
            for path in [&mut method.input_type, &mut method.output_type] {
                if PRIMITIVES.contains(&path.as_str()) {
                    *path = format!("::core::primitive::{path}");
                }
            }
        }
        let mut recorded = self.recorded.borrow_mut();
        recorded
            .services
            .push(model(&service, &module, full_name.clone()));
        // Only the documentation of what is generated says it, not that of what users write.
        if service.proto_name != given {
            namer::note(&mut service.comments.leading, &full_name);
        }
        for (method, proto) in service.methods.iter_mut().zip(renamed) {
            let Some(proto) = proto else { continue };
            namer::note(&mut method.comments.leading, &proto);
            recorded.renames.push(Rename {
                kind: Kind::Method,
                proto,
                rust: method.name.clone(),
            });
        }
        let pieces = recorded.pieces.entry(module).or_default();
        // Not left empty, which would mean that the module has no code.
        let items = std::mem::replace(buffer, "\n".to_owned());
        pieces.push(Piece::Items(self.originals.restore(items)));
        pieces.push(Piece::Client(service.clone()));
        if self.has_servers {
            pieces.push(Piece::Server(service));
        }
    }
}

fn model(service: &prost_build::Service, module: &Module, full_name: String) -> Service {
    let module: Vec<String> = module.parts().map(str::to_owned).collect();
    let methods = service.methods.iter().map(|method| Method {
        proto_name: method.proto_name.clone(),
        rust_name: method.name.clone(),
        input: RustType::resolve(&method.input_type, &module),
        output: RustType::resolve(&method.output_type, &module),
        client_streaming: method.client_streaming,
        server_streaming: method.server_streaming,
        comments: method.comments.leading.clone(),
    });
    Service {
        full_name,
        proto_name: service.proto_name.clone(),
        rust_name: service.name.clone(),
        methods: methods.collect(),
        module,
        comments: service.comments.leading.clone(),
    }
}
