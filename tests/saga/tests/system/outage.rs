//! The database is away while sagas go on.

use std::time::Duration;

use chassis::background::Stopper;
use chassis::config::Duration as Limit;
use saga::{Sagas, Status, Store};
use storage::{Database, Settings};

use crate::postgres::Postgres;
use crate::world::{self, MIGRATIONS, Order, World, place_order, settings};

/// What fails while the database is away is tried again until it is back: here, for longer.
fn patient(url: String) -> Settings {
    Settings {
        acquire_timeout: Limit::from_millis(300),
        statement_timeout: Limit::from_millis(300),
        ..Settings::at(url)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_end_when_the_database_is_back() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let database = Database::open(&patient(server.create("app")), MIGRATIONS).await;
    let world = World(database.expect("it opens"));
    let store = Store::database(&world.0).await.expect("a store");
    let sagas = Sagas::new(store, settings());
    let orders = sagas.add(place_order(&world));
    let stopper = Stopper::new();
    let worker = tokio::spawn(sagas.worker()(stopper.handle()));
    let ids: Vec<String> = (0..20).map(|number| format!("order-{number:02}")).collect();
    for id in &ids {
        orders.start(id, &Order::default()).await.expect("no error");
    }
    server.kill();
    // Longer than a process has its sagas.
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.run();
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.pause();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    server.resume();

    let mut effects = Vec::new();
    for id in &ids {
        let ended = loop {
            match orders.wait(id).await {
                Ok(ended) => break ended,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        // Those whose attempts were used up meanwhile are undone.
        match ended.status {
            Status::Completed => effects.extend(world::all_effects(id)),
            status => assert_eq!(status, Status::Compensated, "{id}"),
        }
    }
    assert_eq!(world.effects().await, effects);
    stopper.stop();
    worker.await.expect("no panic").expect("no error");
}
