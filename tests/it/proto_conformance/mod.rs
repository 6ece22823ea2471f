//! Protos that others wrote, compared with Google's own tools: descriptors with protoc's, field by field and
//! place by place; what `format` leaves of them; JSON with protobuf for Python.
//!
//! docs/proto-conformance.md has the figures, and what more was compared by hand.

mod corpora;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use self::corpora::{Corpus, corpora};
use crate::support::{Sandbox, skip};

const COMPARE: &str = include_str!("descriptors.py");
const MESSAGES: &str = include_str!("messages.py");

/// The protos, once all that it takes to compare them is here.
fn parts() -> Option<Vec<Corpus>> {
    if Command::new("protoc").arg("--version").output().is_err() {
        skip("there is no protoc (Debian: protobuf-compiler)");
        return None;
    }
    match corpora() {
        Ok(found) => Some(found),
        Err(missing) => {
            skip(&missing);
            None
        }
    }
}

fn python(script: &str, args: &[&str]) -> String {
    let mut command = Command::new("python3");
    let output = command.args(["-c", script]).args(args).output();
    let output = output.expect("python3 starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A descriptor set by protoc.
fn by_protoc(corpus: &Corpus, to: &Path) {
    let mut command = Command::new("protoc");
    for folder in corpus.folders() {
        command.arg(format!("-I{}", folder.display()));
    }
    command.args(["--include_imports", "--include_source_info"]);
    command.arg(format!("--descriptor_set_out={}", to.display()));
    let output = command.args(&corpus.files).output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", corpus.name);
}

/// The same by `msvc`, of the protos in another folder when they were copied.
fn by_msvc(sandbox: &Sandbox, corpus: &Corpus, root: &Path, to: &Path) {
    let mut args = vec!["proto".to_owned(), "build".to_owned(), "-o".to_owned()];
    args.push(to.display().to_string());
    for folder in [root].into_iter().chain(corpus.import_from.as_deref()) {
        args.extend(["-I".to_owned(), folder.display().to_string()]);
    }
    let files = corpus.files.iter().map(|it| root.join(it));
    args.extend(files.map(|it| it.display().to_string()));
    let output = sandbox.msvc(&args);
    assert!(output.starts_with("exit: 0"), "{}: {output}", corpus.name);
}

fn compare(args: &[&str], corpus: &Corpus) -> Value {
    let told = python(COMPARE, args);
    let mut told: Value = serde_json::from_str(&told).expect("JSON");
    let files = told["files"].take().as_u64().expect("a number");
    let least = u64::try_from(corpus.files.len()).expect("small");
    assert!(files >= least, "{}: {files} of {least}", corpus.name);
    // What they import may be another copy for each.
    let is_own = |it: &Value| corpus.files.iter().any(|name| it == name);
    for key in ["only", "differ", "misplaced"] {
        let names = told[key].as_array_mut().expect("a list");
        names.retain(is_own);
    }
    told
}

#[test]
fn descriptors_are_those_of_protoc() {
    let Some(corpora) = parts() else { return };
    let sandbox = Sandbox::new();
    for corpus in corpora {
        let [theirs, ours] = ["theirs.binpb", "ours.binpb"].map(|it| sandbox.path().join(it));
        by_protoc(&corpus, &theirs);
        by_msvc(&sandbox, &corpus, &corpus.root, &ours);
        let told = compare(&[text(&theirs), text(&ours)], &corpus);
        let expected = serde_json::json!({
            "files": null, "only": [], "differ": corpus.differ, "misplaced": [],
        });
        assert_eq!(told, expected, "{}", corpus.name);
    }
}

#[test]
fn what_is_formatted_means_the_same_and_is_formatted() {
    let Some(corpora) = parts() else { return };
    for corpus in corpora {
        let sandbox = Sandbox::new();
        let copy = sandbox.path().join("copy");
        for file in &corpus.files {
            let to = copy.join(file);
            fs::create_dir_all(to.parent().expect("below")).expect("made");
            fs::copy(corpus.root.join(file), to).expect("copied");
        }
        let [before, after] = ["before.binpb", "after.binpb"].map(|it| sandbox.path().join(it));
        by_msvc(&sandbox, &corpus, &copy, &before);
        let formatted = sandbox.msvc(["proto", "format", "-I", "copy"]);
        assert!(
            formatted.starts_with("exit: 0"),
            "{}: {formatted}",
            corpus.name
        );
        let again = sandbox.msvc(["proto", "format", "-I", "copy", "--check"]);
        assert!(again.starts_with("exit: 0"), "{}: {again}", corpus.name);
        by_msvc(&sandbox, &corpus, &copy, &after);
        let told = compare(&["--layout", text(&before), text(&after)], &corpus);
        let expected = serde_json::json!({
            "files": null, "only": [], "differ": [], "misplaced": [],
        });
        assert_eq!(told, expected, "{}", corpus.name);
    }
}

/// By what `[proto.gen] serde` uses, as protobuf for Python writes and reads it.
#[test]
fn json_is_that_of_protobuf_for_python() {
    let Some(corpora) = parts() else { return };
    let sandbox = Sandbox::new();
    let set: PathBuf = sandbox.path().join("set.binpb");
    for corpus in &corpora {
        for (prefix, count) in corpus.messages {
            by_msvc(&sandbox, corpus, &corpus.root, &set);
            let encoded = fs::read(&set).expect("written");
            let pool = DescriptorPool::decode(encoded.as_slice()).expect("a set");
            let made = python(MESSAGES, &[text(&set), prefix, "7", &count.to_string()]);
            let mut compared = 0;
            for line in made.lines() {
                same_json(&pool, line);
                compared += 1;
            }
            assert_eq!(compared, *count, "{}", corpus.name);
        }
    }
}

fn same_json(pool: &DescriptorPool, line: &str) {
    let line: Value = serde_json::from_str(line).expect("JSON");
    let of = |key: &str| line[key].as_str().expect("a text");
    let descriptor = pool.get_message_by_name(of("type")).expect("known");
    let bytes = BASE64_STANDARD.decode(of("bytes")).expect("base64");
    let message = DynamicMessage::decode(descriptor.clone(), bytes.as_slice()).expect("valid");
    let theirs: Value = serde_json::from_str(of("json")).expect("JSON");
    assert_eq!(written(&message), theirs, "{}", of("type"));
    let mut reader = serde_json::Deserializer::from_str(of("json"));
    let read = DynamicMessage::deserialize(descriptor, &mut reader).expect("readable");
    // Of what is not a number, nothing is equal to itself.
    assert_eq!(written(&read), theirs, "{}", of("type"));
}

/// By its text: a number of 32 bits as a value has the digits of one of 64.
fn written(message: &DynamicMessage) -> Value {
    let text = serde_json::to_string(message).expect("written");
    serde_json::from_str(&text).expect("JSON")
}
