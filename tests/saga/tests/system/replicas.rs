//! Several processes work on many sagas, are killed, and stand still for longer than they may.

use std::process::{Child, Command};
use std::time::Duration;

use saga::{Sagas, Status, Store};
use storage::Database;

use crate::killed::{spawn, unsynchronised};
use crate::world::{self, MIGRATIONS, Order, World, place_order, settings};

const SAGAS: usize = 40;

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(status.expect("kill runs").success());
}

/// The orders, and how each ends: every third is refused, and every fourth is tried twice.
fn orders() -> Vec<(String, Order, Status)> {
    let orders = (0..SAGAS).map(|number| {
        let refused = (number % 3 == 0).then(|| "confirm".to_owned());
        let unanswered = (number % 4 == 0).then(|| "charge".to_owned());
        let status = match refused {
            Some(_) => Status::Compensated,
            None => Status::Completed,
        };
        let order = Order {
            refused,
            unanswered,
        };
        (format!("order-{number:02}"), order, status)
    });
    orders.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_and_stopped_lose_nothing_and_do_nothing_twice() {
    let fresh = storage::testing::database(&[]).await;
    let server = crate::postgres::shared();
    let urls = [
        Some(fresh.url().to_owned()),
        server.map(|it| it.create("replicas")),
    ];
    for url in urls.iter().flatten() {
        check(url).await;
    }
}

async fn check(url: &str) {
    let database = Database::open(&unsynchronised(url), MIGRATIONS).await;
    let world = World(database.expect("it opens"));
    let store = Store::database(&world.0).await.expect("a store");
    let sagas = Sagas::new(store, settings());
    let handle = sagas.add(place_order(&world));
    for (id, order, _) in orders() {
        handle.start(&id, &order).await.expect("no error");
    }

    let mut replicas: Vec<Child> = (0..3).map(|_| spawn(url, None)).collect();
    for round in 0..6 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        match round % 2 {
            0 => {
                let mut killed = replicas.remove(0);
                killed.kill().expect("it runs");
                killed.wait().expect("it was started");
                replicas.push(spawn(url, None));
            }
            _ => {
                // Longer than it has its sagas; then it goes on where it was.
                signal(&replicas[0], "STOP");
                tokio::time::sleep(Duration::from_millis(600)).await;
                signal(&replicas[0], "CONT");
            }
        }
    }
    let mut effects = Vec::new();
    for (id, _, status) in orders() {
        let ended = handle.wait(&id).await.expect("it ends");
        assert_eq!(ended.status, status, "{id}");
        if status == Status::Completed {
            effects.extend(world::all_effects(&id));
        }
    }
    for replica in &mut replicas {
        replica.kill().expect("it runs");
        replica.wait().expect("it was started");
    }
    assert_eq!(world.effects().await, effects);

    // What is shown is what happened.
    for status in [Status::Completed, Status::Compensated, Status::Stuck] {
        let query = format!("saga=order&status={}", status.name());
        let page = sagas.page()(query).await.expect("a page");
        let shown = page["sagas"].as_array().expect("a list").len();
        let expected = orders().iter().filter(|it| it.2 == status).count();
        assert_eq!(shown, expected, "{status:?}");
    }
    let open = sagas.page()(String::new()).await.expect("a page");
    assert_eq!(open, serde_json::json!({ "sagas": [] }));
    assert!(
        !handle.resume("order-00").await.expect("no error"),
        "it is not stuck"
    );
}
