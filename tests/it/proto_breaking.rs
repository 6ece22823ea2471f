//! `msvc proto breaking`: every rule with a change that breaks it and one that does not, and where
//! earlier states come from.

use std::fs;
use std::process::Command;

use crate::support::{Sandbox, fixtures};

/// What is said of one file that breaks nothing.
const CLEAN: &str = "exit: 0\n--- stderr ---\n       Clean no finding in 1 file\n";
/// The same of any number.
const CLEAN_START: &str = "exit: 0\n--- stderr ---\n       Clean no finding in ";

const PETS: &str = "syntax = \"proto3\";\n\npackage pets.v1;\n\nmessage Pet {\n  string name = 1;\n  int32 age = 2;\n}\n";

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.path().join(name);
    fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn git(sandbox: &Sandbox, args: &[&str]) {
    let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
    let output = Command::new("git")
        .args(identity)
        .args(args)
        .current_dir(sandbox.path())
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {args:?}: {output:?}");
}

/// A folder under git whose present state, not committed, lacks a field.
fn changed() -> Sandbox {
    let sandbox = Sandbox::new();
    write(&sandbox, "pets/v1/pets.proto", PETS);
    git(&sandbox, &["init", "--quiet", "--initial-branch=main"]);
    git(&sandbox, &["add", "."]);
    git(&sandbox, &["commit", "--quiet", "-m", "pets"]);
    let without = PETS.replace("  int32 age = 2;\n", "");
    write(&sandbox, "pets/v1/pets.proto", &without);
    sandbox
}

#[test]
fn each_rule_finds_what_breaks_it_and_nothing_else() {
    let all = fixtures::folder("breaking");
    let rules: Vec<&str> = msvc::proto::breaking::all()
        .iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(fixtures::names_in(&all), rules, "each rule has a fixture");
    for rule in rules {
        let folder = all.join(rule);
        let run = |kind: &str| {
            let sandbox = Sandbox::new();
            fixtures::copy(&folder.join(kind), &sandbox.path().join("now"));
            fixtures::copy(&folder.join("before"), &sandbox.path().join("before"));
            let chosen = format!("version: v2\nbreaking:\n  use: [{rule}]\n");
            write(&sandbox, "now/buf.yaml", &chosen);
            sandbox.msvc([
                "proto",
                "breaking",
                "--project",
                "now",
                "--against",
                "../before",
            ])
        };
        let clean = run("good");
        assert!(clean.starts_with(CLEAN_START), "{rule}: {clean}");
        let found = run("bad");
        assert!(found.contains(&format!("[{rule}]")), "{rule}: {found}");
        fixtures::assert_snapshot(&folder, "bad", &found);
    }
}

#[test]
fn a_commit_is_compared_and_nothing_of_the_users_is_touched() {
    let sandbox = changed();
    let index = || fs::read(sandbox.path().join(".git/index")).expect("there");
    let before = index();
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking", "--against", "main"]), @r"
    exit: 1
    --- stdout ---
    pets/v1/pets.proto:5:1: field `age` (2) is gone [FIELD_NO_DELETE]
       |
     5 | message Pet {
       | ^^^^^^^^^^^^^

    --- stderr ---
    error: 1 finding in 1 file
    ");
    assert_eq!(index(), before);
    assert_eq!(fixtures::names_in(&sandbox.path()), [".git", "pets"]);
    let now = fs::read_to_string(sandbox.path().join("pets/v1/pets.proto")).expect("there");
    assert!(!now.contains("int32 age"), "{now}");
    git(&sandbox, &["commit", "--quiet", "-a", "-m", "no age"]);
    assert_eq!(
        sandbox.msvc(["proto", "breaking", "--against", "HEAD"]),
        CLEAN
    );
    let output = sandbox.msvc(["proto", "breaking", "--against", "HEAD~1"]);
    assert!(output.contains("field `age` (2) is gone"), "{output}");
    assert!(output.ends_with("error: 1 finding in 1 file\n"), "{output}");
}

#[test]
fn a_link_in_a_commit_is_what_it_leads_to() {
    use std::os::unix::fs::symlink;

    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path().join(name);
    write(&sandbox, "shared/pets.proto", PETS);
    fs::create_dir_all(path("proto/pets/v1")).expect("made");
    for (target, link) in [
        ("../../../shared/again.proto", "proto/pets/v1/pets.proto"),
        ("pets.proto", "shared/again.proto"),
        ("circle.proto", "proto/circle.proto"),
        ("../../outside.proto", "proto/outside.proto"),
    ] {
        symlink(target, path(link)).expect("linked");
    }
    write(
        &sandbox,
        "buf.yaml",
        "version: v2\nmodules:\n  - path: proto\n",
    );
    git(&sandbox, &["init", "--quiet", "--initial-branch=main"]);
    git(&sandbox, &["add", "."]);
    git(&sandbox, &["commit", "--quiet", "-m", "pets"]);
    for link in ["proto/circle.proto", "proto/outside.proto"] {
        fs::remove_file(path(link)).expect("removed");
    }
    assert_eq!(
        sandbox.msvc(["proto", "breaking", "--against", "main"]),
        CLEAN
    );
    let without = PETS.replace("  int32 age = 2;\n", "");
    write(&sandbox, "shared/pets.proto", &without);
    let output = sandbox.msvc(["proto", "breaking", "--against", "main"]);
    assert!(output.contains("field `age` (2) is gone"), "{output}");
}

#[test]
fn a_folder_that_is_a_link_in_a_commit_is_what_it_leads_to() {
    use std::os::unix::fs::symlink;

    let sandbox = Sandbox::new();
    let path = |name: &str| sandbox.path().join(name);
    write(&sandbox, "shared/pets/v1/pets.proto", PETS);
    fs::create_dir(path("proto")).expect("made");
    for (target, link) in [
        ("../elsewhere/pets", "proto/pets"),
        ("shared", "elsewhere"),
        ("..", "shared/up"),
        ("../other", "shared/other"),
        ("../shared/other", "other"),
    ] {
        fs::create_dir_all(path(link).parent().expect("a folder")).expect("made");
        symlink(target, path(link)).expect("linked");
    }
    write(
        &sandbox,
        "buf.yaml",
        "version: v2\nmodules:\n  - path: proto\n",
    );
    git(&sandbox, &["init", "--quiet", "--initial-branch=main"]);
    git(&sandbox, &["add", "."]);
    git(&sandbox, &["commit", "--quiet", "-m", "pets"]);
    let output = sandbox.msvc(["proto", "breaking", "--against", "main"]);
    assert_eq!(output, CLEAN);
    let without = PETS.replace("  int32 age = 2;\n", "");
    write(&sandbox, "shared/pets/v1/pets.proto", &without);
    let output = sandbox.msvc(["proto", "breaking", "--against", "main"]);
    assert!(output.contains("proto/pets/v1/pets.proto"), "{output}");
    assert!(output.contains("field `age` (2) is gone"), "{output}");
}

#[test]
fn a_workspace_below_the_top_of_a_repository_is_found_in_the_commit() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service", "--path", "shop", "--no-git"]);
    git(&sandbox, &["init", "--quiet", "--initial-branch=main"]);
    git(&sandbox, &["add", "."]);
    git(&sandbox, &["commit", "--quiet", "-m", "shop"]);
    let path = sandbox.path().join("shop/proto/user/v1/user.proto");
    let text = fs::read_to_string(&path).expect("there");
    let without: String = text
        .lines()
        .filter(|line| !line.contains("rpc DeleteUser"))
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&path, without).expect("written");
    let output = sandbox.msvc([
        "proto",
        "breaking",
        "--project",
        "shop",
        "--against",
        "main",
    ]);
    assert!(output.contains("proto/user/v1/user.proto:"), "{output}");
    assert!(
        output.contains("method `DeleteUser` is gone [RPC_NO_DELETE]"),
        "{output}"
    );
}

#[test]
fn a_descriptor_set_is_compared() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let set = "crates/protocol/src/descriptors.binpb";
    let run = || sandbox.msvc(["proto", "breaking", "--against", set]);
    assert_eq!(run(), CLEAN);
    let path = sandbox.path().join("proto/user/v1/user.proto");
    let text = fs::read_to_string(&path).expect("there");
    fs::write(&path, text.replace("package user.v1;", "package users.v1;")).expect("written");
    let output = run();
    assert!(
        output.contains("the package was `user.v1` and is `users.v1`"),
        "{output}"
    );
    write(&sandbox, "text.binpb", "not one");
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking", "--against", "text.binpb"]), @r"
    exit: 2
    --- stderr ---
    error: `[SANDBOX]/text.binpb` is not a descriptor set
      caused by: failed to decode file descriptor set
      caused by: failed to decode Protobuf message: invalid wire type value: 6
    hint: `msvc proto build -o FILE` writes one
    ");
}

#[test]
fn a_file_that_stayed_as_it_was_breaks_where_what_it_uses_did() {
    let sandbox = Sandbox::new();
    let pets = "syntax = \"proto2\";\n\npackage pets.v1;\n\nimport \"kinds/v1/kinds.proto\";\n\n\
                message Pet {\n  optional kinds.v1.Kind kind = 1;\n  optional kinds.v1.Coat coat = 2;\n}\n";
    let kinds = |kind: &str, coat: &str| {
        format!("syntax = \"proto2\";\n\npackage kinds.v1;\n\n{kind}\n\n{coat}\n")
    };
    let states = [
        (
            "before",
            "enum Kind {\n  CAT = 1;\n  DOG = 2;\n}",
            "enum Coat {\n  SHORT = 0;\n}",
        ),
        (
            "now",
            "enum Kind {\n  DOG = 2;\n  CAT = 1;\n}",
            "message Coat {}",
        ),
    ];
    for (state, kind, coat) in states {
        write(&sandbox, &format!("{state}/pets/v1/pets.proto"), pets);
        write(
            &sandbox,
            &format!("{state}/kinds/v1/kinds.proto"),
            &kinds(kind, coat),
        );
    }
    sandbox.msvc([
        "proto",
        "build",
        "--project",
        "before",
        "-o",
        "../before.binpb",
    ]);
    let run = |against| {
        sandbox.msvc([
            "proto",
            "breaking",
            "--project",
            "now",
            "--against",
            against,
        ])
    };
    let output = run("../before");
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stdout ---
    kinds/v1/kinds.proto: enum `Coat` is gone from the file [ENUM_NO_DELETE]

    pets/v1/pets.proto:8:3: the default of field `kind` (1) of `Pet` was `CAT` and is `DOG` [FIELD_SAME_DEFAULT]
       |
     8 |   optional kinds.v1.Kind kind = 1;
       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    pets/v1/pets.proto:9:12: the type of field `coat` (2) of `Pet` was the enum `kinds.v1.Coat` and is the message `kinds.v1.Coat` [FIELD_SAME_TYPE]
       |
     9 |   optional kinds.v1.Coat coat = 2;
       |            ^^^^^^^^^^^^^

    --- stderr ---
    error: 3 findings in 2 files
    ");
    assert_eq!(run("../before.binpb"), output);
}

#[test]
fn what_is_no_state_is_refused_with_what_can_be_one() {
    let sandbox = changed();
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking", "--against", "maim"]), @r"
    exit: 2
    --- stderr ---
    error: `maim` is neither a file, nor a folder, nor a commit
      caused by: Needed a single revision
    hint: name a branch, a tag or a commit, such as `main` or `HEAD~1`; a folder; or a file that `msvc proto build` or `protoc --descriptor_set_out` wrote; a repository without commits has nothing to compare with
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking", "--against=--help"]), @r"
    exit: 2
    --- stderr ---
    error: `--help` is neither a file, nor a folder, nor a commit
      caused by: Needed a single revision
    hint: name a branch, a tag or a commit, such as `main` or `HEAD~1`; a folder; or a file that `msvc proto build` or `protoc --descriptor_set_out` wrote; a repository without commits has nothing to compare with
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking"]), @r"
    exit: 2
    --- stderr ---
    error: the following required arguments were not provided:
      --against <STATE>

    Usage: msvc proto breaking --against <STATE> [PATH]...

    For more information, try '--help'.
    ");
}

#[test]
fn an_earlier_state_that_does_not_compile_is_told_as_such() {
    let sandbox = changed();
    write(
        &sandbox,
        "pets/v1/pets.proto",
        "syntax = \"proto3\";\nmessage {\n",
    );
    git(&sandbox, &["commit", "--quiet", "-a", "-m", "broken"]);
    write(&sandbox, "pets/v1/pets.proto", PETS);
    insta::assert_snapshot!(sandbox.msvc(["proto", "breaking", "--against", "HEAD"]), @r"
    exit: 1
    --- stderr ---
    error: the protos of `HEAD` do not compile
      caused by: pets/v1/pets.proto:2:9: expected an identifier, but found '{'
       |
     2 | message {
       |         ^ found here
    ");
}

#[test]
fn the_manifest_chooses_rules_and_lets_unstable_packages_change() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    write(
        &sandbox,
        "before/user/v1beta1/user.proto",
        &PETS.replace("pets.v1", "user.v1beta1"),
    );
    write(
        &sandbox,
        "proto/user/v1beta1/user.proto",
        "syntax = \"proto3\";\n\npackage user.v1beta1;\n\nmessage Pet {}\n",
    );
    let run = || sandbox.msvc(["proto", "breaking", "--against", "before"]);
    let output = run();
    assert!(output.contains("[FIELD_NO_DELETE]"), "{output}");
    let path = sandbox.path().join("msvc.toml");
    let manifest = fs::read_to_string(&path).expect("there");
    let wire = manifest.clone() + "\n[proto.breaking]\nuse = [\"WIRE\"]\n";
    fs::write(&path, &wire).expect("written");
    let output = run();
    assert!(
        output.contains("[FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED]"),
        "{output}"
    );
    fs::write(&path, wire + "ignore-unstable-packages = true\n").expect("written");
    assert_eq!(
        run(),
        "exit: 0\n--- stderr ---\n       Clean no finding in 2 files\n"
    );
}

#[test]
fn findings_are_told_to_programs() {
    let sandbox = changed();
    let run = |format: &str| {
        sandbox.msvc([
            "proto",
            "breaking",
            "--against",
            "main",
            "--error-format",
            format,
        ])
    };
    insta::assert_snapshot!(run("json"), @r#"
    exit: 1
    --- stdout ---
    {
      "findings": [
        {
          "file": "pets/v1/pets.proto",
          "line": 5,
          "column": 1,
          "end_line": 7,
          "end_column": 2,
          "rule": "FIELD_NO_DELETE",
          "message": "field `age` (2) is gone",
          "help": null
        }
      ]
    }
    "#);
    insta::assert_snapshot!(run("github"), @r"
    exit: 1
    --- stdout ---
    ::error file=pets/v1/pets.proto,line=5,endLine=7,title=FIELD_NO_DELETE::field `age` (2) is gone
    --- stderr ---
    error: 1 finding in 1 file
    ");
    let sarif = run("sarif");
    assert!(sarif.contains("\"ruleId\": \"FIELD_NO_DELETE\""), "{sarif}");
}
