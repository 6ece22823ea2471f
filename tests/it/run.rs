//! `msvc run`: from sources to running services, and their end in every way there is.

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
