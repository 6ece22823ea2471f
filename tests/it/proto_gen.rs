//! `msvc proto gen`: protos evolve, the user's code stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::Sandbox;

const API: &str = "services/user-service/src/api.rs";

/// A workspace whose proto has got one more method.
fn evolved() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let path = sandbox.path().join("proto/user/v1/user.proto");
    let proto = fs::read_to_string(&path).expect("there");
    let with_method = proto.replacen(
        "service UserService {",
        "service UserService {\n  rpc Ping(PingRequest) returns (PingResponse);",
        1,
    );
    let messages = "\nmessage PingRequest {}\n\nmessage PingResponse {}\n";
    fs::write(&path, with_method + messages).expect("written");
    sandbox
}

#[test]
fn a_new_method_gets_a_stub_and_every_other_byte_stays() {
    let sandbox = evolved();
    let before = fs::read_to_string(sandbox.path().join(API)).expect("there");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r"
    exit: 0
    --- stderr ---
           Wrote crates/protocol/src/descriptors.binpb
           Wrote crates/protocol/src/user/v1.rs
           Wrote services/user-service/src/api.rs
        Stub for user.v1.UserService/Ping
    ");
    let after = fs::read_to_string(sandbox.path().join(API)).expect("there");
    let stub = "
    async fn ping(
        &self,
        request: Request<protocol::user::v1::PingRequest>,
    ) -> Result<Response<protocol::user::v1::PingResponse>, Status> {
        let _request = request.into_inner();
        Err(Status::unimplemented(\"Ping is not implemented yet\"))
    }
";
    assert_eq!(after.replacen(stub, "", 1), before);
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen", "--check"]), @r"
    exit: 0
    --- stderr ---
           Fresh the generated code matches the protos
    ");
}

/// A trait of the user's own by the service's name is none of ours; a re-exported one may be.
#[test]
fn stubs_go_into_no_other_trait_and_an_unclear_one_is_told() {
    let sandbox = evolved();
    let domain = "pub trait UserService {\n    fn name(&self);\n}\n\n\
        impl UserService for () {\n    fn name(&self) {}\n}\n";
    let path = sandbox.path().join("services/user-service/src/domain.rs");
    fs::write(&path, domain).expect("written");
    let api = sandbox.path().join(API);
    let code = fs::read_to_string(&api).expect("there");
    let import = "use protocol::user::v1::user_service_server::UserService;";
    let moved = code.replacen(import, "use crate::grpc::UserService;", 1);
    assert_ne!(moved, code);
    fs::write(&api, &moved).expect("written");
    let output = sandbox.msvc(["proto", "gen"]);
    let line = moved
        .lines()
        .position(|line| line.contains("UserService for UserApi"));
    let line = line.expect("its block") + 1;
    let warning = format!(
        "warning: {API}:{line}: this may implement `user.v1.UserService`, but its trait comes by \
         way of another file, so it got no stubs; import it as \
         `protocol::user::v1::user_service_server::UserService`"
    );
    assert!(output.contains(&warning), "{output}");
    assert!(!output.contains("no `impl` block"), "{output}");
    assert_eq!(fs::read_to_string(&path).expect("there"), domain);
    assert_eq!(fs::read_to_string(&api).expect("there"), moved);
    fs::write(&api, &code).expect("written");
    let output = sandbox.msvc(["proto", "gen"]);
    assert!(!output.contains("warning"), "{output}");
    assert_eq!(fs::read_to_string(&path).expect("there"), domain);
}

#[test]
fn a_stale_workspace_fails_the_check_and_changes_nothing() {
    let sandbox = evolved();
    let before = fs::read_to_string(sandbox.path().join(API)).expect("there");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen", "--check"]), @r"
    exit: 1
    --- stderr ---
    error: 3 files do not match the protos:
      crates/protocol/src/descriptors.binpb
      crates/protocol/src/user/v1.rs
      services/user-service/src/api.rs
    hint: run `msvc proto gen` and commit what it changes
    ");
    assert_eq!(
        fs::read_to_string(sandbox.path().join(API)).expect("there"),
        before
    );
}

/// Every file with its time, but for what is not checked in.
fn times(folder: &Path, times: &mut BTreeMap<PathBuf, SystemTime>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let is_hidden = path
            .file_name()
            .is_some_and(|it| it.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !is_hidden {
            self::times(&path, times);
        } else if path.is_file() {
            let modified = fs::metadata(&path).and_then(|it| it.modified());
            times.insert(path, modified.expect("there"));
        }
    }
}

#[test]
fn an_unchanged_run_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let mut before = BTreeMap::new();
    times(&sandbox.path(), &mut before);
    // What the first remembers, the second knows.
    for _ in 0..2 {
        succeed_fresh(&sandbox);
        let output = sandbox.msvc(["proto", "gen"]);
        assert!(output.contains("Fresh"), "{output}");
        let mut after = BTreeMap::new();
        times(&sandbox.path(), &mut after);
        assert_eq!(after, before);
    }
}

/// Once a run has found nothing to do, the next compares a checksum of all that matters.
#[test]
fn whatever_changes_after_a_fresh_run_is_seen() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    sandbox.msvc(["proto", "gen"]);
    assert!(sandbox.path().join(".msvc/gen.stamp").is_file());
    let proto = "proto/user/v1/user.proto";
    for (path, from, to) in [
        (proto, "int64 id = 1;", "int64 id = 1; bool new = 9;"),
        (proto, "// One user.", "// One of them."),
        (
            "crates/protocol/src/user/v1.rs",
            "// @generated",
            "// @generated ",
        ),
        ("crates/protocol/src/lib.rs", "pub mod user;", ""),
        (API, "async fn delete_user(", "async fn remove_user("),
        (
            "msvc.toml",
            "[services",
            "[proto.gen]\nserde = true\n\n[services",
        ),
    ] {
        succeed_fresh(&sandbox);
        let path = sandbox.path().join(path);
        let before = fs::read_to_string(&path).expect("there");
        let changed = before.replacen(from, to, 1);
        assert_ne!(changed, before);
        fs::write(&path, changed).expect("written");
        let output = sandbox.msvc(["proto", "gen", "--check"]);
        assert!(output.starts_with("exit: 1"), "{from}: {output}");
        fs::write(&path, before).expect("written");
    }
    let removed = sandbox.path().join("crates/protocol/src/descriptors.binpb");
    fs::remove_file(removed).expect("removed");
    let output = sandbox.msvc(["proto", "gen", "--check"]);
    assert!(output.starts_with("exit: 1"), "{output}");
}

#[test]
fn a_method_that_went_is_reported_with_its_place_and_kept() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let path = sandbox.path().join("proto/user/v1/user.proto");
    let proto = fs::read_to_string(&path).expect("there");
    let without: String = proto
        .lines()
        .filter(|line| !line.contains("rpc DeleteUser"))
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&path, without).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r"
    exit: 0
    --- stderr ---
           Wrote crates/protocol/src/descriptors.binpb
           Wrote crates/protocol/src/user/v1.rs
    warning: services/user-service/src/api.rs:102:14: `delete_user` implements no method of `user.v1.UserService`, so this does not compile
         |
     102 |     async fn delete_user(
         |              ^^^^^^^^^^^
     = help: remove it, or move it to an `impl` block without a trait
    ");
    let code = fs::read_to_string(sandbox.path().join(API)).expect("there");
    assert!(code.contains("async fn delete_user"));
}

#[test]
fn a_method_that_changed_is_reported_as_seen_from_the_folder_one_is_in() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let path = sandbox.path().join("proto/user/v1/user.proto");
    let proto = fs::read_to_string(&path).expect("there");
    let changed = proto
        .replace(
            "rpc GetUser(GetUserRequest)",
            "rpc GetUser(stream GetUserRequest)",
        )
        .replace("(UpdateUserRequest)", "(CreateUserRequest)");
    fs::write(&path, changed).expect("written");
    let service = sandbox.path().join("services/user-service");
    let run = |args: &[&str]| {
        let output = sandbox.command(args).current_dir(&service).output();
        sandbox.render(output.expect("msvc starts"))
    };
    insta::assert_snapshot!(run(&["proto", "gen"]), @r"
    exit: 0
    --- stderr ---
           Wrote crates/protocol/src/descriptors.binpb
           Wrote crates/protocol/src/user/v1.rs
    warning: src/api.rs:46:26: `user.v1.UserService/GetUser` takes a stream, so this does not compile
        |
     46 |         request: Request<GetUserRequest>,
        |                          ^^^^^^^^^^^^^^
     = help: write `tonic::Streaming<GetUserRequest>` here
    warning: src/api.rs:69:26: `user.v1.UserService/UpdateUser` takes `CreateUserRequest` and not `UpdateUserRequest`, so this does not compile
        |
     69 |         request: Request<UpdateUserRequest>,
        |                          ^^^^^^^^^^^^^^^^^
     = help: write `CreateUserRequest` here
    ");
    // Now nothing is stale, but what is committed would not compile.
    insta::assert_snapshot!(run(&["proto", "gen", "--check"]), @r"
    exit: 1
    --- stderr ---
    error: src/api.rs:46:26: `user.v1.UserService/GetUser` takes a stream, so this does not compile
        |
     46 |         request: Request<GetUserRequest>,
        |                          ^^^^^^^^^^^^^^
     = help: write `tonic::Streaming<GetUserRequest>` here

    src/api.rs:69:26: `user.v1.UserService/UpdateUser` takes `CreateUserRequest` and not `UpdateUserRequest`, so this does not compile
        |
     69 |         request: Request<UpdateUserRequest>,
        |                          ^^^^^^^^^^^^^^^^^
     = help: write `CreateUserRequest` here
    ");
    let told = run(&["proto", "gen", "--check", "--format", "json"]);
    assert!(
        told.contains("\"places\"") && told.contains("\"line\": 69"),
        "{told}"
    );
    fs::write(
        &path,
        proto.replace("service UserService", "service AccountService"),
    )
    .expect("written");
    insta::assert_snapshot!(run(&["proto", "gen"]), @r"
    exit: 0
    --- stderr ---
           Wrote crates/protocol/src/descriptors.binpb
           Wrote crates/protocol/src/user/v1.rs
    warning: src/api.rs:43:25: no proto gives `protocol::user::v1::user_service_server::UserService`, so this does not compile
        |
     43 | impl<R: UserRepository> UserService for UserApi<R> {
        |                         ^^^^^^^^^^^
     = help: remove the block, and the service from `main.rs` and `serves` in `msvc.toml`
    warning: user-service: user.v1.UserService is in `serves`, but no proto defines it
    ");
    fs::write(&path, proto.replace("int64 id", "int46 id")).expect("written");
    insta::assert_snapshot!(run(&["proto", "gen"]), @r"
    exit: 1
    --- stderr ---
    error: ../../proto/user/v1/user.proto:29:3: name 'int46' is not defined
        |
     29 |   int46 id = 1;
        |   ^^^^^ found here
     = help: did you mean `int64`?

    ../../proto/user/v1/user.proto:43:3: name 'int46' is not defined
        |
     43 |   int46 id = 1;
        |   ^^^^^ found here
     = help: did you mean `int64`?

    ../../proto/user/v1/user.proto:83:3: name 'int46' is not defined
        |
     83 |   int46 id = 1;
        |   ^^^^^ found here
     = help: did you mean `int64`?
    ");
    fs::write(&path, &proto).expect("written");
    fs::write(service.join("src/api.rs"), "fn (").expect("written");
    insta::assert_snapshot!(run(&["proto", "gen"]), @r"
    exit: 1
    --- stderr ---
    error: src/api.rs:1:4: this is not valid Rust: cannot parse string into token stream
       |
     1 | fn (
       |    ^
     = help: mend it first: stubs are put into the `impl` blocks that are found by parsing it
    ");
}

/// With the protos not found, all generated code would count as left over.
#[test]
fn a_missing_root_is_named_and_nothing_changes() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let manifest = sandbox.path().join("msvc.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let mistyped = text.replacen("[\"proto\"]", "[\"proto\", \"protos\"]", 1);
    assert_ne!(mistyped, text);
    fs::write(&manifest, mistyped).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r"
    exit: 1
    --- stderr ---
    error: `roots` in `msvc.toml` has `protos`, which is not a folder
    hint: mend it in `[proto]`: protos and their imports are looked for in these folders
    ");
    let output = sandbox.msvc(["new", "order-service"]);
    assert!(
        output.contains("`protos`, which is not a folder"),
        "{output}"
    );
    fs::write(&manifest, text).expect("written");
    let output = sandbox.msvc(["proto", "gen", "--check"]);
    assert!(output.starts_with("exit: 0"), "{output}");
}

#[test]
fn a_service_that_no_proto_defines_is_told_and_fails_the_check() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let manifest = sandbox.path().join("msvc.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    let mistyped = text.replacen(
        "[\"user.v1.UserService\"]",
        "[\"user.v1.UserService\", \"user.v1.Users\"]",
        1,
    );
    fs::write(&manifest, mistyped).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r"
    exit: 0
    --- stderr ---
    warning: user-service: user.v1.Users is in `serves`, but no proto defines it
           Fresh the generated code matches the protos
    ");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen", "--check"]), @r"
    exit: 1
    --- stderr ---
    error: no proto defines what `serves` has: user-service: user.v1.Users
    hint: mend `serves` in `msvc.toml`, or add the proto that defines it
    ");
}

#[test]
fn outside_a_workspace_it_says_what_to_do() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]` is not inside a workspace: no `msvc.toml` here or above
    hint: go to a workspace's folder or name it with `--project DIR`; `msvc new user-service` makes one
    ");
}

#[test]
fn options_that_cannot_be_are_told_with_their_lines_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let manifest = sandbox.path().join("msvc.toml");
    let before = fs::read_to_string(&manifest).expect("there");
    let options = r##"
[proto.gen]
serde = true
boxed = ["user.v1.User.create_tim", "user.v1.User"]

[proto.gen.extern-paths]
"user.v1.Usr" = "::users::User"
"user.v1.GetUserRequest" = "GetUserRequest"

[proto.gen.type-attributes]
"user.v1.User" = "derive(Hash)"
"##;
    fs::write(&manifest, before.clone() + options).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r#"
    exit: 1
    --- stderr ---
    error: msvc.toml:19:10: no proto has `user.v1.User.create_tim`
        |
     19 | boxed = ["user.v1.User.create_tim", "user.v1.User"]
        |          ^^^^^^^^^^^^^^^^^^^^^^^^^
     = help: did you mean `user.v1.User.create_time`?

    msvc.toml:19:37: `user.v1.User` is a message
        |
     19 | boxed = ["user.v1.User.create_tim", "user.v1.User"]
        |                                     ^^^^^^^^^^^^^^
     = help: `boxed` takes fields that hold one message

    msvc.toml:22:1: no proto has `user.v1.Usr`
        |
     22 | "user.v1.Usr" = "::users::User"
        | ^^^^^^^^^^^^^
     = help: did you mean `user.v1.User`?

    msvc.toml:23:28: `GetUserRequest` is not the path of something in another crate, such as `::money::v1`
        |
     23 | "user.v1.GetUserRequest" = "GetUserRequest"
        |                            ^^^^^^^^^^^^^^^^

    msvc.toml:26:18: `derive(Hash)` is not an attribute: unexpected token
        |
     26 | "user.v1.User" = "derive(Hash)"
        |                  ^^^^^^^^^^^^^^
    "#);
    let options = "\n[proto.gen.extern-paths]\n\"user.v1.User\" = \"::users::v1::User\"\n";
    fs::write(&manifest, before.clone() + options).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r#"
    exit: 1
    --- stderr ---
    error: msvc.toml:18:18: `crates/protocol/Cargo.toml` has no crate `users`
        |
     18 | "user.v1.User" = "::users::v1::User"
        |                  ^^^^^^^^^^^^^^^^^^^
     = help: add it: `cargo add --package protocol users`
    "#);
    let options = "\n[proto.gen]\nserde = true\nbyte = [\".\"]\n";
    fs::write(&manifest, before.clone() + options).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r#"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]/msvc.toml` is not a valid manifest
      caused by: TOML parse error at line 19, column 1
       |
    19 | byte = ["."]
       | ^^^^
    unknown field `byte`, expected one of `serde`, `bytes`, `boxed`, `extern-paths`, `type-attributes`, `field-attributes`

    hint: did you mean `bytes`?
    "#);
    fs::write(&manifest, before).expect("written");
    succeed_fresh(&sandbox);
}

fn succeed_fresh(sandbox: &Sandbox) {
    assert_eq!(
        sandbox.msvc(["proto", "gen", "--check"]),
        "exit: 0\n--- stderr ---\n       Fresh the generated code matches the protos\n"
    );
}

/// What an editor or a script shows beside the lines.
#[test]
fn errors_are_told_to_programs_with_their_places() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let path = sandbox.path().join("proto/user/v1/user.proto");
    let proto = fs::read_to_string(&path).expect("there");
    fs::write(&path, proto.replacen("int64 id", "int46 id", 1)).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["--format", "json", "proto", "gen"]), @r#"
    exit: 1
    --- stdout ---
    {
      "error": {
        "message": "proto/user/v1/user.proto:29:3: name 'int46' is not defined\n    |\n 29 |   int46 id = 1;\n    |   ^^^^^ found here\n = help: did you mean `int64`?",
        "causes": [],
        "hint": null,
        "exit_code": 1,
        "places": [
          {
            "file": "proto/user/v1/user.proto",
            "line": 29,
            "column": 3,
            "message": "name 'int46' is not defined",
            "help": "did you mean `int64`?"
          }
        ]
      }
    }
    "#);
    let manifest = sandbox.path().join("msvc.toml");
    let text = fs::read_to_string(&manifest).expect("there");
    fs::write(&manifest, text.replace("\"consul\"", "\"consl\"")).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["--format", "json", "proto", "gen"]), @r#"
    exit: 1
    --- stdout ---
    {
      "error": {
        "message": "`[SANDBOX]/msvc.toml` is not a valid manifest",
        "causes": [
          "TOML parse error at line 8, column 8\n  |\n8 | kind = \"consl\" # consul, etcd or static\n  |        ^^^^^^^\nunknown variant `consl`, expected one of `consul`, `etcd`, `static`\n"
        ],
        "hint": "did you mean `consul`?",
        "exit_code": 1,
        "places": [
          {
            "file": "[SANDBOX]/msvc.toml",
            "line": 8,
            "column": 8,
            "message": "unknown variant `consl`, expected one of `consul`, `etcd`, `static`",
            "help": "did you mean `consul`?"
          }
        ]
      }
    }
    "#);
    insta::assert_snapshot!(sandbox.msvc(["proto", "gen"]), @r#"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]/msvc.toml` is not a valid manifest
      caused by: TOML parse error at line 8, column 8
      |
    8 | kind = "consl" # consul, etcd or static
      |        ^^^^^^^
    unknown variant `consl`, expected one of `consul`, `etcd`, `static`

    hint: did you mean `consul`?
    "#);
}
