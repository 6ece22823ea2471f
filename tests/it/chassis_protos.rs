//! The chassis has generated code checked in, so that users need no generator.

use std::fs;
use std::path::Path;

use msvc::proto::codegen;
use msvc::proto::compile::compile;
use msvc::proto::sources::Sources;

/// Run with `BLESS=1` to write what the generator makes.
#[test]
fn the_chassis_etcd_client_is_what_the_generator_makes_of_its_protos() {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/chassis/src/registry/etcd/proto");
    let sources = Sources {
        folders: vec![folder.clone()],
        ..Sources::default()
    };
    let names = sources.all_names().expect("the protos are there");
    let compiled = compile(&sources, &names).expect("valid protos");
    let generated = codegen::generate_clients(&compiled.descriptors).expect("code");
    for (name, text) in &generated.files {
        // The crate of a workspace would have a root; here `mod.rs` is written by hand.
        if name == "lib.rs" {
            continue;
        }
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, text).expect("writable");
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == *text,
            "{} is stale: run this test with BLESS=1",
            path.display()
        );
    }
    let modules: Vec<&String> = generated.files.keys().collect();
    assert_eq!(modules, ["etcdserverpb.rs", "lib.rs", "mvccpb.rs"]);
}
