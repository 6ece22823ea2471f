//! What the services of a workspace get of it.

use super::site::Site;
use crate::support::ports::free_port;
use crate::support::skip;
use crate::support::system::{Running, workspace};

/// A service that says what it was told.
const SERVICE: &str = r#"
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    for (name, value) in std::env::vars() {
        if name.starts_with("APP_REGISTRY") || name.ends_with("_URL") {
            println!("told {name}={value}");
        }
    }
    let port = std::env::var("APP_ADMIN__PORT").expect("is set");
    let admin = TcpListener::bind(format!("127.0.0.1:{port}")).expect("is free");
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    for stream in admin.incoming() {
        let mut stream = stream.expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
"#;

#[test]
fn run_uses_what_up_started() {
    let Some(site) = Site::new() else { return };
    workspace(&site.sandbox, SERVICE);
    let (consul, redis) = (free_port(), free_port());
    let path = site.sandbox.path().join("msvc.toml");
    let manifest = std::fs::read_to_string(&path).expect("there");
    let infra = format!("\n[infra.ports]\nconsul = {consul}\nredis = {redis}\n");
    std::fs::write(&path, manifest + &infra).expect("writable");
    let up = site.msvc(&["up", "consul", "redis", "-q"]);
    assert!(up.starts_with("exit: 0"), "{up}");
    site.docker(&["kill", &site.container("redis")]);

    let mut running = Running::of(site.command(&["run"]));
    running.wait_for("warning: `redis` that `msvc up` started does not answer: nothing listens");
    running.wait_for(&format!(
        "Using Consul at http://127.0.0.1:{consul} (started by `msvc up`)"
    ));
    running.wait_for("hint: in another terminal");
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.wait(), Some(0), "{:#?}", running.seen);
    let told = |text: &str| running.seen.iter().any(|it| it.ends_with(text));
    assert!(told(&format!(
        "told APP_REGISTRY__CONSUL__ADDRESS=http://127.0.0.1:{consul}"
    )));
    // The agent cannot reach the service from its container.
    assert!(told("told APP_REGISTRY__CONSUL__CHECK=ttl"));
    assert!(
        !running.seen.iter().any(|it| it.contains("REDIS_URL")),
        "{:#?}",
        running.seen
    );
    assert!(site.msvc(&["up", "redis", "-q"]).starts_with("exit: 0"));
    let mut running = Running::of(site.command(&["run"]));
    running.wait_for(&format!("told REDIS_URL=redis://127.0.0.1:{redis}"));
}

#[test]
fn prometheus_collects_what_the_services_tell() {
    let Some(site) = Site::new() else { return };
    let (grpc, admin) = (free_port(), free_port());
    site.edit(
        "port = 50051",
        &format!("port = {grpc}\nadmin-port = {admin}"),
    );
    let metrics = std::net::TcpListener::bind(("127.0.0.1", admin)).expect("a free port");
    let scraped = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = metrics.accept().expect("Prometheus comes");
        let mut request = [0; 4096];
        let count = stream.read(&mut request).expect("it asks");
        let body = "orders_total 3\n";
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).expect("it listens");
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let up = site.json(&["up", "prometheus"]);
    assert_eq!(up["resources"][0]["deed"], "created", "{up}");
    let request = scraped.join().expect("it was scraped");
    assert!(
        request.starts_with("GET /metrics HTTP/1.1\r\n"),
        "{request}"
    );
    site.clear();
}

/// A client that has its addresses from the broker itself, as all of Kafka's have.
fn ask_kafka(jars: &std::path::Path, address: &str) -> std::process::Output {
    let mut client = std::process::Command::new("java");
    client.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    client.arg("-cp").arg(jars.join("*"));
    client.args(["kafka.admin.ConfigCommand", "--bootstrap-server", address]);
    client.args([
        "--describe",
        "--entity-type",
        "brokers",
        "--entity-name",
        "1",
        "--all",
    ]);
    client.output().expect("java runs")
}

#[test]
fn kafka_tells_its_clients_where_they_reach_it() {
    let Some(site) = Site::new() else { return };
    let Some(jars) = std::env::var_os("KAFKA_JARS") else {
        return skip("no Kafka (`.ci/kafka`, KAFKA_JARS), of which its image is made too");
    };
    // Java takes its time on a machine that is busy.
    let up = site.json(&["up", "kafka", "--wait", "5m"]);
    assert_eq!(up["resources"][0]["deed"], "created", "{up}");
    let address = up["environment"]["KAFKA_BROKERS"].as_str().expect("told");
    let answer = ask_kafka(jars.as_ref(), address);
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    let errors = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{said}{errors}");
    let expected = format!("advertised.listeners=OUTSIDE://{address},INSIDE://kafka:19092");
    assert!(said.contains(&expected), "{said}");

    // Its volume outlives it, and is not formatted again.
    assert_eq!(site.msvc(&["down", "-q"]), "exit: 0");
    let again = site.msvc(&["up", "kafka", "-q", "--wait", "5m"]);
    assert!(again.starts_with("exit: 0"), "{again}");
    site.clear();
}

#[test]
fn databases_and_brokers_answer_over_their_own_protocols() {
    let Some(site) = Site::new() else { return };
    let up = site.json(&["up", "postgres", "rabbitmq", "--auto-ports"]);
    assert_eq!(up["resources"][0]["deed"], "created", "{up}");
    assert_eq!(up["resources"][1]["deed"], "created", "{up}");
    let id = site.container("postgres");
    let url = "postgres://postgres:postgres@127.0.0.1:5432/shop";
    let psql = "/usr/lib/postgresql/15/bin/psql";
    let answer = site.docker(&["exec", &id, psql, url, "-Atc", "select current_database()"]);
    assert_eq!(answer, "shop");
    site.clear();
}
