//! The shop on what it runs on elsewhere: PostgreSQL, RabbitMQ and Consul, each a process of the test.
//! Traces go to the collector that is built in.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PAUSE, SERVICES, all_is_well, an_order_is_one_trace, books, kill, orders_flow};
use crate::generated::Running;
use crate::support::Sandbox;
use crate::support::ports::free_port;
use postgres::Postgres;
use programs::{Folder, Process, skip, wait_until};
use rabbitmq::RabbitMq;

#[expect(dead_code, reason = "services make their databases themselves")]
#[path = "../../storage/tests/support/postgres.rs"]
mod postgres;
#[path = "../../support/programs.rs"]
mod programs;
#[expect(dead_code, reason = "it is killed long after its queues were made")]
#[path = "../../support/rabbitmq.rs"]
mod rabbitmq;

/// How long a broker and a database stand still.
const STANDSTILL: Duration = Duration::from_secs(20);
/// For who was away to be found again, before the next thing happens.
const RESPITE: Duration = Duration::from_secs(3);

/// A Consul agent, in memory.
struct Consul {
    port: u16,
    _process: Process,
    _folder: Folder,
}

impl Consul {
    fn start() -> Option<Self> {
        let named = std::env::var_os("CONSUL_BIN").map(PathBuf::from);
        let Some(program) = named.or_else(|| which::which("consul").ok()) else {
            skip("consul (CONSUL_BIN, or on the path)");
            return None;
        };
        let folder = Folder::new();
        let port = free_port();
        let mut agent = Command::new(program);
        agent
            .args(["agent", "-dev", "-dns-port=-1", "-serf-wan-port=-1"])
            .args(["-grpc-port=-1", "-bind=127.0.0.1"])
            .arg(format!("-http-port={port}"))
            .arg(format!("-serf-lan-port={}", free_port()))
            .arg(format!("-server-port={}", free_port()));
        let log = folder.sub("consul.log");
        let process = Process::start(&agent, &log);
        wait_until(&log, || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            said.contains("Synced node info") && TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Some(Self {
            port,
            _process: process,
            _folder: folder,
        })
    }
}

pub fn no_order_is_lost_or_paid_twice(sandbox: &Sandbox) {
    let (Some(mut database), Some(mut broker), Some(consul)) =
        (Postgres::start(), RabbitMq::start(), Consul::start())
    else {
        return;
    };
    // What `msvc up` notes of what it has started.
    let note = json!({
        "version": 1,
        "engine": "docker",
        "pid": null,
        "host": "127.0.0.1",
        "database": "shop",
        "resources": {
            "postgres": { "postgres": database.port() },
            "rabbitmq": { "rabbitmq": broker.port() },
        },
    });
    fs::write(sandbox.path().join(".msvc/infra.json"), note.to_string()).expect("written");
    let registry = format!("127.0.0.1:{}", consul.port);
    let mut running = Running::start_with(sandbox, &[("CONSUL_HTTP_ADDR", &registry)]);
    let told = running.output();
    assert!(
        told.contains(&format!("Consul at http://{registry}")),
        "{told}"
    );
    an_order_is_one_trace(sandbox);
    let orders = orders_flow(|| {
        for service in SERVICES {
            std::thread::sleep(2 * PAUSE);
            kill(sandbox, service);
        }
        std::thread::sleep(RESPITE);
        broker.signal("STOP");
        std::thread::sleep(STANDSTILL);
        broker.signal("CONT");
        std::thread::sleep(RESPITE);
        broker.kill_and_boot();
        std::thread::sleep(RESPITE);
        database.pause();
        std::thread::sleep(STANDSTILL);
        database.resume();
        std::thread::sleep(RESPITE);
        database.kill();
        std::thread::sleep(RESPITE);
        database.run();
    });
    all_is_well(orders + 1, || Some(tables(&database)));
    running.interrupt();
    let code = running.child.wait().expect("msvc ends").code();
    assert_eq!(code, Some(0), "{}", running.output());
}

/// The tables of all services, each of which has a database of its own.
fn tables(server: &Postgres) -> Value {
    let mut all = json!({});
    for (service, tables) in books::TABLES {
        for name in tables {
            let query = format!("SELECT coalesce(json_agg(it), '[]') FROM {name} it");
            let rows = server.query(&format!("{service}_service"), &query);
            all[*name] = serde_json::from_str(&rows).expect("JSON");
        }
    }
    all
}
