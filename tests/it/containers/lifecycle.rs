//! From `up` to `down`, and everything that is done in between.

use std::net::TcpListener;

use rustix::process::Signal;

use super::site::Site;
use crate::support::ports::free_port;
use crate::support::system::Running;

#[test]
fn up_starts_all_and_a_second_up_changes_nothing() {
    let Some(site) = Site::new() else { return };
    let first = site.msvc(&["up", "consul", "etcd", "nats", "redis"]);
    insta::assert_snapshot!(first, @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
         Healthy consul     http://127.0.0.1:[consul]  (created in [N] s)
         Healthy etcd       http://127.0.0.1:[etcd]  (created in [N] s)
         Healthy nats       nats://127.0.0.1:[nats]  (created in [N] s)
         Healthy redis      redis://127.0.0.1:[redis]  (created in [N] s)
              Up all healthy (docker, [N] s)
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    let before = site.docker(&["ps", "--no-trunc", "--format", "{{.ID}}"]);
    let second = site.msvc(&["up", "consul", "etcd", "nats", "redis"]);
    insta::assert_snapshot!(second, @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
         Healthy consul     http://127.0.0.1:[consul]  (unchanged)
         Healthy etcd       http://127.0.0.1:[etcd]  (unchanged)
         Healthy nats       nats://127.0.0.1:[nats]  (unchanged)
         Healthy redis      redis://127.0.0.1:[redis]  (unchanged)
              Up all healthy already, nothing changed (docker, [N] s)
    ");
    assert_eq!(
        site.docker(&["ps", "--no-trunc", "--format", "{{.ID}}"]),
        before
    );
    insta::assert_snapshot!(site.msvc(&["status"]), @r"
    exit: 0
    --- stdout ---
    resource    health     url                      from
    consul      healthy    http://127.0.0.1:[consul]   hashicorp/consul:1.21.0
    etcd        healthy    http://127.0.0.1:[etcd]   quay.io/coreos/etcd:v3.5.21
    redis       healthy    redis://127.0.0.1:[redis]  redis:7.4.3-alpine
    nats        healthy    nats://127.0.0.1:[nats]   nats:2.11.3-alpine
    ");

    let said = site.msvc(&["logs", "nats", "redis"]);
    assert!(said.contains(" nats | "), "{said}");
    assert!(said.contains("redis | "), "{said}");
    assert!(said.contains("Server is ready"), "{said}");

    let mut following = Running::of(site.command(&["logs", "--follow", "nats", "redis"]));
    // Whichever is faster.
    let mut silent = vec![" nats | ", "redis | "];
    while !silent.is_empty() {
        let line = following.wait_for(" | ");
        silent.retain(|name| !line.contains(name));
    }
    site.docker(&["kill", "--signal", "HUP", &site.container("nats")]);
    following.wait_for("reload server configuration");
    following.signal(Signal::INT);
    assert_eq!(following.wait(), Some(0), "{:#?}", following.seen);

    let again = site.msvc(&["restart", "nats"]);
    assert_eq!(
        again,
        "exit: 0\n--- stderr ---\n     Healthy nats again, in [N] s"
    );

    // Data stays, and is there for the next.
    let down = site.msvc(&["down", "-q"]);
    assert_eq!(down, "exit: 0");
    let volumes = ["etcd", "nats", "redis"].map(|name| format!("{}-{name}", site.id()));
    assert_eq!(
        site.left(),
        ["".to_owned(), volumes.join("\n"), "".to_owned()]
    );
    site.clear();
}

#[test]
fn data_outlives_a_down_and_goes_with_its_volume() {
    let Some(site) = Site::new() else { return };
    let count = |site: &Site| {
        let id = site.container("redis");
        site.docker(&["exec", &id, "redis-cli", "incr", "visits"])
    };
    assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    assert_eq!(count(&site), "1");
    assert_eq!(site.msvc(&["down", "-q"]), "exit: 0");
    assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    assert_eq!(count(&site), "2");
    let gone = site.json(&["down", "--volumes", "--yes"]);
    assert_eq!(gone["removed_data"], serde_json::json!(["redis"]));
    assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    assert_eq!(count(&site), "1");
}

#[test]
fn a_changed_spec_replaces_that_container_alone_and_says_why() {
    let Some(site) = Site::new() else { return };
    assert!(
        site.msvc(&["up", "redis", "nats", "-q"])
            .starts_with("exit: 0")
    );
    let (redis, nats) = (site.container("redis"), site.container("nats"));
    let plan = "[infra]\n[infra.images]\nredis = \"msvc-ci/redis\"\n";
    site.docker(&["tag", "redis:7.4.3-alpine", "msvc-ci/redis"]);
    site.edit("[infra.ports]", &format!("{plan}[infra.ports]"));
    insta::assert_snapshot!(site.msvc(&["up", "redis", "nats", "--dry-run"]), @r"
    exit: 0
    --- stdout ---
    remove redis: changed image: redis:7.4.3-alpine → msvc-ci/redis:latest
    create redis from msvc-ci/redis:latest
    --- stderr ---
          Engine Docker at [HOST], which answers
    ");
    assert_eq!(site.container("redis"), redis);
    insta::assert_snapshot!(site.msvc(&["up", "redis", "nats"]), @r"
    exit: 0
    --- stderr ---
          Engine Docker at [HOST], which answers
       Replacing redis: changed image: redis:7.4.3-alpine → msvc-ci/redis:latest
         Healthy nats       nats://127.0.0.1:[nats]  (unchanged)
         Healthy redis      redis://127.0.0.1:[redis]  (replaced in [N] s)
              Up all healthy (docker, [N] s)
    hint: `msvc run` starts the services with it; `msvc status` says what runs, `msvc down` stops it
    ");
    assert_ne!(site.container("redis"), redis);
    assert_eq!(site.container("nats"), nats);
}

#[test]
fn what_was_killed_paused_or_removed_is_mended() {
    let Some(site) = Site::new() else { return };
    assert!(
        site.msvc(&["up", "redis", "nats", "-q"])
            .starts_with("exit: 0")
    );
    let redis = site.container("redis");
    for (harm, deed) in [
        (["kill", redis.as_str()], "started"),
        (["pause", redis.as_str()], "started"),
        (["rm", "--force"], "created"),
    ] {
        let harm = match harm {
            ["rm", _] => vec!["rm", "--force", redis.as_str()],
            other => other.to_vec(),
        };
        site.docker(&harm);
        let told = site.json(&["status"]);
        let all = told["resources"].as_array().expect("a list");
        let is_well = |it: &serde_json::Value| it["resource"] == "redis" && it["healthy"] == true;
        assert!(!all.iter().any(is_well), "{told}");
        let up = site.json(&["up", "redis", "nats"]);
        assert_eq!(up["resources"][0]["resource"], "redis");
        assert_eq!(up["resources"][0]["deed"], deed, "{up}");
        assert_eq!(up["resources"][1]["deed"], "unchanged", "{up}");
    }
    site.clear();
}

#[test]
fn a_taken_port_is_found_before_anything_starts() {
    let Some(site) = Site::new() else { return };
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    site.configure(&format!(
        "[infra.ports]\nredis = {port}\nnats = {}\n",
        free_port()
    ));
    let output = site.msvc(&["up", "nats", "redis"]);
    let pid = std::process::id().to_string();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).expect("this process");
    let output = output.replace(&pid, "[PID]").replace(name.trim(), "[TEST]");
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stderr ---
          Engine Docker at [HOST], which answers
    error: port [redis] (redis) of `redis` is taken by [TEST] (pid [PID])
    hint: stop what has it, set `redis = …` in `[infra.ports]` of `msvc.toml`, or let `--auto-ports` pick another and tell the services
    ");
    assert_eq!(site.left(), ["", "", ""]);

    // Another is taken instead, is told, and stays.
    let up = site.json(&["up", "redis", "--auto-ports"]);
    let url = up["environment"]["REDIS_URL"]
        .as_str()
        .expect("told")
        .to_owned();
    let moved: u16 = url
        .rsplit(':')
        .next()
        .and_then(|it| it.parse().ok())
        .expect("a port");
    assert!(moved > port, "{url}");
    site.edit(&format!("redis = {port}\n"), "");
    let again = site.json(&["up", "redis"]);
    assert_eq!(again["resources"][0]["deed"], "unchanged");
    assert_eq!(again["environment"]["REDIS_URL"], url);
}

#[test]
fn workspaces_of_one_name_run_side_by_side() {
    let Some(one) = Site::new() else { return };
    let other = Site::beside(&one);
    for site in [&one, &other] {
        assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    }
    assert_ne!(one.container("redis"), other.container("redis"));

    // The port of the other is named with its holder.
    let port = other.json(&["status"])["resources"][0]["ports"]["redis"].clone();
    one.msvc(&["down", "-q"]);
    one.configure(&format!("[infra.ports]\nredis = {port}\n"));
    let output = one.msvc(&["up", "redis"]);
    let holder = format!(
        "by the container `{}-redis` of the workspace in",
        other.id()
    );
    assert!(output.contains(&holder), "{output}");

    let before = other.container("redis");
    one.clear();
    assert_eq!(other.container("redis"), before);
    other.clear();
}

#[test]
fn what_is_built_in_does_not_take_the_place_of_containers_that_run() {
    let Some(site) = Site::new() else { return };
    assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    let path = site.sandbox.path().join(".msvc/infra.json");
    let note = std::fs::read(&path).expect("written");
    let refused = site.msvc(&["up", "consul", "--engine", "embedded"]);
    insta::assert_snapshot!(refused, @r"
    exit: 1
    --- stderr ---
    error: containers of this workspace run (redis), and the embedded engine would take their place
    hint: `msvc down` stops them, and keeps their data; `msvc up --engine docker` stays with them
    ");
    for more in ["--dry-run", "--foreground"] {
        let told = site.msvc(&["up", "consul", "--engine", "embedded", more]);
        assert_eq!(told, refused);
    }
    assert_eq!(std::fs::read(&path).expect("there"), note);

    // What does not run any more has no place to be taken.
    site.docker(&["stop", &site.container("redis")]);
    let up = site.msvc(&["up", "consul", "--engine", "embedded", "-q"]);
    assert_eq!(up, "exit: 0");
    site.clear();
}

#[test]
fn what_belongs_to_others_is_never_touched() {
    let Some(site) = Site::new() else { return };
    let stranger = format!("{}-redis", site.id());
    site.docker(&["create", "--name", &stranger, "msvc-ci/small"]);
    let output = site.msvc(&["up", "redis"]);
    site.msvc(&["down", "--volumes", "--yes"]);
    let there = site.docker(&["ps", "--all", "--filter", &format!("name={stranger}"), "-q"]);
    site.docker(&["rm", &stranger]);
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stderr ---
          Engine Docker at [HOST], which answers
    warning: `redis` is not healthy
    error: a container that is not ours has the name `[ID]-redis`
    hint: rename or remove it: `docker rename [ID]-redis …`; `msvc` touches nothing of others
    ");
    assert_ne!(there, "");
}
