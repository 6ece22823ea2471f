//! The shop: an order in one trace, and orders that flow while what the system is made of is killed and
//! stands still: as it comes, and on a real PostgreSQL, RabbitMQ and Consul.

mod books;
mod client;
mod real;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::generated::{Running, alone, cargo, clippy, succeed};
use crate::support::{Sandbox, skip};
use client::{ask, decided, insist, login};

/// Ports of its own, away from those of a shop that somebody runs here.
const PORTS: [(&str, &str); 5] = [
    ("8080", "47080"),
    ("50051", "47061"),
    ("50052", "47062"),
    ("50053", "47063"),
    ("50054", "47064"),
];
const GATEWAY: &str = "127.0.0.1:47080";
const SERVICES: [&str; 5] = [
    "api-gateway",
    "inventory-service",
    "order-service",
    "payment-service",
    "user-service",
];
/// Who order at a time.
const CLIENTS: usize = 4;
/// How many people order by way of each of them, at least.
const USERS_OF_EACH: usize = 2;
/// How many orders somebody makes: the money is enough for some.
const ORDERS_OF_EACH: usize = 8;
/// The pause between the orders of a client.
const PAUSE: Duration = Duration::from_millis(300);
/// How long anything may take that has to happen in the end.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn the_shop_is_clean_and_no_order_is_lost_or_paid_twice() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    succeed(&sandbox, &["new", "shop", "--example", "shop"]);
    cargo(&sandbox, &["fmt", "--all", "--check"]);
    clippy(&sandbox, &["--workspace", "--all-targets"]);
    let mut test = vec!["test", "--quiet"];
    test.extend(SERVICES.iter().flat_map(|name| ["--package", name]));
    cargo(&sandbox, &test);
    succeed(&sandbox, &["proto", "gen", "--check"]);
    set_ports(&sandbox);

    let mut running = Running::start(&sandbox);
    an_order_is_one_trace(&sandbox);
    let orders = orders_flow(|| {
        for service in SERVICES {
            std::thread::sleep(2 * PAUSE);
            kill(&sandbox, service);
        }
    });
    let data = sandbox.path().join(".msvc/data");
    all_is_well(orders + 1, || books::of_files(&data));
    running.interrupt();
    let code = running.child.wait().expect("msvc ends").code();
    assert_eq!(code, Some(0), "{}", running.output());

    real::no_order_is_lost_or_paid_twice(&sandbox);
}

fn set_ports(sandbox: &Sandbox) {
    let manifest = sandbox.path().join("msvc.toml");
    let mut text = fs::read_to_string(&manifest).expect("there");
    for (port, own) in PORTS {
        text = text.replace(&format!("port = {port}\n"), &format!("port = {own}\n"));
    }
    fs::write(&manifest, text).expect("written");
}

fn an_order_is_one_trace(sandbox: &Sandbox) {
    let order = json!({ "id": "chairs", "item": "chair", "quantity": 2 });
    let (status, _) = ask("POST", "/v1/orders", None, &order);
    assert_eq!(status, 401, "who has no token orders nothing");
    let token = login("ann");
    insist("POST", "/v1/orders", Some(&token), &order);
    let order = decided("chairs", &token);
    assert_eq!(order["status"], "STATUS_CANCELLED");
    assert_eq!(order["reason"], "`ann` has less than 24000 cents");

    let begun = Instant::now();
    let steps = [
        "api-gateway  order.v1.OrderService/CreateOrder",
        "order-service  order.v1.OrderService/CreateOrder",
        "user-service  user.v1.UserService/GetUser",
        "user-service  SELECT users",
        "order-service  INSERT orders",
        "order-service  publish order-created",
        "user-service  process order-created",
        "order-service  saga place-order",
        "inventory-service  inventory.v1.InventoryService/Reserve",
        "payment-service  payment.v1.PaymentService/Charge",
        "order-service  compensate reserve",
        "inventory-service  inventory.v1.InventoryService/Release",
    ];
    loop {
        let list = sandbox.msvc(["trace", "list"]);
        let line = list.lines().find(|line| {
            line.ends_with("api-gateway  order.v1.OrderService/CreateOrder")
                && !line.contains("  1  ")
        });
        let trace = line
            .and_then(|line| line.split(' ').next())
            .unwrap_or("none");
        let shown = sandbox.msvc(["trace", "show", trace]);
        let missing: Vec<_> = steps
            .iter()
            .filter(|step| !shown.contains(**step))
            .collect();
        if missing.is_empty() {
            return;
        }
        // Spans arrive when their services send them.
        assert!(
            begun.elapsed() < PATIENCE,
            "{missing:?} are not in\n{list}\n{shown}"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Has clients order until `hurt` has done its worst, and all orders are decided; how many there are.
fn orders_flow(hurt: impl FnOnce()) -> usize {
    let is_over = AtomicBool::new(false);
    let made = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (is_over, made) = (&is_over, &made);
            scope.spawn(move || {
                for user in 0.. {
                    if user >= USERS_OF_EACH && is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let user = format!("user-{client}-{user}");
                    let token = login(&user);
                    for number in 0..ORDERS_OF_EACH {
                        // Until the money is gone, then they are refused.
                        let item = if client % 2 == 0 { "book" } else { "lamp" };
                        let id = format!("{user}-{number}");
                        let order = json!({ "id": id, "item": item, "quantity": 1 });
                        insist("POST", "/v1/orders", Some(&token), &order);
                        made.lock().expect("no panic").push((id, token.clone()));
                        std::thread::sleep(PAUSE);
                    }
                }
            });
        }
        let _over = Over(&is_over);
        hurt();
    });
    let made = made.into_inner().expect("no panic");
    let mut outcomes = BTreeMap::new();
    for (id, token) in &made {
        let order = decided(id, token);
        *outcomes.entry(order["status"].to_string()).or_insert(0) += 1;
    }
    assert_eq!(
        outcomes.len(),
        2,
        "some are paid for, some refused: {outcomes:?}"
    );
    made.len()
}

/// Tells that it is over when this is dropped, by a panic too: clients wait for it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads the databases until what was promised of so many orders holds.
fn all_is_well(orders: usize, read: impl Fn() -> Option<Value>) {
    let begun = Instant::now();
    loop {
        let Some(tables) = read() else {
            return skip("no python3, which reads the databases");
        };
        match books::broken(&tables, orders) {
            None => return,
            // Messages may be on their way still; nothing else is.
            Some(what) if begun.elapsed() > PATIENCE => panic!("{what}\n{tables}"),
            Some(_) => std::thread::sleep(Duration::from_millis(250)),
        }
    }
}

/// Kills the process of a service, at once and for good.
fn kill(sandbox: &Sandbox, service: &str) {
    let state = fs::read(sandbox.path().join(".msvc/run.json")).expect("runs");
    let state: Value = serde_json::from_slice(&state).expect("JSON");
    let services = state["services"].as_array().expect("services");
    let found = services.iter().find(|it| it["name"] == service);
    let pid = found.map(|it| &it["instances"][0]["pid"]).expect("runs");
    let sent = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(sent.expect("kill starts").success());
}
