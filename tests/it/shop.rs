//! The shop: an order in one trace, and orders that flow while the services are killed one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::generated::{Running, alone, cargo, succeed};
use crate::support::{Sandbox, skip};

/// Ports of its own, away from those of a shop that somebody runs here.
const PORTS: [(&str, &str); 5] = [
    ("8080", "47080"),
    ("50051", "47061"),
    ("50052", "47062"),
    ("50053", "47063"),
    ("50054", "47064"),
];
const GATEWAY: &str = "127.0.0.1:47080";
/// What everybody has at first, in cents.
const OPENING_BALANCE: i64 = 10_000;
/// How many orders flow, and of how many users.
const ORDERS: usize = 60;
const USERS: usize = 6;
/// How long anything may take that has to happen in the end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads the tables of all databases, one JSON document.
const DUMP: &str = r#"
import json, sqlite3, sys
tables = {}
for service, names in [
    ("user", ["users"]), ("order", ["orders"]), ("payment", ["accounts", "payments"]),
    ("inventory", ["items", "reservations"]),
]:
    database = sqlite3.connect(f"{sys.argv[1]}/{service}-service.db")
    database.row_factory = sqlite3.Row
    for name in names:
        tables[name] = [dict(row) for row in database.execute(f"SELECT * FROM {name}")]
print(json.dumps(tables))
"#;

#[test]
fn the_shop_is_clean_and_no_order_is_lost_or_paid_twice() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    succeed(&sandbox, &["new", "shop", "--example", "shop"]);
    cargo(&sandbox, &["fmt", "--all", "--check"]);
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    cargo(&sandbox, &clippy);
    let services = [
        "api-gateway",
        "inventory-service",
        "order-service",
        "payment-service",
        "user-service",
    ];
    let mut test = vec!["test", "--quiet"];
    test.extend(services.iter().flat_map(|name| ["--package", name]));
    cargo(&sandbox, &test);
    succeed(&sandbox, &["proto", "gen", "--check"]);

    let manifest = sandbox.path().join("msvc.toml");
    let mut text = fs::read_to_string(&manifest).expect("there");
    for (port, own) in PORTS {
        text = text.replace(&format!("port = {port}\n"), &format!("port = {own}\n"));
    }
    fs::write(&manifest, text).expect("written");
    let mut running = Running::start(&sandbox);
    an_order_is_one_trace(&sandbox);
    orders_flow_while_services_are_killed(&sandbox, &services);
    running.interrupt();
    let code = running.child.wait().expect("msvc ends").code();
    assert_eq!(code, Some(0), "{}", running.output());
}

/// What the gateway answers: the status and the JSON. A connection that breaks is status 0.
fn ask(method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let attempt = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(GATEWAY)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = match method {
            "GET" => String::new(),
            _ => body.to_string(),
        };
        let token = token.map_or_else(String::new, |it| format!("authorization: Bearer {it}\r\n"));
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{token}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = attempt().unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A body may be in chunks; it is one document all the same.
    let start = body.find('{').unwrap_or(0);
    let end = body.rfind('}').map_or(start, |at| at + 1);
    let json = serde_json::from_str(&body[start..end]).unwrap_or(Value::Null);
    (status.unwrap_or(0), json)
}

/// Asks until the answer is a success: a service may be away for a moment.
fn insist(method: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let (status, answer) = ask(method, path, token, body);
        // Somebody who was made by a request whose answer was lost is there.
        if status == 200 || (status == 409 && path == "/v1/users") {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{method} {path}: {status} {answer}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn login(user: &str) -> String {
    insist(
        "POST",
        "/v1/users",
        None,
        &json!({ "id": user, "name": user }),
    );
    let answer = insist("POST", "/login", None, &json!({ "subject": user }));
    answer["accessToken"].as_str().expect("a token").to_owned()
}

/// Waits until an order is decided; what became of it.
fn decided(id: &str, token: &str) -> Value {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/orders/{id}");
        let order = insist("GET", &path, Some(token), &Value::Null)["order"].clone();
        if order["status"] != "STATUS_PENDING" {
            return order;
        }
        assert!(begun.elapsed() < PATIENCE, "{order} is not decided");
        std::thread::sleep(Duration::from_millis(50));
    }
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

fn orders_flow_while_services_are_killed(sandbox: &Sandbox, services: &[&str]) {
    let tokens: Vec<String> = (0..USERS)
        .map(|user| login(&format!("user-{user}")))
        .collect();
    let ids: Vec<(String, usize)> = (0..ORDERS)
        .map(|it| (format!("order-{it}"), it % USERS))
        .collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((id, user)) =
                    ids.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    // Books until the money is gone, then they are refused; a lamp in between.
                    let item = if user % 2 == 0 { "book" } else { "lamp" };
                    let order = json!({ "id": id, "item": item, "quantity": 1 });
                    insist("POST", "/v1/orders", Some(&tokens[*user]), &order);
                    std::thread::sleep(Duration::from_millis(300));
                }
            });
        }
        for service in services {
            std::thread::sleep(Duration::from_millis(600));
            kill(sandbox, service);
        }
    });
    let mut outcomes = BTreeMap::new();
    for (id, user) in &ids {
        let order = decided(id, &tokens[*user]);
        *outcomes.entry(order["status"].to_string()).or_insert(0) += 1;
    }
    assert_eq!(
        outcomes.len(),
        2,
        "some are paid for, some refused: {outcomes:?}"
    );

    let begun = Instant::now();
    loop {
        let Some(tables) = dump(sandbox) else {
            return skip("no python3, which reads the databases");
        };
        match broken(&tables) {
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

fn dump(sandbox: &Sandbox) -> Option<Value> {
    let data = sandbox.path().join(".msvc/data");
    let mut command = Command::new("python3");
    let output = command.args(["-c", DUMP]).arg(data).output().ok()?;
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// What does not hold of the tables, if anything.
fn broken(tables: &Value) -> Option<String> {
    let rows = |table: &str| tables[table].as_array().cloned().unwrap_or_default();
    let number = |row: &Value, column: &str| row[column].as_i64().unwrap_or_default();
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    let orders = rows("orders");
    if orders.len() != ORDERS + 1 {
        return Some(format!("{} orders", orders.len()));
    }
    let by_key = |table: &str, state: &str| -> BTreeMap<String, Value> {
        let rows = rows(table).into_iter().filter(|row| row["state"] == state);
        rows.map(|row| (text(&row, "key"), row)).collect()
    };
    let mut charged = by_key("payments", "charged");
    let mut reserved = by_key("reservations", "reserved");
    let mut spent: BTreeMap<String, i64> = BTreeMap::new();
    let mut taken: BTreeMap<String, i64> = BTreeMap::new();
    let mut made: BTreeMap<String, i64> = BTreeMap::new();
    for order in &orders {
        let (id, user) = (text(order, "id"), text(order, "user_id"));
        *made.entry(user.clone()).or_default() += 1;
        let payment = charged.remove(&format!("place-order/{id}/charge"));
        let reservation = reserved.remove(&format!("place-order/{id}/reserve"));
        match order["status"].as_str() {
            Some("confirmed") => {
                let paid = payment.map(|it| number(&it, "amount_cents"));
                let kept = reservation.map(|it| number(&it, "quantity"));
                if paid != Some(number(order, "total_cents"))
                    || kept != Some(number(order, "quantity"))
                {
                    return Some(format!("`{id}` is confirmed, paid {paid:?}, kept {kept:?}"));
                }
                *spent.entry(user).or_default() += paid.unwrap_or_default();
                *taken.entry(text(order, "item")).or_default() += kept.unwrap_or_default();
            }
            Some("cancelled") if payment.is_none() && reservation.is_none() => {}
            status => {
                return Some(format!(
                    "`{id}` is {status:?}: {payment:?}, {reservation:?}"
                ));
            }
        }
    }
    if !charged.is_empty() || !reserved.is_empty() {
        return Some(format!("without an order: {charged:?}, {reserved:?}"));
    }
    let account = |row: &Value| {
        let spent = spent
            .get(&text(row, "user_id"))
            .copied()
            .unwrap_or_default();
        number(row, "balance_cents") == OPENING_BALANCE - spent
    };
    let stock = |row: &Value| {
        let first = if row["name"] == "chair" {
            100
        } else {
            1_000_000
        };
        let taken = taken.get(&text(row, "name")).copied().unwrap_or_default();
        number(row, "stock") == first - taken
    };
    let count = |row: &Value| {
        let made = made.get(&text(row, "id")).copied().unwrap_or_default();
        number(row, "order_count") == made
    };
    let wrong = [
        (
            "accounts",
            rows("accounts").iter().find(|row| !account(row)).cloned(),
        ),
        (
            "items",
            rows("items").iter().find(|row| !stock(row)).cloned(),
        ),
        (
            "users",
            rows("users").iter().find(|row| !count(row)).cloned(),
        ),
    ];
    wrong
        .into_iter()
        .find_map(|(table, row)| row.map(|row| format!("{table}: {row}")))
}
