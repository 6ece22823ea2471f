//! `msvc proto lint`: every rule with protos that break it and others that do not, and how findings
//! are told.

use std::fs;

use crate::support::{Sandbox, fixtures};

/// What is said of one file in which nothing is found.
const CLEAN: &str = "exit: 0\n--- stderr ---\n       Clean no finding in 1 file\n";
/// The same of any number.
const CLEAN_START: &str = "exit: 0\n--- stderr ---\n       Clean no finding in ";

/// A folder of protos that break a few rules.
fn pets() -> Sandbox {
    let sandbox = Sandbox::new();
    write(
        &sandbox,
        "pets/v1/pets.proto",
        "syntax = \"proto3\";\n\npackage pets.v1;\n\nmessage Pet {\n  string petName = 1;\n}\n\n\
         enum Kind {\n  CAT = 0;\n}\n",
    );
    sandbox
}

fn write(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.path().join(name);
    fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn each_rule_finds_what_breaks_it_and_nothing_else() {
    let all = fixtures::folder("lint");
    let rules: Vec<&str> = msvc::proto::lint::all().iter().map(|it| it.name).collect();
    assert_eq!(fixtures::names_in(&all), rules, "each rule has a fixture");
    for rule in rules {
        let folder = all.join(rule);
        let run = |kind: &str| {
            let sandbox = Sandbox::new();
            fixtures::copy(&folder.join(kind), &sandbox.path());
            let chosen = format!("version: v2\nlint:\n  use: [{rule}]\n");
            fs::write(sandbox.path().join("buf.yaml"), chosen).expect("written");
            sandbox.msvc(["proto", "lint"])
        };
        let clean = run("good");
        assert!(clean.starts_with(CLEAN_START), "{rule}: {clean}");
        let found = run("bad");
        assert!(found.contains(&format!("[{rule}]")), "{rule}: {found}");
        fixtures::assert_snapshot(&folder, "bad", &found);
    }
}

#[test]
fn findings_are_shown_with_their_line_and_what_to_do() {
    insta::assert_snapshot!(pets().msvc(["proto", "lint"]), @r"
    exit: 1
    --- stdout ---
    pets/v1/pets.proto:6:10: field `petName` is not in lower_snake_case [FIELD_LOWER_SNAKE_CASE]
       |
     6 |   string petName = 1;
       |          ^^^^^^^
     = help: call it `pet_name`

    pets/v1/pets.proto:10:3: value `CAT` does not begin with `KIND_` [ENUM_VALUE_PREFIX]
        |
     10 |   CAT = 0;
        |   ^^^
     = help: call it `KIND_CAT`: values of one package share a scope in C++

    pets/v1/pets.proto:10:3: value `CAT` is 0 and does not end in `_UNSPECIFIED` [ENUM_ZERO_VALUE_SUFFIX]
        |
     10 |   CAT = 0;
        |   ^^^
     = help: call it `KIND_UNSPECIFIED`: 0 is what a field has that nobody set

    --- stderr ---
    error: 3 findings in 1 file
    ");
}

#[test]
fn findings_are_json_where_that_is_asked_for() {
    let sandbox = pets();
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint", "--format", "json"]), @r#"
    exit: 1
    --- stdout ---
    {
      "findings": [
        {
          "file": "pets/v1/pets.proto",
          "line": 6,
          "column": 10,
          "end_line": 6,
          "end_column": 17,
          "rule": "FIELD_LOWER_SNAKE_CASE",
          "message": "field `petName` is not in lower_snake_case",
          "help": "call it `pet_name`"
        },
        {
          "file": "pets/v1/pets.proto",
          "line": 10,
          "column": 3,
          "end_line": 10,
          "end_column": 6,
          "rule": "ENUM_VALUE_PREFIX",
          "message": "value `CAT` does not begin with `KIND_`",
          "help": "call it `KIND_CAT`: values of one package share a scope in C++"
        },
        {
          "file": "pets/v1/pets.proto",
          "line": 10,
          "column": 3,
          "end_line": 10,
          "end_column": 6,
          "rule": "ENUM_ZERO_VALUE_SUFFIX",
          "message": "value `CAT` is 0 and does not end in `_UNSPECIFIED`",
          "help": "call it `KIND_UNSPECIFIED`: 0 is what a field has that nobody set"
        }
      ]
    }
    "#);
}

#[test]
fn findings_are_commands_for_github() {
    let sandbox = pets();
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint", "--error-format", "github"]), @r"
    exit: 1
    --- stdout ---
    ::error file=pets/v1/pets.proto,line=6,endLine=6,col=10,endColumn=17,title=FIELD_LOWER_SNAKE_CASE::field `petName` is not in lower_snake_case%0Acall it `pet_name`
    ::error file=pets/v1/pets.proto,line=10,endLine=10,col=3,endColumn=6,title=ENUM_VALUE_PREFIX::value `CAT` does not begin with `KIND_`%0Acall it `KIND_CAT`: values of one package share a scope in C++
    ::error file=pets/v1/pets.proto,line=10,endLine=10,col=3,endColumn=6,title=ENUM_ZERO_VALUE_SUFFIX::value `CAT` is 0 and does not end in `_UNSPECIFIED`%0Acall it `KIND_UNSPECIFIED`: 0 is what a field has that nobody set
    --- stderr ---
    error: 3 findings in 1 file
    ");
}

#[test]
fn findings_are_sarif_with_the_rules_that_there_are() {
    let sandbox = pets();
    let output = sandbox.msvc(["proto", "lint", "--error-format", "sarif"]);
    let text = output
        .strip_prefix("exit: 1\n--- stdout ---\n")
        .expect("a document and exit code 1");
    let mut document: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let driver = &mut document["runs"][0]["tool"]["driver"];
    let rules = driver["rules"].take();
    driver["version"] = "[VERSION]".into();
    assert_eq!(
        rules.as_array().expect("a list").len(),
        msvc::proto::lint::all().len()
    );
    assert_eq!(
        rules[0],
        serde_json::json!({
            "id": "COMMENT_ENUM",
            "shortDescription": { "text": "enums have a comment" },
        })
    );
    let rest = serde_json::to_string_pretty(&document).expect("JSON");
    insta::assert_snapshot!(rest, @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "msvc",
              "version": "[VERSION]",
              "rules": null
            }
          },
          "columnKind": "unicodeCodePoints",
          "results": [
            {
              "ruleId": "FIELD_LOWER_SNAKE_CASE",
              "level": "error",
              "message": {
                "text": "field `petName` is not in lower_snake_case: call it `pet_name`"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pets/v1/pets.proto"
                    },
                    "region": {
                      "startLine": 6,
                      "startColumn": 10,
                      "endLine": 6,
                      "endColumn": 17
                    }
                  }
                }
              ]
            },
            {
              "ruleId": "ENUM_VALUE_PREFIX",
              "level": "error",
              "message": {
                "text": "value `CAT` does not begin with `KIND_`: call it `KIND_CAT`: values of one package share a scope in C++"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pets/v1/pets.proto"
                    },
                    "region": {
                      "startLine": 10,
                      "startColumn": 3,
                      "endLine": 10,
                      "endColumn": 6
                    }
                  }
                }
              ]
            },
            {
              "ruleId": "ENUM_ZERO_VALUE_SUFFIX",
              "level": "error",
              "message": {
                "text": "value `CAT` is 0 and does not end in `_UNSPECIFIED`: call it `KIND_UNSPECIFIED`: 0 is what a field has that nobody set"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "pets/v1/pets.proto"
                    },
                    "region": {
                      "startLine": 10,
                      "startColumn": 3,
                      "endLine": 10,
                      "endColumn": 6
                    }
                  }
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn a_proto_that_does_not_compile_is_told_in_the_format_of_findings() {
    let sandbox = pets();
    write(
        &sandbox,
        "pets/v1/broken.proto",
        "syntax = \"proto3\";\nmessage {}\n",
    );
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint", "--error-format", "github"]), @r"
    exit: 1
    --- stdout ---
    ::error file=pets/v1/broken.proto,line=2,endLine=2,col=9,endColumn=10,title=COMPILE::expected an identifier, but found '{'
    --- stderr ---
    error: 1 finding in 1 file
    ");
}

#[test]
fn a_comment_switches_a_rule_off_for_what_it_stands_before() {
    let sandbox = Sandbox::new();
    let text = "// buf:lint:ignore PACKAGE_DIRECTORY_MATCH\nsyntax = \"proto3\";\n\n\
        // buf:lint:ignore PACKAGE_DIRECTORY_MATCH\npackage pets.v1;\n\n\
        // All of them.\n// buf:lint:ignore FIELD_LOWER_SNAKE_CASE as the wire has it\n\
        message Pet {\n  string petName = 1;\n  message Tag {\n    string TAG = 1;\n  }\n}\n\n\
        message toy {\n  // buf:lint:ignore FIELD_LOWER_SNAKE_CASE_2\n  string toyName = 1;\n}\n";
    write(&sandbox, "a.proto", text);
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint"]), @r"
    exit: 1
    --- stdout ---
    a.proto:16:9: message `toy` is not in PascalCase [MESSAGE_PASCAL_CASE]
        |
     16 | message toy {
        |         ^^^
     = help: call it `Toy`

    a.proto:18:10: field `toyName` is not in lower_snake_case [FIELD_LOWER_SNAKE_CASE]
        |
     18 |   string toyName = 1;
        |          ^^^^^^^
     = help: call it `toy_name`

    --- stderr ---
    error: 2 findings in 1 file
    ");
    // Version 1 of buf's configuration wants to be asked.
    write(&sandbox, "buf.yaml", "version: v1\n");
    let output = sandbox.msvc(["proto", "lint"]);
    assert!(output.contains("5 findings in 1 file"), "{output}");
}

#[test]
fn the_manifest_chooses_rules_and_goes_before_buf_yaml() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let lint = || sandbox.msvc(["proto", "lint"]);
    assert_eq!(lint(), CLEAN, "what `new` makes follows the rules");
    write(
        &sandbox,
        "proto/buf.yaml",
        "version: v1\nlint:\n  service_suffix: API\n",
    );
    insta::assert_snapshot!(lint(), @r"
    exit: 1
    --- stdout ---
    proto/user/v1/user.proto:9:9: service `UserService` does not end in `API` [SERVICE_SUFFIX]
       |
     9 | service UserService {
       |         ^^^^^^^^^^^
     = help: call it `UserServiceAPI`

    --- stderr ---
    error: 1 finding in 1 file
    ");
    let path = sandbox.path().join("msvc.toml");
    let manifest = fs::read_to_string(&path).expect("there");
    let settings = "\n[proto.lint]\nuse = [\"STANDARD\", \"UNARY_RPC\"]\nexcept = [\"RPC_NO_CLIENT_STREAMING\"]\n\n\
        [proto.lint.ignore-only]\nRPC_NO_SERVER_STREAMING = [\"user/v1\"]\n";
    fs::write(&path, manifest.clone() + settings).expect("written");
    assert_eq!(lint(), CLEAN);
    fs::write(&path, manifest + "\n[proto.lint]\nuse = [\"STANDART\"]\n").expect("written");
    insta::assert_snapshot!(lint(), @r"
    exit: 2
    --- stderr ---
    error: there is no lint rule or category `STANDART`
    hint: did you mean `STANDARD`?
    ");
}

#[test]
fn paths_choose_files_and_those_elsewhere_are_refused() {
    let sandbox = pets();
    write(&sandbox, "toys/toys.proto", "syntax = \"proto3\";\n");
    let output = sandbox.msvc(["proto", "lint", "toys"]);
    assert!(
        output.contains("toys/toys.proto: the file has no package"),
        "{output}"
    );
    assert!(output.ends_with("error: 1 finding in 1 file\n"), "{output}");
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint", "-I", "pets", "toys"]), @r"
    exit: 2
    --- stderr ---
    error: `toys` is in none of the folders of protos: `pets`
    hint: name the folder above it with `-I DIR`
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint", "nowhere"]), @r"
    exit: 2
    --- stderr ---
    error: there is no `nowhere`
    ");
}

#[test]
fn a_buf_yaml_that_cannot_be_read_is_told_with_its_place() {
    let sandbox = pets();
    write(&sandbox, "buf.yaml", "version: v2\nlint:\n  use: BASIC\n");
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]/buf.yaml` cannot be used
      caused by: `lint.use` is not a list
    ");
}

#[test]
fn the_modules_of_a_buf_workspace_have_rules_of_their_own() {
    let sandbox = pets();
    write(
        &sandbox,
        "vendor/toys/toys.proto",
        "syntax = \"proto3\";\npackage Toys;\n",
    );
    let text = "version: v2\nmodules:\n  - path: .\n    excludes: [vendor]\n\
        \x20 - path: vendor\n    lint:\n      use: [PACKAGE_LOWER_SNAKE_CASE]\n\
        lint:\n  use: [ENUM_VALUE_PREFIX]\n";
    write(&sandbox, "buf.yaml", text);
    insta::assert_snapshot!(sandbox.msvc(["proto", "lint"]), @r"
    exit: 1
    --- stdout ---
    pets/v1/pets.proto:10:3: value `CAT` does not begin with `KIND_` [ENUM_VALUE_PREFIX]
        |
     10 |   CAT = 0;
        |   ^^^
     = help: call it `KIND_CAT`: values of one package share a scope in C++

    vendor/toys/toys.proto:2:1: package `Toys` is not in lower_snake.case [PACKAGE_LOWER_SNAKE_CASE]
       |
     2 | package Toys;
       | ^^^^^^^^^^^^^
     = help: call it `toys`

    --- stderr ---
    error: 2 findings in 2 files
    ");
    fs::remove_file(sandbox.path().join("buf.yaml")).expect("there");
    write(
        &sandbox,
        "buf.work.yaml",
        "version: v1\ndirectories:\n  - vendor\n",
    );
    let output = sandbox.msvc(["proto", "lint"]);
    assert!(output.contains("3 findings in 1 file"), "{output}");
}

#[test]
fn the_rules_can_be_listed() {
    let output = Sandbox::new().msvc(["proto", "lint", "--list-rules"]);
    let first = output.lines().nth(2).expect("a rule");
    let line = "COMMENT_ENUM                       COMMENTS                  enums have a comment";
    assert_eq!(first, line);
    assert_eq!(output.lines().count(), 2 + msvc::proto::lint::all().len());
}
