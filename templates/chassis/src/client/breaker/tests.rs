use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> Arc<Breaker> {
    let target = Target::Static(vec!["10.0.0.1:1".to_owned()]);
    let settings = Settings::new(&target, &config::Breaker::default());
    Breaker::new(settings, ([10, 0, 0, 1], 1).into())
}

fn call(breaker: &Arc<Breaker>, code: Code) {
    breaker.acquire().expect("let through").finish(code);
}

fn fail_until_open(breaker: &Arc<Breaker>) {
    for _ in 0..3 {
        call(breaker, Code::Unavailable);
    }
    assert!(breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn it_opens_at_half_of_at_least_three_calls() {
    let breaker = breaker();
    call(&breaker, Code::Unavailable);
    call(&breaker, Code::Unavailable);
    assert!(!breaker.is_open(), "two calls are not enough");
    call(&breaker, Code::Internal);
    assert!(breaker.is_open());
    assert!(breaker.acquire().is_none());
}

#[tokio::test(start_paused = true)]
async fn it_stays_closed_below_the_ratio() {
    let breaker = breaker();
    for _ in 0..10 {
        call(&breaker, Code::Ok);
        call(&breaker, Code::Ok);
        call(&breaker, Code::Unavailable);
    }
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn failures_are_forgotten_after_the_window() {
    let breaker = breaker();
    call(&breaker, Code::Unavailable);
    call(&breaker, Code::Unavailable);
    sleep(11 * SECOND).await;
    call(&breaker, Code::Unavailable);
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn only_faults_of_the_server_count() {
    let breaker = breaker();
    for code in [
        Code::Cancelled,
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Unauthenticated,
    ] {
        for _ in 0..5 {
            call(&breaker, code);
        }
    }
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn after_a_minute_three_probes_that_succeed_close_it() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(59 * SECOND).await;
    assert!(breaker.acquire().is_none());
    sleep(SECOND).await;

    let probes: Vec<Permit> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert_eq!(probes.len(), 3);
    for probe in probes {
        assert!(breaker.is_open());
        probe.finish(Code::Ok);
    }
    assert!(!breaker.is_open());
    call(&breaker, Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_opens_it_again() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    call(&breaker, Code::Ok);
    call(&breaker, Code::Unavailable);
    assert!(breaker.acquire().is_none());
    sleep(59 * SECOND).await;
    assert!(breaker.acquire().is_none());
    sleep(SECOND).await;
    assert!(breaker.acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_gives_its_place_back() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    let mut probes: Vec<Permit> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert_eq!(probes.len(), 3);
    drop(probes.pop());
    assert!(breaker.acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn probes_that_never_end_do_not_keep_it_half_open() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    let stuck: Vec<Permit> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert!(breaker.acquire().is_none());
    sleep(60 * SECOND).await;
    for _ in 0..3 {
        call(&breaker, Code::Ok);
    }
    assert!(!breaker.is_open());
    for late in stuck {
        late.finish(Code::Unavailable);
    }
    assert!(
        !breaker.is_open(),
        "late results of an older generation are ignored"
    );
}

#[tokio::test(start_paused = true)]
async fn late_results_of_an_older_generation_are_ignored() {
    let breaker = breaker();
    let late: Vec<Permit> = (0..5).filter_map(|_| breaker.acquire()).collect();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    for _ in 0..3 {
        call(&breaker, Code::Ok);
    }
    assert!(!breaker.is_open());
    for permit in late {
        permit.finish(Code::Unavailable);
    }
    assert!(!breaker.is_open());
}
