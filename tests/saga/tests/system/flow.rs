//! What happens to sagas whose process lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use chassis::background::{Stop, Stopper};
use saga::{Context, Ended, Error, Failure, Handle, Saga, Sagas, Status, Step, Store};
use storage::Database;
use storage::testing::TestDatabase;
use tokio::task::JoinHandle;

use crate::world::{self, Order, World, place_order, quick, settings};

/// Sagas that are worked on until this is dropped.
struct Works {
    sagas: Sagas,
    stopper: Stopper,
    task: JoinHandle<Result<(), Error>>,
}

fn work(sagas: &Sagas) -> Works {
    let stopper = Stopper::new();
    Works {
        sagas: sagas.clone(),
        task: tokio::spawn(sagas.worker()(stopper.handle())),
        stopper,
    }
}

impl Works {
    async fn stop(self) {
        self.stopper.stop();
        self.task.await.expect("no panic").expect("no error");
    }
}

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

fn ended(status: Status, error: Option<&str>) -> Ended {
    let error = error.map(str::to_owned);
    Ended { status, error }
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

/// A step made of a closure.
macro_rules! closure_step {
    ($type:ident $name:literal) => {
        struct $type<F>(F);

        impl<F> Step for $type<F>
        where
            F: Fn(&Context<Order>) -> Result<u32, Failure> + Send + Sync + 'static,
        {
            type Input = Order;
            type Output = u32;
            const NAME: &'static str = $name;

            async fn act(&self, context: &Context<Order>) -> Result<u32, Failure> {
                (self.0)(context)
            }
        }
    };
}

closure_step!(Sum "sum");
closure_step!(Left "left");
closure_step!(Right "right");

/// Waits for the other one, which is only there when both go on at the same time.
struct Meet(Arc<tokio::sync::Barrier>);

impl Step for Meet {
    type Input = Order;
    type Output = ();
    const NAME: &'static str = "meet";

    async fn act(&self, _: &Context<Order>) -> Result<(), Failure> {
        self.0.wait().await;
        Ok(())
    }
}

struct MeetToo(Arc<tokio::sync::Barrier>);

impl Step for MeetToo {
    type Input = Order;
    type Output = ();
    const NAME: &'static str = "meet_too";

    async fn act(&self, _: &Context<Order>) -> Result<(), Failure> {
        self.0.wait().await;
        Ok(())
    }
}

#[tokio::test]
async fn steps_of_a_stage_go_on_side_by_side_and_later_ones_have_their_outputs() {
    type Act = fn(&Context<Order>) -> Result<u32, Failure>;
    let sagas = Sagas::new(Store::memory(), settings());
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let sum = Arc::new(AtomicU32::new(0));
    let kept = Arc::clone(&sum);
    let orders = sagas.add(
        Saga::new("sums")
            .parallel(|stage| {
                let stage = stage
                    .step(Meet(Arc::clone(&barrier)))
                    .step(MeetToo(barrier));
                stage
                    .step(Left(|_: &Context<Order>| Ok(3)))
                    .step(Right(|_: &Context<Order>| Ok(4)))
            })
            .step(Sum(move |context: &Context<Order>| {
                let (left, right) = (
                    context.output::<Left<Act>>()?,
                    context.output::<Right<Act>>()?,
                );
                kept.store(left + right, Ordering::Relaxed);
                Ok(left + right)
            })),
    );
    let works = work(&sagas);
    orders
        .start("one", &Order::default())
        .await
        .expect("no error");
    let end = orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    assert_eq!(sum.load(Ordering::Relaxed), 7);
    works.stop().await;
}

/// Does nothing, and undoes nothing unless it may.
struct Sticky(Arc<AtomicBool>);

impl Step for Sticky {
    type Input = Order;
    type Output = ();
    const NAME: &'static str = "sticky";

    async fn act(&self, _: &Context<Order>) -> Result<(), Failure> {
        Ok(())
    }

    async fn compensate(&self, _: &Context<Order>, _: Option<()>) -> Result<(), Failure> {
        match self.0.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Failure::refused("the parcel is gone")),
        }
    }
}

#[tokio::test]
async fn a_saga_that_cannot_be_undone_is_stuck_until_somebody_has_seen_to_it() {
    let sagas = Sagas::new(Store::memory(), settings());
    let may = Arc::new(AtomicBool::new(false));
    let orders = sagas.add(
        Saga::new("sticky")
            .step(Sticky(Arc::clone(&may)))
            .step(Sum(|_: &Context<Order>| Err(Failure::refused("no")))),
    );
    let works = work(&sagas);
    orders
        .start("one", &Order::default())
        .await
        .expect("no error");
    let end = orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Stuck, Some("sum: no")));
    let page = works.sagas.page()("status=stuck".to_owned())
        .await
        .expect("a page");
    let shown = &page["sagas"][0];
    assert_eq!(
        (&shown["id"], &shown["status"]),
        (&"one".into(), &"stuck".into())
    );
    let step = serde_json::json!({
        "state": "stuck", "attempts": 1, "compensations": 1, "error": "the parcel is gone",
    });
    assert_eq!(shown["steps"]["sticky"], step);

    may.store(true, Ordering::Relaxed);
    assert!(orders.resume("one").await.expect("no error"));
    let end = orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Compensated, Some("sum: no")));
    works.stop().await;
}

#[tokio::test]
async fn a_step_that_panics_or_takes_too_long_is_tried_again() {
    struct Moody;

    impl Step for Moody {
        type Input = Order;
        type Output = ();
        const NAME: &'static str = "moody";

        async fn act(&self, context: &Context<Order>) -> Result<(), Failure> {
            match context.attempt() {
                1 => panic!("a bug, as told"),
                2 => std::future::pending().await,
                _ => Ok(()),
            }
        }
    }
    let sagas = Sagas::new(Store::memory(), settings());
    let policy = quick().within(Duration::from_millis(30));
    let orders = sagas.add(Saga::new("moody").step_with(Moody, policy));
    let works = work(&sagas);
    orders
        .start("one", &Order::default())
        .await
        .expect("no error");
    let end = orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    works.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_stop_finishes_the_step_and_leaves_the_rest_to_another() {
    struct Slow(Stop, Stopper);

    impl Step for Slow {
        type Input = Order;
        type Output = ();
        const NAME: &'static str = "slow";

        async fn act(&self, _: &Context<Order>) -> Result<(), Failure> {
            self.1.stop();
            self.0.requested().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        }
    }
    let sagas = Sagas::new(Store::memory(), settings());
    let (began, stopped) = (Stopper::new(), Stopper::new());
    let has_begun = began.handle();
    let orders = sagas.add(
        Saga::new("slow")
            .step(Slow(stopped.handle(), began))
            .step(Sum(|_: &Context<Order>| Ok(1))),
    );
    let works = work(&sagas);
    orders
        .start("one", &Order::default())
        .await
        .expect("no error");
    has_begun.requested().await;
    let stopping = tokio::spawn(works.stop());
    stopped.stop();
    stopping.await.expect("it stops");
    assert_eq!(
        orders.status("one").await.expect("it is there"),
        Status::Running
    );
    let page = sagas.page()(String::new()).await.expect("a page");
    assert_eq!(page["sagas"][0]["steps"]["slow"]["state"], "acted");

    let works = work(&sagas);
    let end = orders.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    works.stop().await;
}
