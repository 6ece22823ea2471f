//! What has to hold of the databases when all orders are decided.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// What everybody has at first, in cents.
const OPENING_BALANCE: i64 = 10_000;

/// The tables of each service.
pub const TABLES: [(&str, &[&str]); 4] = [
    ("user", &["users"]),
    ("order", &["orders"]),
    ("payment", &["accounts", "payments"]),
    ("inventory", &["items", "reservations"]),
];

/// Reads tables of a database of SQLite, one JSON document.
const DUMP: &str = r#"
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.row_factory = sqlite3.Row
print(json.dumps({
    name: [dict(row) for row in database.execute(f"SELECT * FROM {name}")] for name in sys.argv[2:]
}))
"#;

/// The tables of all services, which are files in this folder; `None` where nothing reads them.
pub fn of_files(data: &Path) -> Option<Value> {
    let mut all = json!({});
    for (service, tables) in TABLES {
        let mut command = Command::new("python3");
        let file = data.join(format!("{service}-service.db"));
        let output = command
            .args(["-c", DUMP])
            .arg(file)
            .args(tables)
            .output()
            .ok()?;
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{problem}");
        let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        for name in tables {
            all[*name] = read[*name].clone();
        }
    }
    Some(all)
}

/// What does not hold of the tables, if anything.
pub fn broken(tables: &Value, expected: usize) -> Option<String> {
    let rows = |table: &str| tables[table].as_array().cloned().unwrap_or_default();
    let number = |row: &Value, column: &str| row[column].as_i64().unwrap_or_default();
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    let orders = rows("orders");
    if orders.len() != expected {
        return Some(format!("{} orders of {expected}", orders.len()));
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
