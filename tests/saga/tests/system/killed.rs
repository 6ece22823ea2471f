//! The process is killed at every point of every step: whichever comes after it ends the saga, with
//! all effects there or none.

use std::process::{Command, Stdio};

use chassis::background::Stopper;
use saga::{Sagas, Status, Store};
use storage::{Database, Settings};

use crate::world::{self, DIE_AT, MIGRATIONS, Order, World, place_order, settings};

const DATABASE: &str = "SAGA_TEST_DATABASE";

/// Processes die here, and the power does not fail.
pub(crate) fn unsynchronised(url: &str) -> Settings {
    Settings {
        synchronous_commit: false,
        ..Settings::at(url)
    }
}

async fn open(url: &str) -> (World, Sagas) {
    let database = Database::open(&unsynchronised(url), MIGRATIONS).await;
    let database = database.expect("it opens");
    let store = Store::database(&database).await.expect("a store");
    (World(database), Sagas::new(store, settings()))
}

/// What the processes of these tests run: this very binary, told to run this one "test".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test: the worker that tests start"]
async fn worker() {
    let (world, sagas) = open(&std::env::var(DATABASE).expect("it is set")).await;
    let _orders = sagas.add(place_order(&world));
    let stopper = Stopper::new();
    sagas.worker()(stopper.handle()).await.expect("no error");
}

/// A worker that dies there, or when it is told to.
pub(crate) fn spawn(url: &str, die_at: Option<&str>) -> std::process::Child {
    let binary = std::env::current_exe().expect("this binary");
    let mut command = Command::new(binary);
    command.args(["--exact", "killed::worker", "--ignored", "--nocapture"]);
    command
        .env(DATABASE, url)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match die_at {
        Some(die_at) => command.env(DIE_AT, die_at),
        None => command.env_remove(DIE_AT),
    };
    command.spawn().expect("this binary runs")
}

/// Where a saga can die that ends as `order` says.
fn points(order: &Order) -> Vec<String> {
    let acted = ["reserve", "charge", "confirm"];
    let undone = match order.refused.as_deref() {
        Some("confirm") => &["charge", "reserve"][..],
        _ => &[],
    };
    let acted = acted.iter().map(|step| format!("act {step}"));
    let points = acted.chain(undone.iter().map(|step| format!("undo {step}")));
    points
        .flat_map(|point| [format!("{point} before"), format!("{point} after")])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_whose_process_is_killed_at_any_point_is_ended_by_another() {
    let refused = Some("confirm".to_owned());
    let compensated = Order {
        refused,
        ..Order::default()
    };
    for (order, end, effects) in [
        (
            Order::default(),
            Status::Completed,
            world::all_effects("one"),
        ),
        (compensated, Status::Compensated, Vec::new()),
    ] {
        for point in points(&order) {
            if order.refused.is_some() && point == "act confirm after" {
                // It is refused before it gets there.
                continue;
            }
            let fresh = storage::testing::database(&[]).await;
            let (world, sagas) = open(fresh.url()).await;
            let orders = sagas.add(place_order(&world));
            orders.start("one", &order).await.expect("no error");

            let mut first = spawn(fresh.url(), Some(&point));
            let killed = tokio::task::spawn_blocking(move || first.wait()).await;
            let killed = killed.expect("no panic").expect("it was started");
            assert!(!killed.success(), "{point}");
            let status = orders.status("one").await.expect("it is there");
            assert!(!status.has_ended(), "{point}");

            let stopper = Stopper::new();
            let second = tokio::spawn(sagas.worker()(stopper.handle()));
            let ended = orders.wait("one").await.expect("it ends");
            assert_eq!(ended.status, end, "{point}");
            assert_eq!(world.effects().await, effects, "{point}");
            stopper.stop();
            second.await.expect("no panic").expect("no error");
        }
    }
}
