//! Steps side by side, steps that are stuck, panic, hang, or go on when the worker is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use chassis::background::{Stop, Stopper};
use saga::{Context, Failure, Policy, Saga, Sagas, Status, Step, Store};

use crate::works::{ended, work};
use crate::world::{Order, quick, settings};

/// When a test that waits is taken for one that failed.
const PATIENCE: Duration = Duration::from_secs(30);

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

#[tokio::test]
async fn sagas_of_one_kind_leave_room_for_those_of_others() {
    /// Never ends by itself.
    struct Stay;

    impl Step for Stay {
        type Input = Order;
        type Output = ();
        const NAME: &'static str = "stay";

        async fn act(&self, _: &Context<Order>) -> Result<(), Failure> {
            std::future::pending().await
        }
    }
    let settings = saga::Settings {
        max_running: 4,
        ..settings()
    };
    let sagas = Sagas::new(Store::memory(), settings);
    let many = sagas.add(Saga::new("a-many").step(Stay));
    let few = sagas.add(Saga::new("few").step(Sum(|_: &Context<Order>| Ok(1))));
    for number in 0..10 {
        let id = format!("{number}");
        many.start(&id, &Order::default()).await.expect("no error");
    }
    few.start("one", &Order::default()).await.expect("no error");
    let works = work(&sagas);
    let end = few.wait("one").await.expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    works.task.abort();
}

#[tokio::test]
async fn a_saga_that_waits_for_its_next_attempt_takes_no_place() {
    let settings = saga::Settings {
        max_running: 1,
        ..settings()
    };
    let patient = Policy {
        attempts: 2,
        min_backoff: Duration::from_secs(3600),
        max_backoff: Duration::from_secs(3600),
        ..quick()
    };
    let sagas = Sagas::new(Store::memory(), settings);
    let waits = |_: &Context<Order>| Err(Failure::retry("not yet"));
    let waiting = sagas.add(Saga::new("waiting").step_with(Left(waits), patient));
    let others = sagas.add(Saga::new("others").step(Sum(|_: &Context<Order>| Ok(1))));
    let order = Order::default();
    waiting.start("one", &order).await.expect("no error");
    let works = work(&sagas);
    let failed = async {
        loop {
            let page = sagas.page()(String::new()).await.expect("a page");
            if page["sagas"][0]["steps"]["left"]["error"] == "not yet" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let failed = tokio::time::timeout(PATIENCE, failed).await;
    failed.expect("it was tried");
    others.start("two", &order).await.expect("no error");
    let end = tokio::time::timeout(PATIENCE, others.wait("two")).await;
    let end = end.expect("there is a place").expect("it ends");
    assert_eq!(end, ended(Status::Completed, None));
    let status = waiting.status("one").await.expect("it is there");
    assert_eq!(status, Status::Running);
    works.stop().await;
}
