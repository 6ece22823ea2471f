//! Generated code that is checked in, so that nobody who builds it needs a generator.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use msvc::proto::codegen::{self, CodegenError, Generated};
use msvc::proto::compile::compile;
use msvc::proto::sources::Sources;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};

const CHASSIS_ETCD: &str = "templates/chassis/src/registry/etcd/proto";
const EMBEDDED_ETCD: &str = "src/infra/embedded/etcd/proto";
const EMBEDDED_COLLECTOR: &str = "src/infra/embedded/collector/proto";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The protos below a folder.
fn compiled(name: &str) -> FileDescriptorSet {
    let sources = Sources {
        folders: vec![folder(name)],
        ..Sources::default()
    };
    let names = sources.all_names().expect("the protos are there");
    compile(&sources, &names).expect("valid protos").descriptors
}

/// Compares the code beside the protos of a folder with what the generator makes of them. With
/// `BLESS=1` it is written instead.
fn assert_fresh(
    name: &str,
    generate: fn(&FileDescriptorSet) -> Result<Generated, CodegenError>,
    expected: &[&str],
) {
    let descriptors = compiled(name);
    let generated = generate(&descriptors).expect("code");
    for (file, text) in &generated.files {
        // The crate of a workspace would have a root; here `mod.rs` is written by hand.
        if file == "lib.rs" {
            continue;
        }
        let path = folder(name).join(file);
        assert_is(&path, text.as_bytes());
    }
    let files: Vec<&String> = generated.files.keys().collect();
    let mut files: Vec<&str> = files.into_iter().map(String::as_str).collect();
    files.sort_unstable();
    assert_eq!(files, expected);
}

fn assert_is(path: &Path, bytes: &[u8]) {
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, bytes).expect("writable");
    }
    assert!(
        fs::read(path).unwrap_or_default() == bytes,
        "{} is stale: run this test with BLESS=1",
        path.display()
    );
}

#[test]
fn the_embedded_collector_is_what_the_generator_makes_of_its_protos() {
    let folders = [
        "",
        "/collector",
        "/collector/trace",
        "/common",
        "/resource",
        "/trace",
    ];
    let files = ["/collector/trace", "/common", "/resource", "/trace"];
    let mut expected = vec!["lib.rs".to_owned(), "opentelemetry.rs".to_owned()];
    expected.extend(folders.map(|it| format!("opentelemetry/proto{it}.rs")));
    expected.extend(files.map(|it| format!("opentelemetry/proto{it}/v1.rs")));
    expected.sort();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let generate = codegen::generate_without_transport;
    assert_fresh(EMBEDDED_COLLECTOR, generate, &expected);
    let descriptors = without_sources(compiled(EMBEDDED_COLLECTOR));
    let path = folder(EMBEDDED_COLLECTOR).join("descriptors.bin");
    assert_is(&path, &descriptors.encode_to_vec());
}

/// Descriptors without comments, which nobody reads at run time.
fn without_sources(mut descriptors: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    descriptors
}

#[test]
fn the_chassis_etcd_client_is_what_the_generator_makes_of_its_protos() {
    let expected = ["etcdserverpb.rs", "lib.rs", "mvccpb.rs"];
    assert_fresh(CHASSIS_ETCD, codegen::generate_clients, &expected);
}

#[test]
fn the_embedded_etcd_is_what_the_generator_makes_of_its_protos() {
    let expected = ["etcdserverpb.rs", "lib.rs", "mvccpb.rs"];
    assert_fresh(
        EMBEDDED_ETCD,
        codegen::generate_without_transport,
        &expected,
    );
}

/// Every field by the name of its message and its own, with what it is on the wire; every method by
/// its service, with its types.
fn shape(descriptors: &FileDescriptorSet) -> BTreeMap<String, String> {
    fn add(scope: &str, message: &DescriptorProto, shape: &mut BTreeMap<String, String>) {
        let name = format!("{scope}.{}", message.name());
        for field in &message.field {
            let wire = format!(
                "{} {:?} {:?} {}",
                field.number(),
                field.r#type(),
                field.label(),
                field.type_name()
            );
            shape.insert(format!("{name}.{}", field.name()), wire);
        }
        for nested in &message.nested_type {
            add(&name, nested, shape);
        }
    }
    let mut shape = BTreeMap::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            add(file.package(), message, &mut shape);
        }
        for service in &file.service {
            for method in &service.method {
                let name = format!("{}.{}/{}", file.package(), service.name(), method.name());
                let types = format!("{} {}", method.input_type(), method.output_type());
                shape.insert(name, types);
            }
        }
    }
    shape
}

/// Each has the part of the API that it needs; where both have something they must agree.
#[test]
fn the_chassis_and_the_embedded_etcd_speak_one_protocol() {
    let (chassis, embedded) = (
        shape(&compiled(CHASSIS_ETCD)),
        shape(&compiled(EMBEDDED_ETCD)),
    );
    assert!(chassis.len() > 40, "{}", chassis.len());
    for (name, wire) in &chassis {
        assert_eq!(embedded.get(name), Some(wire), "{name}");
    }
}
