//! `msvc run`: from sources to running services, and their end in every way there is.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::support::Sandbox;
use crate::support::system::{Running, SERVICE, becomes_free, workspace};

#[test]
fn run_builds_starts_tells_addresses_shows_logs_and_stops_cleanly() {
    let sandbox = Sandbox::new();
    let (grpc, admin) = workspace(&sandbox, SERVICE);
    let mut running = Running::start(&sandbox, &["run"]);
    running.wait_for("hint: in another terminal, `msvc call alpha`");
    let path = sandbox.path().join(".msvc/run.json");
    let text = std::fs::read_to_string(&path).expect("the state file");
    let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(state["version"], 1);
    assert_eq!(state["pid"], running.pid());
    assert_eq!(state["registry"]["kind"], "consul");
    assert_eq!(state["services"][0]["name"], "alpha");
    let instance = &state["services"][0]["instances"][0];
    assert_eq!(instance["grpc"], format!("127.0.0.1:{grpc}"));
    assert_eq!(instance["admin"], format!("127.0.0.1:{admin}"));
    let status = sandbox.msvc(["status"]);
    let told = format!("`msvc run` (pid {}) runs alpha", running.pid());
    assert!(status.contains(&told), "{status}");

    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    for line in ["alpha | hello from alpha", "alpha | hello on stderr"] {
        assert!(running.seen.iter().any(|it| it == line), "{line}");
    }
    let last = running.seen.last().expect("it said something");
    assert_eq!(last, "     Stopped all services");
    assert!(!path.exists());
    assert!(becomes_free(grpc) && becomes_free(admin));
}

/// Connects to a service, which makes it crash, until nothing listens there any more.
fn crash(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("port {port} is still listened on");
}

#[test]
fn run_starts_a_service_again_that_crashed() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    let mut running = Running::start(&sandbox, &["--format", "json", "run"]);
    running.wait_for(r#""event":"running""#);
    crash(grpc);
    let ended = running.wait_for(r#""event":"exited""#);
    assert!(ended.contains("exit status: 7"), "{ended}");
    running.wait_for("starting `alpha` again in 1 s");
    running.wait_for(r#""event":"ready""#);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

#[test]
fn run_without_restarts_fails_when_a_service_ends() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    let mut running = Running::start(&sandbox, &["run", "--no-restart"]);
    running.wait_for("hint: ");
    crash(grpc);
    running.wait_for("error: `alpha` ended (exit status: 7)");
    assert_eq!(running.wait(), Some(1));
    assert!(!sandbox.path().join(".msvc/run.json").exists());
}

#[test]
fn run_shows_what_a_service_said_that_does_not_start() {
    let sandbox = Sandbox::new();
    workspace(
        &sandbox,
        "fn main() { eprintln!(\"no database\"); std::process::exit(3) }",
    );
    let mut running = Running::start(&sandbox, &["run", "-q"]);
    assert_eq!(running.wait(), Some(1));
    insta::assert_snapshot!(running.seen.join("\n"), @r"
    warning: `alpha` ended (exit status: 3)
    error: `alpha` ended before it was ready (exit status: 3); it said last:
      no database
    ");
}

#[test]
fn run_shows_the_compilers_errors_even_when_quiet() {
    for args in [&["run"][..], &["run", "-q"]] {
        let sandbox = Sandbox::new();
        workspace(&sandbox, "fn main() { let x: u8 = \"a\"; }");
        let output = sandbox.msvc(args);
        assert!(output.starts_with("exit: 1\n--- stderr ---\n"), "{output}");
        assert!(
            output.contains("error[E0308]: mismatched types"),
            "{output}"
        );
        assert!(
            output.contains("error: the build failed (exit status: 101)"),
            "{output}"
        );
    }
}

#[test]
fn run_names_what_has_a_port_before_anything_is_built() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    let _taken = TcpListener::bind(("127.0.0.1", grpc)).expect("a free port");
    let output = sandbox.msvc(["run"]);
    let expected = format!("exit: 1\n--- stderr ---\nerror: port {grpc} of `alpha` is taken");
    assert!(output.starts_with(&expected), "{output}");
    if cfg!(target_os = "linux") {
        assert!(
            output.contains(&format!("(pid {})", std::process::id())),
            "{output}"
        );
    }
    assert!(
        output.ends_with(
            "hint: stop what has it, or change `port` of `[services.alpha]` in `msvc.toml`\n"
        ),
        "{output}"
    );
    assert!(!sandbox.path().join("target").exists());
}

#[test]
fn run_refuses_an_unknown_service_with_a_suggestion() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    insta::assert_snapshot!(sandbox.msvc(["run", "alhpa"]), @r"
    exit: 2
    --- stderr ---
    error: the workspace has no service `alhpa`
    hint: did you mean `alpha`?
    ");
}

#[test]
fn run_refuses_a_second_run_and_ignores_the_file_of_a_dead_one() {
    let sandbox = Sandbox::new();
    let (grpc, admin) = workspace(&sandbox, SERVICE);
    let mut first = Running::start(&sandbox, &["run"]);
    first.wait_for("hint: ");
    let expected = format!(
        "exit: 1\n--- stderr ---\nerror: this workspace runs already (pid {})\n\
         hint: stop it with Ctrl-C where it runs\n",
        first.pid()
    );
    assert_eq!(sandbox.msvc(["run"]), expected);

    // Killed, it can tidy nothing up; still no process of it stays.
    first.signal(Signal::KILL);
    assert_eq!(first.wait(), None);
    assert!(becomes_free(grpc) && becomes_free(admin));
    assert!(sandbox.path().join(".msvc/run.json").exists());
    let mut second = Running::start(&sandbox, &["run"]);
    second.wait_for("hint: ");
    second.signal(Signal::HUP);
    assert_eq!(second.wait(), Some(0), "{:#?}", second.seen);
}

/// A service that ignores SIGTERM and that standard input ends.
const STUBBORN: &str = r#"
use std::io::{Read, Write};
use std::net::TcpListener;

unsafe extern "C" {
    fn signal(signal: i32, handler: usize) -> usize;
}

fn main() {
    const SIGTERM: i32 = 15;
    const IGNORE: usize = 1;
    unsafe { signal(SIGTERM, IGNORE) };
    let port = std::env::var("APP_ADMIN__PORT").expect("is set");
    let admin = TcpListener::bind(format!("127.0.0.1:{port}")).expect("is free");
    for stream in admin.incoming() {
        let mut stream = stream.expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
"#;

#[test]
fn a_second_ctrl_c_ends_services_that_do_not_stop() {
    let sandbox = Sandbox::new();
    let (_, admin) = workspace(&sandbox, STUBBORN);
    let mut running = Running::start(&sandbox, &["run"]);
    running.wait_for("hint: ");
    running.signal(Signal::INT);
    running.wait_for("Stopping calls in flight have 35 s; Ctrl-C again ends them");
    running.signal(Signal::INT);
    running.wait_for("warning: ending all at once");
    assert_eq!(running.wait(), Some(130), "{:#?}", running.seen);
    assert!(becomes_free(admin));
}

#[test]
fn a_signal_during_the_build_ends_cargo_and_all_it_started() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    // A build script that goes on for as long as nobody ends it.
    let script = format!(
        "fn main() {{ let _listener = std::net::TcpListener::bind((\"127.0.0.1\", {grpc})); \
         std::thread::sleep(std::time::Duration::from_secs(600)); }}"
    );
    std::fs::write(sandbox.path().join("services/alpha/build.rs"), script).expect("a file");
    let mut running = Running::start(&sandbox, &["run"]);
    while TcpStream::connect(("127.0.0.1", grpc)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(130), "{:#?}", running.seen);
    assert_eq!(
        running.seen.last().map(String::as_str),
        Some("error: interrupted")
    );
    assert!(becomes_free(grpc));
}

#[test]
fn replicas_have_ports_of_their_own_and_are_all_registered() {
    let sandbox = Sandbox::new();
    let (grpc, _) = workspace(&sandbox, SERVICE);
    let mut running = Running::start(
        &sandbox,
        &["--format", "json", "run", "--replicas", "alpha=3"],
    );
    let mut ports = Vec::new();
    for _ in 0..3 {
        let ready = running.wait_for(r#""event":"ready""#);
        let ready: serde_json::Value = serde_json::from_str(&ready).expect("JSON");
        ports.push((
            ready["instance"].as_str().expect("a name").to_owned(),
            ready["grpc"].as_str().expect("an address").to_owned(),
        ));
    }
    running.wait_for(r#""event":"running""#);
    ports.sort();
    let names: Vec<&str> = ports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["alpha", "alpha-2", "alpha-3"]);
    assert_eq!(ports[0].1, format!("127.0.0.1:{grpc}"));
    let mut addresses: Vec<&str> = ports.iter().map(|(_, address)| address.as_str()).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), 3);
    running.signal(Signal::TERM);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

#[test]
fn what_a_crashed_service_left_behind_neither_hides_its_end_nor_stays() {
    let sandbox = Sandbox::new();
    let leaving = SERVICE.replace(
        "std::process::exit(7);",
        "let child = std::process::Command::new(\"sleep\").arg(\"600\").spawn(); \
         println!(\"child {}\", child.expect(\"starts\").id()); std::process::exit(7);",
    );
    let (grpc, _) = workspace(&sandbox, &leaving);
    let mut running = Running::start(&sandbox, &["run", "--no-restart"]);
    running.wait_for("hint: ");
    crash(grpc);
    let line = running.wait_for("alpha | child ");
    running.wait_for("error: `alpha` ended (exit status: 7)");
    assert_eq!(running.wait(), Some(1));
    let pid = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
    let pid = pid
        .and_then(rustix::process::Pid::from_raw)
        .expect("a process");
    // It may be a zombie until init has seen to it, but it runs no more.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    assert!(
        stat.is_err() || stat.is_ok_and(|it| it.contains(") Z ")),
        "it is alive"
    );
}

#[test]
fn run_gives_up_on_a_service_that_is_never_ready() {
    let sandbox = Sandbox::new();
    workspace(
        &sandbox,
        "fn main() { println!(\"waiting for a database\"); loop { std::thread::park() } }",
    );
    let mut running = Running::start(&sandbox, &["run", "-q", "--ready-timeout", "1s"]);
    assert_eq!(running.wait(), Some(1));
    insta::assert_snapshot!(running.seen.join("\n"), @r"
    error: `alpha` was not ready within 1s; it said last:
      waiting for a database
    hint: `--ready-timeout` gives it longer
    ");
}

#[test]
fn the_error_that_ends_a_stream_of_json_is_one_line_of_it() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, "fn main() { std::process::exit(3) }");
    let mut running = Running::start(&sandbox, &["--format", "json", "run"]);
    assert_eq!(running.wait(), Some(1));
    let errors = running.seen.iter().filter_map(|line| {
        let document: serde_json::Value = serde_json::from_str(line).ok()?;
        document["error"]["message"].as_str().map(str::to_owned)
    });
    let expected = "`alpha` ended before it was ready (exit status: 3); it said nothing";
    assert_eq!(errors.collect::<Vec<_>>(), [expected]);
}

#[test]
fn run_refuses_a_port_that_the_manifest_gives_twice() {
    let sandbox = Sandbox::new();
    let (grpc, admin) = workspace(&sandbox, SERVICE);
    let path = sandbox.path().join("msvc.toml");
    let manifest = std::fs::read_to_string(&path).expect("readable");
    let manifest = manifest.replace(&admin.to_string(), &grpc.to_string());
    std::fs::write(&path, manifest).expect("writable");
    let expected = format!(
        "exit: 1\n--- stderr ---\n\
         error: `services.alpha.port` and `services.alpha.admin-port` of `msvc.toml` are both {grpc}\n\
         hint: give one of them another port\n"
    );
    assert_eq!(sandbox.msvc(["run"]), expected);
}

/// Answers one request with this, and returns the address to ask.
fn answering(response: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(response);
    });
    address.to_string()
}

#[test]
fn run_uses_the_consul_of_the_environment_only_when_it_answers_as_one() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let run = |address: &str| {
        let mut command = sandbox.command(["run", "-q"]);
        command.env("CONSUL_HTTP_ADDR", address);
        let output = sandbox.render(command.output().expect("msvc starts"));
        output.replace(address, "[ADDRESS]")
    };
    let without_leader =
        answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n\"\"");
    insta::assert_snapshot!(run(&without_leader), @r"
    exit: 3
    --- stderr ---
    error: the Consul agent at http://[ADDRESS] does not answer as one
      caused by: its cluster has no leader
    hint: start it, or unset CONSUL_HTTP_ADDR to use the registry built into `msvc`
    ");
    let something_else =
        answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope");
    insta::assert_snapshot!(run(&something_else), @r"
    exit: 3
    --- stderr ---
    error: the Consul agent at http://[ADDRESS] does not answer as one
      caused by: 404 Not Found nope
    hint: start it, or unset CONSUL_HTTP_ADDR to use the registry built into `msvc`
    ");
    insta::assert_snapshot!(run("https://consul.example:8501"), @r"
    exit: 2
    --- stderr ---
    error: CONSUL_HTTP_ADDR is `[ADDRESS]`: only `http://` is supported
    ");
}

#[test]
fn run_without_cargo_says_what_to_install() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let mut command = sandbox.command(["run"]);
    command.env("CARGO", "/nowhere/cargo");
    insta::assert_snapshot!(sandbox.render(command.output().expect("msvc starts")), @r"
    exit: 1
    --- stderr ---
    error: failed to start `/nowhere/cargo`
      caused by: No such file or directory (os error 2)
    hint: install Rust from https://rustup.rs, or set CARGO to where cargo is; `msvc doctor` shows what else is missing
    ");
}

/// The workspace's registry is etcd from now on.
fn choose_etcd(sandbox: &Sandbox) {
    let path = sandbox.path().join("msvc.toml");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    std::fs::write(&path, text + "\n[registry]\nkind = \"etcd\"\n").expect("writable");
}

#[test]
fn run_says_when_the_etcd_that_is_named_cannot_be_used() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    choose_etcd(&sandbox);
    // Nobody can listen on port 0, and services do not speak TLS with etcd.
    let mut command = sandbox.command(["run"]);
    command.env("ETCDCTL_ENDPOINTS", "127.0.0.1:0,https://localhost:0");
    let output = sandbox.render(command.output().expect("msvc starts"));
    let expected = "\
error: the etcd that ETCDCTL_ENDPOINTS names does not answer as one
  caused by: http://127.0.0.1:0: Connection refused (os error 111); https://localhost:0: only `http://` is supported
hint: start it, or unset ETCDCTL_ENDPOINTS to use the registry built into `msvc`
";
    assert!(output.starts_with("exit: 3\n"), "{output}");
    assert!(output.ends_with(expected), "{output}");
}

/// Answers like an etcd that is asked for its health, as often as it is asked.
fn healthy_etcd() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 1024]);
            let body = r#"{"health":"true","reason":""}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}", body.len());
            let _ = write!(stream, "{head}\r\n\r\n{body}");
        }
    });
    address
}

#[test]
fn run_hands_the_endpoints_of_etcd_to_the_services() {
    let sandbox = Sandbox::new();
    let source = SERVICE.replace(
        "println!(",
        "println!(\"etcd at {}\", std::env::var(\"ETCDCTL_ENDPOINTS\").expect(\"is set\"));\n    println!(",
    );
    workspace(&sandbox, &source);
    choose_etcd(&sandbox);
    let endpoints = healthy_etcd().to_string();
    let mut command = sandbox.command(["run"]);
    command.env("ETCDCTL_ENDPOINTS", &endpoints);
    let mut running = Running::of(command);
    running.wait_for(&format!(
        "Using etcd at http://{endpoints} (ETCDCTL_ENDPOINTS)"
    ));
    running.wait_for(&format!("alpha | etcd at {endpoints}"));
    running.wait_for("hint: in another terminal, `msvc call alpha`");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

#[test]
fn run_brings_an_etcd_along_for_a_workspace_that_registers_with_one() {
    let sandbox = Sandbox::new();
    let source = SERVICE.replace(
        "println!(",
        "println!(\"{:?}\", [\"APP_REGISTRY__KIND\", \"APP_REGISTRY__ETCD__ENDPOINTS\"].map(std::env::var));\n    println!(",
    );
    workspace(&sandbox, &source);
    choose_etcd(&sandbox);
    let mut running = Running::start(&sandbox, &["run"]);
    let line = running.wait_for("(etcd's API, built in, in memory");
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    let address = url
        .expect("its URL")
        .trim_start_matches("http://")
        .to_owned();
    running.wait_for(&format!(
        r#"alpha | [Ok("etcd"), Ok("[\"http://{address}\"]")]"#
    ));
    running.wait_for("hint: in another terminal, `msvc call alpha`");
    let state = std::fs::read_to_string(sandbox.path().join(".msvc/run.json")).expect("a file");
    assert!(state.contains(r#""kind": "etcd""#), "{state}");
    let mut stream = TcpStream::connect(&address).expect("it is served");
    {
        use std::io::{Read, Write};
        stream
            .write_all(b"GET /health HTTP/1.0\r\n\r\n")
            .expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with(r#"{"health":"true"}"#), "{answer}");
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

/// A service that tells where it is to send traces.
fn telling() -> String {
    SERVICE.replace(
        "println!(",
        "println!(\"traces {:?}\", std::env::var(\"OTEL_EXPORTER_OTLP_ENDPOINT\"));\n    println!(",
    )
}

#[test]
fn run_collects_traces_which_trace_finds_by_itself() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, &telling());
    let mut running = Running::start(&sandbox, &["run"]);
    let line = running.wait_for("(OTLP, built in, in memory; `msvc trace list` shows them)");
    let mut words = line.split_whitespace();
    let url = words
        .find(|word| word.starts_with("http://"))
        .expect("its URL");
    running.wait_for(&format!("alpha | traces Ok(\"{url}\")"));
    running.wait_for("hint: in another terminal, `msvc call alpha`");
    let span = r#"{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"0000000000000001","name":"work","startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000001000000"}"#;
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(
        stream,
        "POST /v1/traces HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with(r#"{"partialSuccess":{}}"#), "{answer}");
    let shown = sandbox.msvc(["trace", "show"]);
    assert!(shown.contains("OTLPResourceNoServiceName  work"), "{shown}");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
}

#[test]
fn run_collects_no_traces_where_the_environment_says_where_they_go() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, &telling());
    let mut command = sandbox.command(["run", "-v"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317");
    let mut running = Running::of(command);
    running.wait_for("traces go where OTEL_EXPORTER_OTLP_ENDPOINT says");
    running.wait_for("alpha | traces Ok(\"http://otel:4317\")");
    running.wait_for("hint: in another terminal, `msvc call alpha`");
    running.signal(Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    let seen = running.seen.join("\n");
    assert!(!seen.contains("OTLP, built in"), "{seen}");
}

/// A service that says much, and that is ready when it has said some of it.
const TALKATIVE: &str = r#"
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    std::thread::spawn(|| loop {
        println!("{}", "so much to say ".repeat(100));
    });
    let port = std::env::var("APP_ADMIN__PORT").expect("is set");
    let admin = TcpListener::bind(format!("127.0.0.1:{port}")).expect("is free");
    for stream in admin.incoming() {
        let mut stream = stream.expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
"#;

/// Starts `msvc run` with its stdout in a pipe that nobody reads yet.
fn unread(sandbox: &Sandbox) -> (std::process::Child, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = sandbox.command(["run"]);
    command.stdout(writer).stderr(std::process::Stdio::null());
    let child = command.spawn().expect("msvc starts");
    (child, reader)
}

/// Waits until something runs, and returns the address of its registry.
fn registry_of(sandbox: &Sandbox) -> String {
    for _ in 0..1200 {
        let text = std::fs::read_to_string(sandbox.path().join(".msvc/run.json"));
        if let Ok(text) = text {
            let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let address = state["registry"]["address"].as_str().expect("a registry");
            return address.trim_start_matches("http://").to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it does not run");
}

fn signal(child: &std::process::Child, signal: Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal)
        .expect("it runs");
}

#[test]
fn a_reader_that_stalls_holds_up_neither_the_registry_nor_the_end() {
    let sandbox = Sandbox::new();
    let (_, admin) = workspace(&sandbox, TALKATIVE);
    let (mut child, reader) = unread(&sandbox);
    let registry = registry_of(&sandbox);
    // Long after the pipe is full, the registry answers.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let mut stream = TcpStream::connect(registry).expect("it listens");
    let patience = Some(std::time::Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a socket");
    stream
        .write_all(b"GET /v1/status/leader HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");

    signal(&child, Signal::INT);
    assert!(becomes_free(admin), "its services end");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().expect("it was started").code(), Some(130));
    drop(reader);
}

#[test]
fn a_reader_that_goes_away_ends_all_gently() {
    let sandbox = Sandbox::new();
    let (_, admin) = workspace(&sandbox, TALKATIVE);
    let (mut child, mut reader) = unread(&sandbox);
    registry_of(&sandbox);
    reader.read_exact(&mut [0; 1024]).expect("lines");
    drop(reader);
    assert_eq!(child.wait().expect("it was started").code(), Some(0));
    assert!(becomes_free(admin));
}

#[test]
fn a_wait_for_another_cargo_is_told() {
    let sandbox = Sandbox::new();
    workspace(&sandbox, SERVICE);
    let cargo = sandbox.path().join("cargo");
    let script = "#!/bin/sh\necho '    Blocking waiting for file lock on build directory' >&2\n\
                  echo '   Compiling alpha v0.1.0' >&2\nexit 3\n";
    std::fs::write(&cargo, script).expect("writable");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, executable).expect("writable");
    let mut command = sandbox.command(["run"]);
    command.env("CARGO", &cargo);
    insta::assert_snapshot!(sandbox.render(command.output().expect("msvc starts")), @r"
    exit: 1
    --- stderr ---
        Blocking waiting for file lock on build directory
    error: the build failed (exit status: 3)
    ");
}
