//! The chat's generated code is what its proto gives.

use std::path::Path;

use crate::support::chat;

/// Set it to rewrite the generated code.
const UPDATE: &str = "MSVC_TEST_UPDATE";

#[test]
fn the_chat_code_is_what_its_proto_generates() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    tonic_prost_build::configure()
        .out_dir(folder.path())
        .compile_fds(chat::compiled().descriptors)
        .expect("valid");
    let code = std::fs::read_to_string(folder.path().join("chat.v1.rs")).expect("generated");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/chat_v1.rs");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &code).expect("writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == code,
        "run this test with {UPDATE}=1 and commit"
    );
}
