//! What `new` makes, built and run for real: formatted, clippy-clean, its own tests pass; it is run,
//! called (by `msvc call` and by an independent client) and load-tested.
//!
//! All workspaces share one target folder, so that dependencies are built once: the folder that
//! `MSVC_GENERATED_TARGET` names, else `target/generated`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use msvc::proto::sources::Sources;

use crate::support::random_protos::random_protos;
use crate::support::{Sandbox, fixtures, skip, wire};

/// Longer than any build takes.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// The right to build below the shared target folder, for as long as this is kept: the crates of two
/// workspaces have the same names, so one would take the place of the other's while that runs.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/generated");
    std::env::var_os("MSVC_GENERATED_TARGET").map_or_else(default, PathBuf::from)
}

fn example(name: &str) -> String {
    format!("{}/proto-examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn succeed(sandbox: &Sandbox, args: &[&str]) {
    let output = sandbox.msvc(args);
    assert!(output.starts_with("exit: 0"), "{args:?}: {output}");
}

pub fn cargo(sandbox: &Sandbox, args: &[&str]) {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(sandbox.path());
    command.env("CARGO_TARGET_DIR", target());
    let output = command.output().expect("cargo starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "cargo {args:?}\n{stderr}\n{stdout}"
    );
    assert!(!stderr.contains("warning:"), "cargo {args:?}\n{stderr}");
}

/// Checks what `which` names with clippy, for which no warning is small enough to pass.
pub fn clippy(sandbox: &Sandbox, which: &[&str]) {
    let args = [&["clippy", "--quiet"], which, &["--", "-D", "warnings"]].concat();
    cargo(sandbox, &args);
}

/// One after the other: they share a target folder, and two builds at a time gain nothing.
#[test]
fn what_is_generated_builds_is_clean_and_serves() {
    let _alone = alone();
    hard_protos_build_and_pass_their_tests();
    names_that_collide_with_code_build();
    what_is_added_builds_and_is_clean();
    a_starter_is_run_called_and_benched();
    a_feature_is_turned_on_by_the_line_that_the_error_names();
}

fn hard_protos_build_and_pass_their_tests() {
    let sandbox = Sandbox::new();
    let (corner, order, chat) = (example("corner"), example("order"), example("chat"));
    succeed(
        &sandbox,
        &[
            "new",
            "corner-service",
            "-I",
            &format!("{corner}/proto"),
            "--proto",
            &format!("{corner}/proto/corner/v1/corner.proto"),
            "--proto",
            &format!("{corner}/proto/unpackaged.proto"),
            "--proto",
            &format!("{corner}/proto/a/rather/deep/folder/of/packages/v1/transport.proto"),
            "--proto",
            &format!("{corner}/proto/a/rather/deep/folder/of/packages/v1beta1/transport.proto"),
        ],
    );
    succeed(
        &sandbox,
        &[
            "new",
            "order-service",
            "-I",
            &format!("{order}/proto"),
            "-I",
            &format!("{order}/shared"),
            "--proto",
            &format!("{order}/proto/order/v1/order.proto"),
        ],
    );
    succeed(
        &sandbox,
        &[
            "new",
            "chat-service",
            "-I",
            &format!("{chat}/proto"),
            "--proto",
            &format!("{chat}/proto/chat/v1/chat.proto"),
        ],
    );
    // Names that are long, short, or would shadow something.
    for name in [
        "user-service",
        "user-notification-service",
        "a",
        "status-service",
        "type-service",
    ] {
        succeed(&sandbox, &["new", name]);
    }
    cargo(&sandbox, &["fmt", "--all", "--check"]);
    clippy(&sandbox, &["--workspace", "--all-targets"]);
    cargo(&sandbox, &["test", "--quiet", "--workspace"]);
    succeed(&sandbox, &["proto", "gen", "--check"]);
}

/// Names that the starter's code, Rust or cargo use for something else.
fn names_that_collide_with_code_build() {
    let sandbox = Sandbox::new();
    for name in [
        "sync",
        "send",
        "state",
        "kind",
        "channel",
        "client",
        "name",
        "id",
        "change",
        "r",
        "gen-service",
        "self-service",
        "http-service",
        "setting",
        "violation",
        "api",
        "main",
        "default",
    ] {
        succeed(&sandbox, &["new", name]);
    }
    cargo(&sandbox, &["fmt", "--all", "--check"]);
    clippy(&sandbox, &["--workspace", "--all-targets"]);
}

/// Everything that can be added, in one workspace.
fn what_is_added_builds_and_is_clean() {
    let sandbox = Sandbox::new();
    let chat = example("chat");
    let include = format!("{chat}/proto");
    let proto = format!("{chat}/proto/chat/v1/chat.proto");
    for args in [
        &["new", "user-service"][..],
        &["add", "service", "order-service"],
        &[
            "add",
            "service",
            "chat-service",
            "-I",
            &include,
            "--proto",
            &proto,
        ],
        &["add", "client", "user-service", "--to", "order-service"],
        &["add", "client", "user-service", "--to", "chat-service"],
        &["add", "client", "order-service", "--to", "chat-service"],
        &["add", "database", "--to", "user-service"],
        &["add", "database", "--to", "order-service"],
        &["add", "database", "--to", "chat-service"],
        &["add", "queue", "order-created", "--to", "order-service"],
        &["add", "queue", "order-created", "--to", "user-service"],
        &[
            "add",
            "queue",
            "news",
            "--to",
            "chat-service",
            "--message",
            "user.v1.User",
        ],
        &["add", "saga", "place-order", "--to", "order-service"],
        &["add", "saga", "return-order", "--to", "order-service"],
        &["add", "saga", "type", "--to", "chat-service"],
        &["add", "gateway"],
        &["add", "method", "ChatService.Ping"],
        &["add", "method", "OrderService.Track", "--server-streaming"],
    ] {
        succeed(&sandbox, args);
    }
    cargo(&sandbox, &["fmt", "--all", "--check"]);
    clippy(&sandbox, &["--workspace", "--all-targets"]);
    cargo(&sandbox, &["test", "--quiet", "--workspace"]);
    succeed(&sandbox, &["proto", "gen", "--check"]);
}

/// Every name that protobuf allows and Rust does not, and many at random; what they became is compared
/// with what the descriptors say.
#[test]
fn hard_names_build_and_stay_on_the_wire() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    let folder = fixtures::folder("names");
    let mut args = vec!["new".to_owned(), "names-service".to_owned()];
    let mut include = |folder: &Path, names: Vec<String>| {
        args.extend(["-I".to_owned(), folder.display().to_string()]);
        let paths = names
            .iter()
            .map(|name| folder.join(name).display().to_string());
        args.extend(paths.flat_map(|path| ["--proto".to_owned(), path]));
    };
    let sources = Sources {
        folders: vec![folder.clone()],
        ..Sources::default()
    };
    include(&folder, sources.all_names().expect("readable"));
    let random = sandbox.path().join("../random");
    std::fs::create_dir(&random).expect("made");
    let files: BTreeMap<String, String> = (0..15)
        .flat_map(|seed| random_protos(1000 + seed, 4, &format!("r{seed}")))
        .collect();
    for (name, text) in &files {
        std::fs::write(random.join(name), text).expect("written");
    }
    include(&random, files.into_keys().collect());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    succeed(&sandbox, &args);
    wire::write_test(&sandbox.path().join("crates/protocol"));
    clippy(&sandbox, &["--workspace", "--all-targets"]);
    cargo(&sandbox, &["test", "--quiet", "--package", "protocol"]);
    succeed(&sandbox, &["proto", "gen", "--check"]);
}

/// That a bench found the process of a service that it was not told of, and what that took.
fn took_is_told_of(service: &str, bench: &str) {
    let (_, report) = bench.split_once("--- stdout ---\n").expect("a report");
    let report = report.split("\n--- stderr ---").next().unwrap_or(report);
    let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
    let server = &report["server"];
    let [process] = &server["processes"].as_array().expect("processes")[..] else {
        panic!("{server}");
    };
    let program = std::fs::read_link(format!("/proc/{process}/exe")).expect("it runs");
    assert!(program.ends_with(service), "{}", program.display());
    assert!(
        server["cpu_seconds_per_million_calls"].is_number(),
        "{server}"
    );
}

fn a_starter_is_run_called_and_benched() {
    let sandbox = Sandbox::new();
    // Ports of its own, away from those of a workspace that somebody runs here.
    succeed(&sandbox, &["new", "user-service", "--port", "52051"]);
    let mut running = Running::start(&sandbox);
    let address = "127.0.0.1:52051";

    let list = sandbox.msvc(["call", "user-service"]);
    assert!(
        list.contains("GetUser     (GetUserRequest) → GetUserResponse"),
        "{list}"
    );
    let get = [
        "call",
        "user-service",
        "user.v1.UserService/GetUser",
        "-d",
        r#"{"id": 1}"#,
    ];
    let got = sandbox.msvc(get);
    assert!(
        got.starts_with("exit: 0") && got.contains(r#""name": "Ada""#),
        "{got}"
    );
    insta::assert_snapshot!(sandbox.msvc(["call", "user-service", "GetUser", "-d", r#"{"id": 99}"#]), @r#"
    exit: 1
    --- stderr ---
    error: NOT_FOUND (5): user `99` not found
      detail google.rpc.ResourceInfo: {"resourceType":"user","resourceName":"99","description":"user `99` not found"}
    "#);
    insta::assert_snapshot!(sandbox.msvc(["call", "user-service", "CreateUser", "-d", r#"{"name": ""}"#]), @r"
    exit: 1
    --- stderr ---
    error: INVALID_ARGUMENT (3): name must not be empty
      field `name`: must not be empty
    ");
    let bench = sandbox.msvc([
        "bench",
        "user-service",
        "GetUser",
        "-d",
        r#"{"id": 1}"#,
        "--rate",
        "100",
        "--duration",
        "2s",
        "--format",
        "json",
    ]);
    assert!(bench.starts_with("exit: 0"), "{bench}");
    assert!(bench.contains("\"OK\""), "{bench}");
    if cfg!(target_os = "linux") {
        took_is_told_of("user-service", &bench);
    }
    independent_client(address);

    running.interrupt();
    let code = running.child.wait().expect("msvc ends").code();
    assert_eq!(code, Some(0), "{}", running.output());
    assert!(
        running.output().contains("Stopped all services"),
        "{}",
        running.output()
    );
    assert!(!sandbox.path().join(".msvc/run.json").exists());
    std::net::TcpListener::bind(address).expect("the service has gone");
}

fn a_feature_is_turned_on_by_the_line_that_the_error_names() {
    let sandbox = Sandbox::new();
    succeed(&sandbox, &["new", "user-service", "--port", "52061"]);
    insta::assert_snapshot!(sandbox.msvc(["cert"]), @r#"
    exit: 0
    --- stderr ---
         Created certs/ca.pem, the authority
         Created certs/user-service.pem, spiffe://dev/user-service
    hint: services are built without TLS: add "tls" to `default` under [features] in crates/chassis/Cargo.toml
    "#);
    let service = || {
        cargo(&sandbox, &["build", "--quiet"]);
        let mut command = Command::new(target().join("debug/user-service"));
        let certificate = |end: &str| sandbox.path().join(format!("certs/user-service.{end}"));
        command
            .current_dir(sandbox.path().join("services/user-service"))
            .env("APP_REGISTRY__KIND", "static")
            .env("APP_SERVER__TLS__ENABLED", "true")
            .env("APP_SERVER__TLS__CERT", certificate("pem"))
            .env("APP_SERVER__TLS__KEY", certificate("key"))
            .stdin(Stdio::null());
        command
    };
    let refused = service().output().expect("the service starts");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{told}");
    let line = "`server.tls.enabled` asks for TLS, which this build is without: add \"tls\" to \
                `default` under [features] in crates/chassis/Cargo.toml";
    assert!(told.contains(line), "{told}");

    let manifest = sandbox.path().join("crates/chassis/Cargo.toml");
    let text = std::fs::read_to_string(&manifest).expect("there");
    let all = text.replace(
        "default = []",
        r#"default = ["auth", "http", "secrets", "tls"]"#,
    );
    std::fs::write(&manifest, all).expect("written");
    let mut child = service().stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let log: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.contains("listening"))
        .collect();
    let ca = sandbox.path().join("certs/ca.pem");
    let ca = ca.to_str().expect("UTF-8");
    let url = "https://localhost:52061";
    let got = sandbox.msvc(["call", url, "GetUser", "-d", r#"{"id": 1}"#, "--ca", ca]);
    let _ = child.kill();
    let _ = child.wait();
    assert!(got.starts_with("exit: 0"), "{got}\n{log:?}");
    assert!(!sandbox.msvc(["cert", "--force"]).contains("hint:"));
}

#[test]
fn a_service_that_registers_with_etcd_runs_and_is_traced_with_nothing_installed() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    let new = [
        "new",
        "user-service",
        "--registry",
        "etcd",
        "--port",
        "52151",
    ];
    succeed(&sandbox, &new);
    let mut running = Running::start(&sandbox);
    let get = ["call", "user-service", "GetUser", "-d", r#"{"id": 1}"#];
    let got = sandbox.msvc(get);
    assert!(got.contains(r#""name": "Ada""#), "{got}");
    let output = running.output();
    assert!(
        output.contains("registry=etcd at http://127.0.0.1:"),
        "{output}"
    );
    // Spans are sent in batches.
    let traced = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let list = sandbox.msvc(["trace", "list", "--service", "user-service"]);
        list.contains("user-service  user.v1.UserService/GetUser")
    });
    assert!(traced, "{}", running.output());
    running.interrupt();
    let code = running.child.wait().expect("msvc ends").code();
    assert_eq!(code, Some(0), "{}", running.output());
}

/// Python's grpcio calls the service: by the health service that it serves, and by its own method
/// with messages encoded by hand.
fn independent_client(address: &str) {
    let python = |args: &[&str]| Command::new("python3").args(args).output();
    let has_grpc = python(&["-c", "import grpc"]).is_ok_and(|it| it.status.success());
    if !has_grpc {
        skip("python3 has no grpcio (`pip install grpcio`)");
        return;
    }
    const SCRIPT: &str = r#"
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
call = lambda path: channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
health = call("/grpc.health.v1.Health/Check")(b"", timeout=10)
assert health == b"\x08\x01", health
# GetUserRequest { id: 1 }; the answer holds the name of the first sample.
user, details = call("/user.v1.UserService/GetUser").with_call(b"\x08\x01", timeout=10)
assert b"Ada" in user, user
stream = channel.unary_stream("/user.v1.UserService/WatchUsers", request_serializer=bytes, response_deserializer=bytes)
watch = stream(b"", timeout=30)
watch.initial_metadata()
call("/user.v1.UserService/CreateUser")(b"\x0a\x05Barab", timeout=10)
assert b"Barab" in next(watch)
watch.cancel()
try:
    call("/user.v1.UserService/GetUser")(b"\x08\x63", timeout=10)
    raise SystemExit("an unknown id was found")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert "grpc-status-details-bin" in dict(error.trailing_metadata()), error
print("ok")
"#;
    let output = python(&["-c", SCRIPT, address]).expect("python3 starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n", "{stderr}");
}

/// `msvc run` in a sandbox; it is killed when this is dropped.
pub struct Running {
    pub child: Child,
    lines: mpsc::Receiver<String>,
    seen: std::cell::RefCell<String>,
}

impl Running {
    /// Starts it and waits until all services are ready.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, &[])
    }

    /// The same with these variables.
    pub fn start_with(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Self {
        let mut command = sandbox.command(["run"]);
        command.envs(variables.iter().copied());
        command.env("CARGO_TARGET_DIR", target());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("msvc starts");
        let (sender, lines) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|it| Box::new(it) as _),
            child.stderr.take().map(|it| Box::new(it) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        let running = Self {
            child,
            lines,
            seen: Default::default(),
        };
        while !running.seen.borrow().contains("lists what can be called") {
            let line = running.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("not ready: {}", running.seen.borrow()));
            running.seen.borrow_mut().push_str(&(line + "\n"));
        }
        running
    }

    pub fn interrupt(&mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Everything that was printed so far.
    pub fn output(&self) -> String {
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
            self.seen.borrow_mut().push_str(&(line + "\n"));
        }
        self.seen.borrow().clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
