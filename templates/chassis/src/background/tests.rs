use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[tokio::test(start_paused = true)]
async fn work_that_fails_or_panics_begins_again_after_a_pause_that_grows() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let work = Work::new("flaky", move |stop: Stop| {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match run {
                0..4 => Err("the broker is away"),
                4 => panic!("a bug"),
                _ => {
                    stop.requested().await;
                    Ok(())
                }
            }
        }
    });
    let began = Instant::now();
    let background = Background::start(vec![work]);
    while runs.load(Ordering::Relaxed) < 6 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // At least half of 100, 200, 400, 800 and 1600 ms, and at most all of it.
    let elapsed = began.elapsed();
    assert!(
        (1_550..=3_110).contains(&elapsed.as_millis()),
        "{elapsed:?}"
    );
    background.stop(Duration::from_secs(1)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 6);
    let labels = WorkLabels { work: "flaky" };
    assert_eq!(FAILURES.get_or_create(&labels).get(), 5);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_done_does_not_begin_again() {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let work = Work::new("once", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, BoxError>(()) }
    });
    let background = Background::start(vec![work]);
    tokio::time::sleep(MAX_PAUSE * 2).await;
    background.stop(Duration::from_secs(1)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn work_finishes_what_it_has_begun_within_the_limit() {
    let (finished, mut is_finished) = watch::channel(false);
    let work = Work::new("careful", move |stop: Stop| {
        let finished = finished.clone();
        async move {
            stop.requested().await;
            tokio::time::sleep(Duration::from_secs(4)).await;
            finished.send_replace(true);
            Ok::<_, BoxError>(())
        }
    });
    let background = Background::start(vec![work]);
    tokio::task::yield_now().await;
    background.stop(Duration::from_secs(5)).await;
    assert!(*is_finished.borrow_and_update());
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_is_cut_at_the_limit() {
    let (alive, mut ended) = watch::channel(());
    let work = Work::new("stubborn", move |_| {
        let alive = alive.clone();
        async move {
            std::future::pending::<()>().await;
            drop(alive);
            Ok::<_, BoxError>(())
        }
    });
    let background = Background::start(vec![work]);
    tokio::task::yield_now().await;
    let began = Instant::now();
    background.stop(Duration::from_secs(5)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    // All that it held is gone with it.
    ended.changed().await.expect_err("the work is gone");
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_when_the_work_is_to_stop() {
    let work = Work::new("failing", |_| async { Err::<(), _>("always") });
    let background = Background::start(vec![work]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let began = Instant::now();
    background.stop(Duration::from_secs(5)).await;
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_stopper_that_is_dropped_stops() {
    let stopper = Stopper::new();
    let stop = stopper.handle();
    assert!(!stop.is_requested());
    drop(stopper);
    assert!(stop.is_requested());
    stop.requested().await;
}
