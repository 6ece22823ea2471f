//! What is said of protos that do not compile, by the step that all commands share.

use std::fs;

use crate::support::{Sandbox, fixtures};

#[test]
fn each_broken_proto_is_told_with_its_place_and_what_to_do() {
    let all = fixtures::folder("broken");
    let names = fixtures::names_in(&all);
    assert!(names.len() > 50, "{}", names.len());
    for name in names {
        let folder = all.join(&name);
        let sandbox = Sandbox::new();
        fixtures::copy(&folder.join("in"), &sandbox.path());
        let told = sandbox.msvc(["proto", "list"]);
        assert!(
            told.starts_with("exit: 1\n--- stderr ---\nerror: "),
            "{name}: {told}"
        );
        fixtures::assert_snapshot(&folder, "told", &told);
    }
}

fn told(text: &str) -> String {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("pets.proto"), text).expect("written");
    sandbox.msvc(["proto", "list"])
}

#[test]
fn what_nests_without_end_does_not_exhaust_the_stack() {
    const DEPTH: usize = 10_000;
    let messages = format!(
        "syntax = \"proto3\";\n{}{}\n",
        "message A { ".repeat(DEPTH),
        "}".repeat(DEPTH)
    );
    insta::assert_snapshot!(told(&messages), @r"
    exit: 1
    --- stderr ---
    error: pets.proto:2:2411: brackets nest deeper than 200
       |
     2 | …e A { message A { message A { message A { message A { message A { message A { message A { message A { message A { messag
       |                                          ^
    ");
    let values = format!(
        "syntax = \"proto3\";\noption (a) = {{ {}1{} }};\n",
        "a { b: ".repeat(DEPTH),
        "}".repeat(DEPTH)
    );
    insta::assert_snapshot!(told(&values), @r"
    exit: 1
    --- stderr ---
    error: pets.proto:2:1411: brackets nest deeper than 200
       |
     2 | …b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b: a { b
       |                                          ^
    ");
    let lists = format!(
        "syntax = \"proto3\";\noption (a) = {{ a: {}{} }};\n",
        "[".repeat(DEPTH),
        "]".repeat(DEPTH)
    );
    insta::assert_snapshot!(told(&lists), @r"
    exit: 1
    --- stderr ---
    error: pets.proto:2:218: brackets nest deeper than 200
       |
     2 | …[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
       |                                          ^
    ");
    // The same is refused where protos are only laid out.
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("pets.proto"), &lists).expect("written");
    let output = sandbox.msvc(["proto", "format"]);
    assert!(output.contains("brackets nest deeper than 200"), "{output}");
    // As many brackets side by side, or in texts and comments, are fine.
    let flat = format!(
        "syntax = \"proto3\";\n// {}\noption go_package = \"{}\";\n{}",
        "{".repeat(DEPTH),
        "{".repeat(DEPTH),
        (0..1_000)
            .map(|it| format!("message A{it} {{}}\n"))
            .collect::<String>()
    );
    assert!(told(&flat).starts_with("exit: 0"));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let sandbox = Sandbox::new();
    let file = fs::File::create(sandbox.path().join("pets.proto")).expect("made");
    file.set_len(100 << 20).expect("sparse");
    insta::assert_snapshot!(sandbox.msvc(["proto", "list"]), @r"
    exit: 1
    --- stderr ---
    error: pets.proto: the file has 100.0 MiB, which is too large for a proto
     = help: up to 64 MiB are read
    ");
}

#[test]
fn a_long_line_is_shown_around_the_place() {
    let text = format!(
        "syntax = \"proto3\";\nmessage Pet {{ {} Tyo toy = 9999; }}\nmessage Toy {{}}\n",
        (1..200)
            .map(|it| format!("string f{it} = {it};"))
            .collect::<String>()
    );
    insta::assert_snapshot!(told(&text), @r"
    exit: 1
    --- stderr ---
    error: pets.proto:2:3382: name 'Tyo' is not defined
       |
     2 | …97;string f198 = 198;string f199 = 199; Tyo toy = 9999; }
       |                                          ^^^ found here
     = help: did you mean `Toy`?
    ");
}
