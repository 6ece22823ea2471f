//! What talks to an engine, when that is slow, refuses, stands still or dies.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::proxy::{Proxy, Script};
use super::site::Site;
use crate::support::Sandbox;
use crate::support::system::Running;

#[test]
fn a_container_that_ends_shows_what_it_said() {
    let Some(site) = Site::new() else { return };
    // The image of another, which does not understand what it is told.
    site.edit(
        "[infra.ports]",
        "[infra.images]\nredis = \"msvc-ci/small\"\n[infra.ports]",
    );
    let output = site.msvc(&["up", "redis"]);
    insta::assert_snapshot!(output, @r#"
    exit: 1
    --- stderr ---
          Engine Docker at [HOST], which answers
    warning: `redis` is not healthy
    error: `redis` ended before it was healthy (exit code 1); it said last:
      nats-server: unrecognized command: "redis-server"
    hint: `msvc logs redis` has all it said; `msvc up` tries again
    "#);
}

#[test]
fn a_resource_that_does_not_answer_is_given_up_at_the_deadline() {
    let Some(site) = Site::new() else { return };
    // It runs, and speaks another protocol.
    site.edit(
        "[infra.ports]",
        "[infra.images]\njaeger = \"msvc-ci/small\"\n[infra.ports]",
    );
    let output = site.msvc(&["up", "jaeger", "--wait", "2s", "--auto-ports"]);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    assert!(
        output.contains("`jaeger` was not healthy within 2s: "),
        "{output}"
    );
    assert!(output.contains("; it said last:\n"), "{output}");
    assert!(output.contains("Server is ready"), "{output}");
    assert!(
        output.contains("hint: `msvc logs jaeger` says how far it is"),
        "{output}"
    );
}

#[test]
fn an_engine_that_stands_still_is_told_of() {
    let Some(site) = Site::new() else { return };
    let mut proxy = Proxy::start(&site.host, Script::PassOn);
    let mut command = site.command(&["up", "postgres"]);
    command.env("DOCKER_HOST", proxy.address());
    let mut running = Running::of(command);
    let name = format!("name={}-postgres", site.id());
    while site
        .docker(&["ps", "--quiet", "--filter", &name])
        .is_empty()
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    proxy.freeze();
    // What is waited for needs no engine.
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);

    let mut command = site.command(&["status"]);
    command.env("DOCKER_HOST", proxy.address());
    let output = site.sandbox.render(command.output().expect("msvc starts"));
    let expected = "(DOCKER_HOST): no answer in time";
    assert!(output.starts_with("exit: 3\n"), "{output}");
    assert!(output.contains(expected), "{output}");

    let frozen_later = Proxy::start(&site.host, Script::FreezeAt("/containers/create"));
    site.msvc(&["down", "--volumes", "--yes"]);
    let mut command = site.command(&["up", "redis", "--wait", "2s"]);
    command.env("DOCKER_HOST", frozen_later.address());
    let output = site.steady(&site.sandbox.render(command.output().expect("msvc starts")));
    insta::assert_snapshot!(output.replace(frozen_later.address(), "[PROXY]"), @r"
    exit: 3
    --- stderr ---
          Engine Docker at [PROXY], which answers
    warning: `redis` is not healthy
    error: the Docker engine does not answer any more: failed to make and start `redis`
      caused by: no answer in time
    hint: what was made is labelled: `msvc up` goes on from there once the engine answers
    ");
}

#[test]
fn an_engine_that_dies_in_the_middle_leaves_what_the_next_up_mends() {
    let Some(site) = Site::new() else { return };
    let proxy = Proxy::start(&site.host, Script::CloseAt("/start"));
    let mut command = site.command(&["up", "redis", "nats"]);
    command.env("DOCKER_HOST", proxy.address());
    let output = site.sandbox.render(command.output().expect("msvc starts"));
    assert!(output.starts_with("exit: 3\n"), "{output}");
    assert!(output.contains("does not answer any more"), "{output}");
    assert!(
        output.contains("hint: what was made is labelled"),
        "{output}"
    );
    let up = site.json(&["up", "redis", "nats"]);
    assert_eq!(up["resources"][0]["deed"], "created", "{up}");
    assert_eq!(up["resources"][1]["deed"], "created", "{up}");
    site.clear();
}

#[test]
fn a_port_that_a_start_of_before_still_holds_is_waited_for() {
    let Some(site) = Site::new() else { return };
    let proxy = Proxy::start(&site.host, Script::CloseAt("/start"));
    let mut command = site.command(&["up", "redis"]);
    command.env("DOCKER_HOST", proxy.address());
    let output = site.sandbox.render(command.output().expect("msvc starts"));
    assert!(output.starts_with("exit: 3\n"), "{output}");
    let manifest = std::fs::read_to_string(site.sandbox.path().join("msvc.toml"));
    let manifest = manifest.expect("there");
    let port = manifest.lines().find_map(|it| it.strip_prefix("redis = "));
    let port: u16 = port.and_then(|it| it.parse().ok()).expect("a port");
    // An engine opens the ports of a container before it says that it runs.
    let held = TcpListener::bind(("127.0.0.1", port)).expect("nobody has it yet");
    let mut running = Running::of(site.command(&["up", "redis"]));
    running.wait_for("Engine ");
    std::thread::sleep(Duration::from_secs(2));
    drop(held);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    site.clear();
}

#[test]
fn a_full_disk_is_told_as_such_and_leaves_nothing() {
    let Some(site) = Site::new() else { return };
    let message = r#"{"message":"error creating overlay mount: no space left on device"}"#;
    let proxy = Proxy::start(
        &site.host,
        Script::Answer("/containers/create", 500, message),
    );
    let mut command = site.command(&["up", "redis"]);
    command.env("DOCKER_HOST", proxy.address());
    let output = site.steady(&site.sandbox.render(command.output().expect("msvc starts")));
    insta::assert_snapshot!(output.replace(proxy.address(), "[PROXY]"), @r"
    exit: 1
    --- stderr ---
          Engine Docker at [PROXY], which answers
    warning: `redis` is not healthy
    error: the Docker engine's disk is full: failed to make the container `[ID]-redis`: error creating overlay mount: no space left on device
    hint: `docker system df` says what takes the space, `docker system prune` frees some
    ");
    site.clear();
}

#[test]
fn a_real_engine_that_is_stopped_and_goes_on_loses_nothing() {
    let Some(site) = Site::new() else { return };
    let pid_file = site
        .host
        .replace("unix://", "")
        .replace("docker.sock", "docker.pid");
    let pid = std::fs::read_to_string(&pid_file).expect("the engine's process id");
    let pid = pid
        .trim()
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process");
    let mut running = Running::of(site.command(&["up", "redis", "nats", "etcd"]));
    running.wait_for("Engine ");
    kill_process(pid, Signal::STOP).expect("it runs");
    std::thread::sleep(Duration::from_millis(1500));
    kill_process(pid, Signal::CONT).expect("it is there");
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    site.clear();
}

#[test]
fn without_an_engine_it_is_said_where_one_was_looked_for() {
    let sandbox = Sandbox::new();
    let manifest = "[workspace]\nname = \"shop\"\ntemplate-version = \"0.1.0\"\n";
    std::fs::write(sandbox.path().join("msvc.toml"), manifest).expect("writable");
    let mut command = sandbox.command(["up", "--engine", "docker"]);
    command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    insta::assert_snapshot!(sandbox.render(command.output().expect("msvc starts")), @r"
    exit: 3
    --- stderr ---
    error: no Docker engine answers at unix:///nowhere/docker.sock (DOCKER_HOST): there is no such socket
    hint: start Docker, or set DOCKER_HOST to where it is; `--engine embedded` does without
    ");
    // Nothing was begun, so nothing is missed.
    for command in ["logs", "restart"] {
        let mut command = sandbox.command([command]);
        command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let told = sandbox.render(command.output().expect("msvc starts"));
        let nothing = "exit: 0\n--- stderr ---\nnothing runs\n";
        assert!(told.starts_with(nothing), "{told}");
    }
    let mut command = sandbox.command(["up", "--engine", "docker"]);
    command.env("DOCKER_CONTEXT", "remote");
    insta::assert_snapshot!(sandbox.render(command.output().expect("msvc starts")), @r"
    exit: 1
    --- stderr ---
    error: the docker context `remote` does not exist
    hint: `docker context ls` has those that are there; `docker context use default` goes back
    ");
    let mut command = sandbox.command(["up", "redis"]);
    command.env("DOCKER_HOST", "ssh://engine");
    insta::assert_snapshot!(sandbox.render(command.output().expect("msvc starts")), @r"
    exit: 1
    --- stderr ---
          Engine embedded, for no Docker engine answers at ssh://engine (DOCKER_HOST): `ssh://` is not supported: forward its socket with `ssh -L`
    error: the embedded engine has no redis
    hint: it needs Docker: `msvc doctor` says whether an engine answers
    ");
}
