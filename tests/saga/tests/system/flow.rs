//! What happens to a saga whose process lives.

use saga::{Error, Handle, Sagas, Status, Store};
use storage::Database;
use storage::testing::TestDatabase;

use crate::works::{Works, ended, work};
use crate::world::{self, Order, World, place_order, settings};

struct Setting {
    _database: TestDatabase,
    world: World,
    orders: Handle<Order>,
    works: Works,
}

async fn start() -> Setting {
    let database = storage::testing::database(world::MIGRATIONS).await;
    let world = World(Database::clone(&database));
    let store = Store::database(&database).await.expect("a store");
    let sagas = Sagas::new(store, settings());
    let orders = sagas.add(place_order(&world));
    Setting {
        _database: database,
        world,
        orders,
        works: work(&sagas),
    }
}

#[tokio::test]
async fn steps_are_acted_one_after_another() {
    let it = start().await;
    assert!(
        it.orders
            .start("one", &Order::default())
            .await
            .expect("no error")
    );
    let end = it.orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    assert_eq!(
        it.world.calls().await,
        ["act reserve", "act charge", "act confirm"]
    );
    // One that is known is not started again.
    assert!(
        !it.orders
            .start("one", &Order::default())
            .await
            .expect("no error")
    );
    assert_eq!(it.world.effects().await, world::all_effects("one"));
    let unknown = it.orders.wait("two").await;
    assert!(matches!(unknown, Err(Error::NotFound)), "{unknown:?}");
    it.works.stop().await;
}

#[tokio::test]
async fn what_was_done_before_a_step_that_is_refused_is_undone_in_reverse() {
    let it = start().await;
    let order = Order {
        refused: Some("confirm".to_owned()),
        ..Order::default()
    };
    it.orders.start("one", &order).await.expect("no error");
    let end = it.orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Compensated, Some("confirm: as told")));
    let calls = [
        "act reserve",
        "act charge",
        "act confirm",
        "undo charge",
        "undo reserve",
    ];
    assert_eq!(it.world.calls().await, calls);
    assert_eq!(it.world.effects().await, [""; 0]);
}

#[tokio::test]
async fn a_step_without_an_answer_is_tried_again_with_the_same_key() {
    let it = start().await;
    let order = Order {
        unanswered: Some("charge".to_owned()),
        ..Order::default()
    };
    it.orders.start("one", &order).await.expect("no error");
    let end = it.orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    let calls = ["act reserve", "act charge", "act charge", "act confirm"];
    assert_eq!(it.world.calls().await, calls);
    assert_eq!(it.world.effects().await, world::all_effects("one"));
}

#[tokio::test]
async fn a_saga_holds_together_with_what_starts_it() {
    let it = start().await;
    let database = &it.world.0;
    let mut transaction = database.begin().await.expect("a transaction");
    let order = Order::default();
    let lost = it.orders.start_in(&mut transaction, "lost", &order).await;
    assert!(lost.expect("no error"));
    transaction.rollback().await.expect("no error");
    let kept = database.transaction(async |transaction| {
        it.orders.start_in(transaction, "kept", &order).await?;
        Ok::<_, Error>(())
    });
    kept.await.expect("no error");
    it.orders.wake();
    let end = it.orders.wait("kept").await.expect("it ends");
    assert_eq!(end.status, Status::Completed);
    let lost = it.orders.status("lost").await;
    assert!(matches!(lost, Err(Error::NotFound)), "{lost:?}");
}
