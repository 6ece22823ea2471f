//! `msvc run` and the workspace that it runs: what it tells of it, what comes to it meanwhile, what of it is
//! built.

use std::fs;

use rustix::process::Signal;

use crate::support::Sandbox;
use crate::support::ports::free_port;
use crate::support::system::{Running, SERVICE, workspace};

fn write(sandbox: &Sandbox, path: &str, text: &str) {
    let path = sandbox.path().join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, text).expect("written");
}

#[test]
fn run_tells_where_traces_are_and_of_a_service_that_came_meanwhile() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let add = |name: &str| {
        let path = sandbox.path().join("msvc.toml");
        let text = fs::read_to_string(&path).expect("there");
        let text = format!("{text}\n[services.{name}]\nport = {}\n", free_port());
        fs::write(path, text).expect("written");
    };
    let mut running = Running::start(&sandbox, &["run"]);
    let told = running.wait_for("Traces http://");
    assert!(told.contains("`msvc trace list` shows them"), "{told}");
    let state = running.wait_for("  traces    http://127.0.0.1:");
    let url = state.rsplit(' ').next().expect("a URL").to_owned();
    running.wait_for("hint: in another terminal");
    let list = sandbox.msvc(["trace", "list"]);
    assert!(list.contains(&format!("at {url};")), "{list}");
    add("beta");
    running.wait_for(
        "hint: beta was added to the workspace: Ctrl-C here, then `msvc run` runs it too",
    );
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);

    let mut running = Running::start(&sandbox, &["--format", "json", "run", "alpha"]);
    let event = running.wait_for(r#""event":"running""#);
    let event: serde_json::Value = serde_json::from_str(&event).expect("JSON");
    let traces = event["traces"].as_str().expect("a URL");
    assert!(traces.starts_with("http://127.0.0.1:"), "{event}");
    add("gamma");
    running.wait_for(
        "hint: gamma was added to the workspace: Ctrl-C here, then `msvc run alpha gamma` runs it too",
    );
    running.wait_for(r#"{"event":"added","services":["gamma"]}"#);
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

#[test]
fn run_shows_a_call_through_the_gateway_that_it_knows() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    let write = |path: &str, text: &str| write(&sandbox, path, text);
    write("proto/shop/v1/shop.proto", SHOP);
    let generated = sandbox.msvc(["proto", "gen"]);
    assert!(generated.starts_with("exit: 0"), "{generated}");
    let gateway = "[[app.gateway.services]]\ntarget = \"shop\"\nnames = [\"shop.v1.*\"]\n";
    // What asks for a token is nothing to begin with.
    let guarded = "\n[server.auth]\nenabled = true\npublic = [\"shop.v1.Shop/Open\"]\n";
    for (configuration, call) in [
        (
            gateway.to_owned(),
            format!("curl http://127.0.0.1:{grpc}/v1/shops/1:look"),
        ),
        (
            format!("{gateway}{guarded}"),
            format!("curl -d '{{\"id\":\"id\"}}' http://127.0.0.1:{grpc}/v1/shops"),
        ),
    ] {
        write("services/alpha/config/default.toml", &configuration);
        let mut running = Running::start(&sandbox, &["run"]);
        let hint = running.wait_for("hint: in another terminal");
        assert!(
            hint.contains(&format!("`{call}` calls through the gateway")),
            "{hint}"
        );
        running.signal(Signal::INT);
        assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    }
}

const SHOP: &str = r#"syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Shop {
  rpc Close(Request) returns (Request);
  rpc Open(Request) returns (Request) {
    option (google.api.http) = {post: "/v1/shops" body: "*"};
  }
  rpc Look(Request) returns (Request) {
    option (google.api.http) = {get: "/v1/{id=shops/*}:look"};
  }
}
message Request { string id = 1; }
"#;

#[test]
fn run_of_one_service_and_of_all_build_what_they_share_once() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let write = |path: &str, text: &str| write(&sandbox, path, text);
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
    };
    write(
        "services/shared/Cargo.toml",
        &(package("shared") + "\n[features]\nmore = []\n"),
    );
    write("services/shared/src/lib.rs", "");
    for (name, features) in [("alpha", ""), ("beta", ", features = [\"more\"]")] {
        let manifest = format!(
            "{}\n[dependencies]\nshared = {{ path = \"../shared\"{features} }}\n",
            package(name)
        );
        write(&format!("services/{name}/Cargo.toml"), &manifest);
        write(&format!("services/{name}/src/main.rs"), SERVICE);
    }
    let manifest = fs::read_to_string(sandbox.path().join("msvc.toml")).expect("there");
    let [port, admin] = [(); 2].map(|()| free_port());
    let beta = format!("\n[services.beta]\nport = {port}\nadmin-port = {admin}\n");
    write("msvc.toml", &(manifest + &beta));
    for args in [&["run", "alpha"][..], &["run"]] {
        let mut running = Running::start(&sandbox, args);
        running.wait_for("hint: in another terminal");
        running.signal(Signal::INT);
        assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    }
    let built = fs::read_dir(sandbox.path().join("target/debug/deps")).expect("built");
    let built = built.map(|it| it.expect("an entry").file_name());
    let built = built.map(|it| it.to_string_lossy().into_owned());
    let shared = built.filter(|it| it.starts_with("libshared-") && it.ends_with(".rlib"));
    assert_eq!(shared.count(), 1);
}

#[test]
fn run_tells_a_service_without_a_program_what_makes_one() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let source = sandbox.path().join("services/alpha/src");
    fs::rename(source.join("main.rs"), source.join("lib.rs")).expect("renamed");
    let output = sandbox.msvc(["run", "-q"]);
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stderr ---
    error: the crate `alpha` has no program of its name
    hint: `services/alpha/src/main.rs` makes one
    ");
}

#[test]
fn run_tells_what_cargo_said_of_a_program_that_begins_elsewhere() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let folder = sandbox.path().join("services/alpha");
    fs::remove_file(folder.join("src/main.rs")).expect("removed");
    write(
        &sandbox,
        "services/alpha/src/other.rs",
        "fn main() { missing() }",
    );
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("there");
    let manifest = manifest + "\n[[bin]]\nname = \"alpha\"\npath = \"src/other.rs\"\n";
    write(&sandbox, "services/alpha/Cargo.toml", &manifest);
    let output = sandbox.msvc(["run", "-q"]);
    assert!(output.contains("error: the build failed"), "{output}");
    assert!(
        output.contains("cannot find function `missing`"),
        "{output}"
    );
    assert!(!output.contains("has no program"), "{output}");
}
