//! `msvc up` where no Docker engine answers: what is built in.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Sandbox;
use crate::support::engine::ScriptedEngine;
use crate::support::ports::free_port;
use crate::support::system::{Running, SERVICE, becomes_free, workspace};
use crate::support::terminal;

/// A workspace whose Consul and Jaeger are on these ports, and `msvc` in it without an engine.
struct Site {
    sandbox: Sandbox,
    port: u16,
    traces: u16,
}

impl Site {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        workspace(&sandbox, SERVICE);
        let [port, traces, otlp, otlp_http] = [(); 4].map(|()| free_port());
        let path = sandbox.path().join("msvc.toml");
        let text = fs::read_to_string(&path).expect("there");
        let infra = format!(
            "\n[infra.ports]\nconsul = {port}\njaeger = {traces}\notlp = {otlp}\notlp-http = {otlp_http}\n"
        );
        fs::write(path, text + &infra).expect("writable");
        Self {
            sandbox,
            port,
            traces,
        }
    }

    fn msvc(&self, args: &[&str]) -> String {
        self.msvc_with("unix:///nowhere", args)
    }

    fn msvc_with(&self, docker: &str, args: &[&str]) -> String {
        let mut command = self.sandbox.command(args);
        command.env("DOCKER_HOST", docker);
        let text = self.sandbox.render(command.output().expect("msvc starts"));
        let text = text.replace(&self.port.to_string(), "[PORT]");
        let text = text.replace(&self.traces.to_string(), "[TRACES]");
        let lines = text.lines().map(|line| {
            // How long it took differs.
            let end = line
                .find("(created in ")
                .or_else(|| line.find("(embedded, "));
            end.map_or(line, |end| &line[..end]).trim_end()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Site {
    /// What is noted of what runs.
    fn note(&self) -> serde_json::Value {
        let path = self.sandbox.path().join(".msvc/infra.json");
        serde_json::from_slice(&fs::read(path).expect("written")).expect("JSON")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.msvc(&["down", "-q"]);
    }
}

#[test]
fn without_an_engine_the_registry_that_is_built_in_is_started_once() {
    let site = Site::new();
    insta::assert_snapshot!(site.msvc(&["logs"]), @r"
    exit: 0
    --- stderr ---
    nothing runs
    hint: `msvc up` starts what the services need
    ");
    insta::assert_snapshot!(site.msvc(&["logs", "-f", "redis"]), @r"
    exit: 1
    --- stderr ---
    error: `redis` is not there
    hint: `msvc up redis` starts it; `msvc status` says what there is
    ");
    insta::assert_snapshot!(site.msvc(&["restart"]), @r"
    exit: 0
    --- stderr ---
    nothing runs
    ");
    insta::assert_snapshot!(site.msvc(&["up"]), @r"
    exit: 0
    --- stderr ---
          Engine embedded, for no Docker engine answers at unix:///nowhere (DOCKER_HOST): there is no such socket
         Healthy consul     http://127.0.0.1:[PORT]
         Healthy jaeger     http://127.0.0.1:[TRACES]
              Up all healthy
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    insta::assert_snapshot!(site.msvc(&["up", "consul", "--engine", "embedded"]), @r"
    exit: 0
    --- stderr ---
         Healthy consul     http://127.0.0.1:[PORT]  (unchanged)
              Up all healthy already, nothing changed
    ");
    insta::assert_snapshot!(site.msvc(&["status"]), @r"
    exit: 0
    --- stdout ---
    resource    health     url                     from
    consul      healthy    http://127.0.0.1:[PORT]  built in
    jaeger      healthy    http://127.0.0.1:[TRACES]  built in
    ");
    insta::assert_snapshot!(site.msvc(&["logs"]), @r"
    exit: 0
    --- stdout ---
      consul |      Healthy consul     http://127.0.0.1:[PORT]
      jaeger |      Healthy jaeger     http://127.0.0.1:[TRACES]
    ");
    insta::assert_snapshot!(site.msvc(&["logs", "jaeger"]), @r"
    exit: 0
    --- stdout ---
    jaeger |      Healthy jaeger     http://127.0.0.1:[TRACES]
    ");
    insta::assert_snapshot!(site.msvc(&["logs", "redis"]), @r"
    exit: 1
    --- stderr ---
    error: `redis` is not there
    hint: `msvc up redis` starts it; `msvc status` says what there is
    ");
    insta::assert_snapshot!(site.msvc(&["restart"]), @r"
    exit: 1
    --- stderr ---
    error: what is built in cannot be restarted by itself
    hint: `msvc down`, then `msvc up`
    ");

    let mut command = site.sandbox.command(["run"]);
    command.env("DOCKER_HOST", "unix:///nowhere");
    let mut running = Running::of(command);
    let using = format!(
        "Using Consul at http://127.0.0.1:{} (started by `msvc up`)",
        site.port
    );
    running.wait_for(&using);
    running.wait_for("hint: in another terminal");
    let follow = || Running::of(site.sandbox.command(["logs", "--follow"]));
    let mut stopped = follow();
    stopped.wait_for("jaeger |      Healthy");
    stopped.signal(Signal::INT);
    assert_eq!(stopped.wait(), Some(0), "{:#?}", stopped.seen);
    let mut following = follow();
    following.wait_for("jaeger |      Healthy");
    let down = site.msvc(&["down"]);
    let down = down.replace(&format!("pid {}", running.pid()), "pid [PID]");
    insta::assert_snapshot!(down, @r"
    exit: 0
    --- stderr ---
    warning: the services of `msvc run` (pid [PID]) find each other in consul, which stops: `msvc up consul` brings it back
         Stopped the embedded engine
            Down nothing runs
    ");
    // There is no more to come.
    following.wait_for("embedded |      Stopped the embedded engine");
    assert_eq!(following.wait(), Some(0), "{:#?}", following.seen);
    drop(running);
    assert!(becomes_free(site.port));
    insta::assert_snapshot!(site.msvc(&["status"]), @r"
    exit: 0
    --- stderr ---
    nothing runs
    hint: `msvc up` starts what the services need
    ");
}

#[test]
fn what_was_begun_is_not_forgotten_where_its_engine_is_away() {
    let site = Site::new();
    let folder = site.sandbox.path().join(".msvc");
    fs::create_dir_all(&folder).expect("writable");
    // As an `up` leaves it that was broken off before all was there.
    let note = folder.join("infra.changing");
    fs::write(&note, "").expect("writable");
    for command in ["status", "logs", "restart", "down"] {
        let told = site.msvc(&[command]);
        assert!(told.starts_with("exit: 3"), "{command}: {told}");
        assert!(told.contains("no Docker engine answers"), "{told}");
        // None of them has a flag to choose an engine.
        assert!(!told.contains("--engine"), "{command}: {told}");
    }
    fs::remove_file(note).expect("there");
    let down = site.msvc(&["down"]);
    assert!(down.contains("Down nothing runs"), "{down}");
}

#[test]
fn a_killed_engine_is_not_taken_for_one_that_runs() {
    let site = Site::new();
    let up = site.msvc(&["up", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let path = site.sandbox.path().join(".msvc/infra.json");
    let pid = site.note()["pid"]
        .as_i64()
        .and_then(|it| i32::try_from(it).ok());
    let pid = pid.and_then(Pid::from_raw).expect("a process");
    kill_process(pid, Signal::KILL).expect("it runs");
    assert!(becomes_free(site.port));
    assert!(path.exists());
    let told = site.msvc(&["status"]);
    assert!(told.contains("nothing runs"), "{told}");
    let up = site.msvc(&["up"]);
    assert!(
        up.contains("Healthy consul     http://127.0.0.1:[PORT]"),
        "{up}"
    );
}

#[test]
fn a_taken_port_is_told_with_its_holder_and_the_services_are_told_the_other() {
    let site = Site::new();
    let taken = TcpListener::bind(("127.0.0.1", site.port)).expect("it is free");
    let up = site.msvc(&["up", "consul"]);
    let ports = site.note()["resources"]["consul"].clone();
    let other = ports["consul"].as_u64().expect("a port").to_string();
    let pid = std::process::id().to_string();
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).expect("this process");
    let steady = |text: String| {
        let text = text
            .replace(&other, "[OTHER]")
            .replace(name.trim(), "[TEST]");
        text.replace(&format!("pid {pid}"), "pid [PID]")
    };
    let warning = "warning: port [PORT] (consul) of `consul` is taken by [TEST] (pid [PID]): \
                   it has [OTHER], and `msvc run` tells the services\n";
    let up = steady(up);
    assert!(up.contains(warning), "{up}");
    insta::assert_snapshot!(up.replace(warning, ""), @r"
    exit: 0
    --- stderr ---
          Engine embedded, for no Docker engine answers at unix:///nowhere (DOCKER_HOST): there is no such socket
         Healthy consul     http://127.0.0.1:[OTHER]
              Up all healthy
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    let again = site.msvc(&["up", "consul"]);
    assert!(!again.contains("warning"), "{again}");
    let call = site.msvc(&["call", "nobody"]);
    assert!(call.contains(&other), "{call}");

    let mut command = site.sandbox.command(["run"]);
    command.env("DOCKER_HOST", "unix:///nowhere");
    let mut running = Running::of(command);
    running.wait_for(&format!(
        "Using Consul at http://127.0.0.1:{other} (started by `msvc up`)"
    ));
    running.wait_for("hint: in another terminal");
    drop(running);
    site.msvc(&["down", "-q"]);
    // Who asks for another is not told that there is one.
    let asked = site.msvc(&["up", "consul", "--auto-ports"]);
    assert!(!asked.contains("warning"), "{asked}");
    drop(taken);
}

#[test]
fn what_is_not_built_in_is_refused_where_it_was_asked_for() {
    let site = Site::new();
    insta::assert_snapshot!(site.msvc(&["up", "postgres", "--engine", "embedded"]), @r"
    exit: 1
    --- stderr ---
    error: the embedded engine has no postgres
    hint: it needs Docker: `msvc doctor` says whether an engine answers
    ");
}

#[test]
fn a_docker_that_came_back_does_not_take_the_place_of_what_runs() {
    let site = Site::new();
    let up = site.msvc(&["up", "consul", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let note = site.note();
    let pid = format!("pid {}", note["pid"]);
    let engine = ScriptedEngine::on("127.0.0.1");
    let msvc = |args: &[&str]| {
        let text = site.msvc_with(&engine.address, args);
        text.replace(&engine.address, "[DOCKER]")
            .replace(&pid, "pid [PID]")
    };
    insta::assert_snapshot!(msvc(&["up", "consul"]), @r"
    exit: 0
    --- stderr ---
          Engine embedded, which runs
         Healthy consul     http://127.0.0.1:[PORT]  (unchanged)
              Up all healthy already, nothing changed
    ");
    insta::assert_snapshot!(msvc(&["up", "postgres"]), @r"
    exit: 1
    --- stderr ---
    error: the embedded engine runs (pid [PID]), and Docker would take its place
    hint: `msvc down` ends it, with what it keeps in memory; `msvc up --engine embedded` stays with it
    ");
    insta::assert_snapshot!(msvc(&["up", "consul", "--engine", "docker"]), @r"
    exit: 1
    --- stderr ---
          Engine Docker at [DOCKER]
    error: the embedded engine runs (pid [PID]), and Docker would take its place
    hint: `msvc down` ends it, with what it keeps in memory; `msvc up --engine embedded` stays with it
    ");
    assert_eq!(
        msvc(&["up", "consul", "--engine", "docker", "--dry-run"]),
        msvc(&["up", "consul", "--engine", "docker"])
    );
    assert_eq!(site.note(), note);
    insta::assert_snapshot!(site.msvc(&["down"]), @r"
    exit: 0
    --- stderr ---
         Stopped the embedded engine
            Down nothing runs
    ");
    assert!(becomes_free(site.port));
}

#[test]
fn what_is_built_in_takes_no_more_while_it_runs() {
    let site = Site::new();
    let up = site.msvc(&["up", "consul", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let note = site.note();
    let more = ["up", "jaeger", "--engine", "embedded"];
    insta::assert_snapshot!(site.msvc(&more), @r"
    exit: 1
    --- stderr ---
    error: the embedded engine runs with consul, and takes no jaeger besides
    hint: `msvc down` ends it, with what it keeps in memory; then `msvc up consul jaeger` starts all
    ");
    let planned = [more.as_slice(), &["--dry-run"]].concat();
    assert_eq!(site.msvc(&planned), site.msvc(&more));
    assert_eq!(site.note(), note);
}

#[test]
fn what_is_built_in_stops_as_a_whole() {
    let site = Site::new();
    let up = site.msvc(&["up", "consul", "jaeger", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let note = site.note();
    insta::assert_snapshot!(site.msvc(&["down", "jaeger"]), @r"
    exit: 1
    --- stderr ---
    error: what is built in stops as a whole, and consul would stop too
    hint: `msvc down` stops all of it
    ");
    insta::assert_snapshot!(site.msvc(&["down", "postgres"]), @r"
    exit: 0
    --- stderr ---
            Down nothing runs
    ");
    assert_eq!(site.note(), note);
    insta::assert_snapshot!(site.msvc(&["down", "jaeger", "consul"]), @r"
    exit: 0
    --- stderr ---
         Stopped the embedded engine
            Down nothing runs
    ");
    assert!(becomes_free(site.port));
    assert!(!site.sandbox.path().join(".msvc/infra.json").exists());
}

#[test]
fn data_is_not_removed_where_nobody_can_be_asked() {
    let site = Site::new();
    let up = site.msvc(&["up", "consul", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let note = site.note();
    let engine = ScriptedEngine::on("127.0.0.1");
    insta::assert_snapshot!(site.msvc_with(&engine.address, &["down", "--volumes"]), @r"
    exit: 2
    --- stderr ---
    error: the data of redis would be lost, and nobody can be asked
    hint: `--yes` removes it unasked; `msvc down` without `--volumes` keeps it
    ");
    assert_eq!(engine.removed(), 0);
    // What runs is not stopped before the answer either.
    assert_eq!(site.note(), note);
    let told = site.msvc_with(&engine.address, &["down", "--volumes", "--yes", "-q"]);
    assert_eq!(told, "exit: 0");
    assert_eq!(engine.removed(), 1);
    assert!(becomes_free(site.port));
}

#[test]
fn data_is_removed_only_where_a_person_says_so() {
    let site = Site::new();
    let up = site.msvc(&["up", "consul", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let note = site.note();
    let engine = ScriptedEngine::on("127.0.0.1");
    let press = |key: &'static str| {
        let mut command = site.sandbox.command(["down", "--volumes"]);
        command.env("DOCKER_HOST", &engine.address);
        terminal::answer(&command, "Remove the data of redis?", || key)
    };
    for no in ["n", "\r"] {
        let Some((code, shown)) = press(no) else {
            return;
        };
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains("nothing was removed"), "{shown}");
        assert_eq!(engine.removed(), 0);
        assert_eq!(site.note(), note);
    }
    let (code, shown) = press("y").expect("as before");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("the data of redis"), "{shown}");
    assert_eq!(engine.removed(), 1);
    assert!(becomes_free(site.port));
}

/// A trace of one span, as JSON of OTLP.
const TRACE: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name",
    "value":{"stringValue":"orders"}}]},"scopeSpans":[{"spans":[{"traceId":
    "5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"kept","kind":2,
    "startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000"}]}]}]}"#;

impl Site {
    /// One that keeps traces.
    fn keeping() -> Self {
        let site = Self::new();
        let path = site.sandbox.path().join("msvc.toml");
        let text = fs::read_to_string(&path).expect("there");
        let text = text.replace(
            "[infra.ports]",
            "[infra]\nkeep-traces = true\n\n[infra.ports]",
        );
        fs::write(&path, text).expect("writable");
        site
    }

    /// Sends the trace; the body of the answer.
    fn send(&self) -> String {
        let port = self.note()["resources"]["jaeger"]["otlp-http"].clone();
        let port = port.as_u64().and_then(|it| u16::try_from(it).ok());
        let mut stream =
            TcpStream::connect(("127.0.0.1", port.expect("a port"))).expect("it listens");
        let request = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{TRACE}",
            TRACE.len()
        );
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        answer
    }
}

#[test]
fn traces_that_cannot_be_kept_are_taken_all_the_same_and_that_is_told_once() {
    let site = Site::keeping();
    let up = site.msvc(&["up", "jaeger", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    let folder = site.sandbox.path().join(".msvc/traces");
    fs::remove_dir_all(&folder).expect("there");
    fs::write(&folder, "in the way").expect("writable");
    let warning = "the spans are kept in memory alone: Not a directory";
    let answer = site.send();
    assert!(answer.contains(warning), "{answer}");
    let answer = site.send();
    assert!(!answer.contains(warning), "{answer}");
    let show = || site.msvc(&["trace", "show", "5b8efff798038103d269b633813fc60c"]);
    assert!(show().contains("orders"), "{}", show());
    fs::remove_file(&folder).expect("there");
    site.send();
    let mut following = Running::of(site.sandbox.command(["logs", "-f", "jaeger"]));
    following.wait_for("on disk again");
    following.signal(Signal::INT);
    assert_eq!(following.wait(), Some(0));
    insta::assert_snapshot!(site.msvc(&["logs", "jaeger", "--tail", "2"]), @r"
    exit: 0
    --- stdout ---
    jaeger | warning: `jaeger` has new traces in memory alone: failed to write to `[SANDBOX]/.msvc/traces`: Not a directory (os error 20)
    jaeger |      Keeping new traces of `jaeger` on disk again
    ");
    assert!(site.msvc(&["down", "-q"]).starts_with("exit: 0"));
    let up = site.msvc(&["up", "jaeger", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    assert!(show().contains("orders"), "{}", show());
}

#[test]
fn traces_that_are_kept_are_there_again_until_their_data_is_removed() {
    let site = Site::keeping();
    let up = || {
        let up = site.msvc(&["up", "jaeger", "-q"]);
        assert!(up.starts_with("exit: 0"), "{up}");
    };
    let show = || site.msvc(&["trace", "show", "5b8efff798038103d269b633813fc60c"]);
    up();
    site.send();
    let before = show();
    assert!(
        before.contains("orders") && before.contains("kept"),
        "{before}"
    );

    assert!(site.msvc(&["down", "-q"]).starts_with("exit: 0"));
    up();
    assert_eq!(show(), before);
    insta::assert_snapshot!(site.msvc(&["down", "--volumes"]), @r"
    exit: 2
    --- stderr ---
    error: the data of jaeger would be lost, and nobody can be asked
    hint: `--yes` removes it unasked; `msvc down` without `--volumes` keeps it
    ");
    assert_eq!(show(), before);
    let down = site.msvc(&["down", "--volumes", "--yes"]);
    insta::assert_snapshot!(down, @r"
    exit: 0
    --- stderr ---
         Stopped the embedded engine
            Down nothing runs
         Removed the data of jaeger
    ");
    up();
    assert!(show().starts_with("exit: 1"), "{}", show());
}

#[test]
fn who_takes_an_engine_elsewhere_is_told_that_its_ports_are_open() {
    let site = Site::new();
    // A name of this machine that is not the usual one.
    let engine = ScriptedEngine::on("127.0.0.2");
    let told = site.msvc_with(&engine.address, &["up", "redis", "--dry-run"]);
    insta::assert_snapshot!(told.replace(&engine.address, "[DOCKER]"), @r"
    exit: 0
    --- stdout ---
    create the network
    create redis from redis:7.4.3-alpine
    --- stderr ---
          Engine Docker at [DOCKER], which answers
    warning: the ports are published on all addresses of `127.0.0.2`, and what listens there has no password or a known one: it is open to everybody who reaches `127.0.0.2`
    ");
    let here = ScriptedEngine::on("127.0.0.1");
    let told = site.msvc_with(&here.address, &["up", "redis", "--dry-run"]);
    assert!(!told.contains("warning"), "{told}");
}
