//! `msvc proto format`: one layout, every comment, and nothing written that was not asked for.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use msvc::proto::format::format;

use crate::support::{Sandbox, fixtures};

const MESSY: &str = "// Licensed to all.\n\nsyntax=\"proto3\";\nimport \"b.proto\";\nimport \"a.proto\"; // ours\npackage   pets . v1;\n\n\n\
    message   Pet{ // with a name\n  string name=1[deprecated=true];}\n";
const TIDY: &str = "// Licensed to all.\n\nsyntax = \"proto3\";\npackage pets.v1;\n\nimport \"a.proto\"; // ours\nimport \"b.proto\";\n\n\
    message Pet { // with a name\n  string name = 1 [deprecated = true];\n}\n";

/// A folder with a proto that is not formatted and one that is.
fn messy() -> Sandbox {
    let sandbox = Sandbox::new();
    write(&sandbox, "pets/v1/messy.proto", MESSY);
    write(&sandbox, "pets/v1/tidy.proto", TIDY);
    sandbox
}

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.path().join(name);
    fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path().join(name)).expect("there")
}

#[test]
fn each_fixture_is_laid_out_as_expected_and_stays_so() {
    let folder = fixtures::folder("format");
    for name in fixtures::names_in(&folder.join("in")) {
        let text = fs::read_to_string(folder.join("in").join(&name)).expect("there");
        let formatted = format(&name, &text).expect(&name);
        let path = folder.join("out").join(&name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(formatted, expected, "{name}");
        assert_eq!(
            format(&name, &formatted).expect(&name),
            formatted,
            "{name} twice"
        );
    }
}

/// Every proto of this repository, formatted, says the same, and so does one cut up and put together
/// with as much or as little space as possible.
#[test]
fn descriptors_stay_the_same() {
    fn protos(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for name in fixtures::names_in(folder) {
            let path = folder.join(&name);
            match path.is_dir() {
                true => protos(&path, found),
                false if name.ends_with(".proto") => found.push(path),
                false => {}
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in [
        "proto-examples",
        "templates/protos",
        "tests/proto-fixtures/lint",
        "tests/proto-fixtures/format",
    ] {
        protos(&root.join(folder), &mut found);
    }
    assert!(found.len() > 90, "{} protos", found.len());
    for path in found {
        let text = fs::read_to_string(&path).expect("there");
        let name = path.display().to_string();
        let formatted = format(&name, &text).expect(&name);
        assert!(descriptor(&formatted) == descriptor(&text), "{name}");
        assert_eq!(
            format(&name, &formatted).expect(&name),
            formatted,
            "{name} twice"
        );
        let stretched = text.replace(";\n", "\n\n ;\n\n\n").replace("\n", "\r\n");
        let formatted = format(&name, &stretched).expect(&name);
        assert!(
            descriptor(&formatted) == descriptor(&text),
            "{name} stretched"
        );
    }
}

/// What a proto says, without its places, with imports in one order, and without what only separates in
/// the values of options, which are texts here.
fn descriptor(text: &str) -> String {
    let file = protox::file::File::from_source("a.proto", text.trim_start_matches('\u{feff}'))
        .expect("parses");
    let mut descriptor = file.file_descriptor_proto().clone();
    descriptor.source_code_info = None;
    let name =
        |index: &i32| descriptor.dependency[usize::try_from(*index).expect("an index")].clone();
    let mut public: Vec<String> = descriptor.public_dependency.iter().map(name).collect();
    let mut weak: Vec<String> = descriptor.weak_dependency.iter().map(name).collect();
    public.sort();
    weak.sort();
    descriptor.dependency.sort();
    descriptor.public_dependency.clear();
    descriptor.weak_dependency.clear();
    descriptor.dependency.extend(public);
    descriptor.dependency.extend(weak);
    if let Some(options) = &mut descriptor.options {
        let uninterpreted = &mut options.uninterpreted_option;
        uninterpreted.sort_by_key(|it| format!("{:?}", it.name));
    }
    let mut told = format!("{descriptor:?}");
    told.retain(|one| {
        !one.is_whitespace() && !matches!(one, ':' | ',' | ';' | '<' | '>' | '{' | '}')
    });
    told
}

#[test]
fn only_what_changes_is_written() {
    let sandbox = messy();
    let modified = || {
        let path = sandbox.path().join("pets/v1/tidy.proto");
        fs::metadata(path)
            .and_then(|it| it.modified())
            .expect("there")
    };
    let before = modified();
    insta::assert_snapshot!(sandbox.msvc(["proto", "format"]), @r"
    exit: 0
    --- stderr ---
       Formatted pets/v1/messy.proto
    ");
    assert_eq!(read(&sandbox, "pets/v1/messy.proto"), TIDY);
    assert_eq!(modified(), before);
    assert_eq!(
        fixtures::names_in(&sandbox.path().join("pets/v1")),
        ["messy.proto", "tidy.proto"],
        "nothing is left over"
    );
    insta::assert_snapshot!(sandbox.msvc(["proto", "format"]), @r"
    exit: 0
    --- stderr ---
           Fresh 2 files are formatted
    ");
}

#[test]
fn a_check_names_what_would_change_and_writes_nothing() {
    let sandbox = messy();
    insta::assert_snapshot!(sandbox.msvc(["proto", "format", "--check"]), @r"
    exit: 1
    --- stderr ---
    error: a file is not formatted:
      pets/v1/messy.proto
    hint: run `msvc proto format`
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "format", "--check", "--format", "json"]), @r#"
    exit: 1
    --- stdout ---
    {
      "files": 2,
      "changed": [
        "pets/v1/messy.proto"
      ],
      "written": false
    }
    "#);
    assert_eq!(read(&sandbox, "pets/v1/messy.proto"), MESSY);
    let output = sandbox.msvc(["proto", "format", "--check", "pets/v1/tidy.proto"]);
    assert!(output.starts_with("exit: 0"), "{output}");
}

#[test]
fn a_difference_is_shown_and_nothing_written() {
    let sandbox = messy();
    insta::assert_snapshot!(sandbox.msvc(["proto", "format", "--diff"]), @r#"
    exit: 0
    --- stdout ---
    --- a/pets/v1/messy.proto
    +++ b/pets/v1/messy.proto
    @@ -1,10 +1,11 @@
     // Licensed to all.
     
    -syntax="proto3";
    -import "b.proto";
    -import "a.proto"; // ours
    -package   pets . v1;
    +syntax = "proto3";
    +package pets.v1;
     
    +import "a.proto"; // ours
    +import "b.proto";
     
    -message   Pet{ // with a name
    -  string name=1[deprecated=true];}
    +message Pet { // with a name
    +  string name = 1 [deprecated = true];
    +}
    "#);
    assert_eq!(read(&sandbox, "pets/v1/messy.proto"), MESSY);
    let output = sandbox.msvc(["proto", "format", "--diff", "--check"]);
    assert!(output.starts_with("exit: 1"), "{output}");
}

#[test]
fn with_a_broken_file_nothing_is_written_at_all() {
    let sandbox = messy();
    write(
        &sandbox,
        "pets/v1/broken.proto",
        "syntax = \"proto3\";\nmessage Pet { string name 1; }\n",
    );
    write(
        &sandbox,
        "pets/v1/open.proto",
        "syntax = \"proto3\";\nmessage Pet {\n",
    );
    insta::assert_snapshot!(sandbox.msvc(["proto", "format"]), @r"
    exit: 1
    --- stderr ---
    error: pets/v1/broken.proto:2:27: expected '=', but found '1'
       |
     2 | message Pet { string name 1; }
       |                           ^ found here

    pets/v1/open.proto: expected a message field, oneof, reserved range, enum, message, option or '}', but reached end of file
    ");
    assert_eq!(read(&sandbox, "pets/v1/messy.proto"), MESSY);
}

#[test]
fn permissions_and_links_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let sandbox = messy();
    let real = sandbox.path().join("pets/v1/messy.proto");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("set");
    symlink("messy.proto", sandbox.path().join("pets/v1/link.proto")).expect("linked");
    sandbox.msvc(["proto", "format", "pets/v1/link.proto"]);
    let link = sandbox.path().join("pets/v1/link.proto");
    assert!(link.symlink_metadata().expect("there").is_symlink());
    assert_eq!(fs::read_to_string(&real).expect("there"), TIDY);
    assert_eq!(
        fs::metadata(&real).expect("there").permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn stdin_goes_to_stdout() {
    let sandbox = Sandbox::new();
    let mut child = sandbox
        .command(["proto", "format", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(MESSY.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), TIDY);
}
