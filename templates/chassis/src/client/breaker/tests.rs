use tokio::time::sleep;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

const ADDRESS: &str = "10.0.0.1:1";

fn settings(config: &config::Breaker) -> Settings {
    Settings::new("static:///10.0.0.1:1", config)
}

fn breaker_with(config: &config::Breaker) -> Arc<Breaker> {
    let Settings { service, rules, .. } = settings(config);
    Breaker::new(service, rules, ADDRESS.parse().expect("valid"), None)
}

fn breaker() -> Arc<Breaker> {
    breaker_with(&config::Breaker::default())
}

/// A call that began in `generation` ends.
fn finish(breaker: &Breaker, generation: u64, code: Code) {
    breaker.record(generation, code, None, Instant::now());
}

fn call(breaker: &Breaker, code: Code) {
    finish(breaker, breaker.acquire().expect("let through"), code);
}

fn call_taking(breaker: &Breaker, took: Duration) {
    let generation = breaker.acquire().expect("let through");
    breaker.record(generation, Code::Ok, Some(took), Instant::now());
}

fn fail_until_open(breaker: &Breaker) {
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

    let probes: Vec<u64> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert_eq!(probes.len(), 3);
    for probe in probes {
        assert!(breaker.is_open());
        finish(&breaker, probe, Code::Ok);
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
async fn a_probe_that_is_cancelled_gives_its_place_back() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    let mut probes: Vec<u64> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert_eq!(probes.len(), 3);
    let cancelled = probes.pop().expect("three");
    finish(&breaker, cancelled, Code::Cancelled);
    assert!(breaker.acquire().is_some());
}

#[tokio::test(start_paused = true)]
async fn probes_that_never_end_do_not_keep_it_half_open() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    let stuck: Vec<u64> = std::iter::from_fn(|| breaker.acquire()).collect();
    assert!(breaker.acquire().is_none());
    sleep(60 * SECOND).await;
    for _ in 0..3 {
        call(&breaker, Code::Ok);
    }
    assert!(!breaker.is_open());
    for late in stuck {
        finish(&breaker, late, Code::Unavailable);
    }
    assert!(
        !breaker.is_open(),
        "late results of an older generation are ignored"
    );
}

#[tokio::test(start_paused = true)]
async fn late_results_of_an_older_generation_are_ignored() {
    let breaker = breaker();
    let late: Vec<u64> = (0..5).filter_map(|_| breaker.acquire()).collect();
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    for _ in 0..3 {
        call(&breaker, Code::Ok);
    }
    assert!(!breaker.is_open());
    for permit in late {
        finish(&breaker, permit, Code::Unavailable);
    }
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_enough_failures_in_a_row_where_that_is_configured() {
    let config = config::Breaker {
        consecutive_failures: 3,
        min_requests: 100,
        ..config::Breaker::default()
    };
    let breaker = breaker_with(&config);
    for code in [Code::Internal, Code::Internal, Code::Ok] {
        call(&breaker, code);
    }
    call(&breaker, Code::Internal);
    call(&breaker, Code::Cancelled);
    call(&breaker, Code::Internal);
    assert!(!breaker.is_open(), "two in a row");
    call(&breaker, Code::Internal);
    assert!(breaker.is_open());
}

fn for_slow_calls() -> config::Breaker {
    config::Breaker {
        slow_call_duration: config::Duration::from_secs(1),
        slow_call_ratio: config::Ratio::HALF,
        ..config::Breaker::default()
    }
}

#[tokio::test(start_paused = true)]
async fn it_opens_at_enough_slow_calls_where_that_is_configured() {
    let breaker = breaker_with(&for_slow_calls());
    call_taking(&breaker, SECOND);
    call_taking(&breaker, SECOND);
    call_taking(&breaker, 2 * SECOND);
    assert!(!breaker.is_open(), "a third is slow");
    call_taking(&breaker, 2 * SECOND);
    assert!(breaker.is_open());

    let breaker = breaker_with(&config::Breaker::default());
    for _ in 0..10 {
        call_taking(&breaker, 100 * SECOND);
    }
    assert!(!breaker.is_open(), "it is off by default");
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_opens_it_again() {
    let breaker = breaker_with(&for_slow_calls());
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    call_taking(&breaker, 2 * SECOND);
    assert!(breaker.acquire().is_none());
}

#[tokio::test(start_paused = true)]
async fn each_method_has_a_breaker_where_that_is_configured() {
    let config = config::Breaker {
        per_method: true,
        ..config::Breaker::default()
    };
    let breakers = Breakers::new(&settings(&config), ADDRESS.parse().expect("valid"));
    let fail = |path: &str| {
        for _ in 0..3 {
            let permit = breakers.acquire(path).expect("closed");
            breakers.finish(permit, Code::Internal, None, Instant::now());
        }
    };
    fail("/a.A/Bad");
    assert!(breakers.acquire("/a.A/Bad").is_none());
    assert!(breakers.is_open("/a.A/Bad"));
    assert!(breakers.acquire("/a.A/Good").is_some());
    assert!(!breakers.is_open("/a.A/Good"));

    for method in 2..methods::MAX_METHODS {
        let permit = breakers.acquire(&format!("/a.A/{method}"));
        breakers.release(permit.expect("closed"));
    }
    fail("/a.A/OneTooMany");
    assert!(breakers.acquire("/a.A/AnotherTooMany").is_none());
    assert!(breakers.acquire("/a.A/Good").is_some());
}

fn change(breaker: &Breaker, change: impl FnOnce(&mut config::Breaker)) {
    let mut config = config::Breaker::default();
    change(&mut config);
    breaker.change(&settings(&config).rules, Instant::now());
}

#[tokio::test(start_paused = true)]
async fn a_closed_breaker_keeps_its_window_when_its_rules_change() {
    let breaker = breaker();
    call(&breaker, Code::Unavailable);
    call(&breaker, Code::Unavailable);
    change(&breaker, |config| config.min_requests = 4);
    call(&breaker, Code::Unavailable);
    assert!(!breaker.is_open(), "three calls are not enough any more");
    call(&breaker, Code::Ok);
    change(&breaker, |config| {
        config.failure_ratio = config::Ratio::FOUR_FIFTHS
    });
    call(&breaker, Code::Unavailable);
    assert!(breaker.is_open(), "four of five failed");

    let breaker = breaker_with(&config::Breaker::default());
    call(&breaker, Code::Unavailable);
    call(&breaker, Code::Unavailable);
    change(&breaker, |config| {
        config.window = config::Duration::from_secs(30)
    });
    call(&breaker, Code::Unavailable);
    assert!(
        !breaker.is_open(),
        "a window of another length is a new one"
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_open_for_as_long_as_the_new_rules_say() {
    let breaker = breaker();
    fail_until_open(&breaker);
    sleep(10 * SECOND).await;
    change(&breaker, |config| {
        config.open_for = config::Duration::from_secs(20)
    });
    assert!(breaker.acquire().is_none());
    sleep(10 * SECOND).await;
    let early = breaker.acquire().expect("a probe");

    change(&breaker, |config| config.probes = 1);
    assert!(breaker.is_open());
    let probe = breaker.acquire().expect("the one probe");
    assert!(breaker.acquire().is_none());
    finish(&breaker, early, Code::Unavailable);
    finish(&breaker, probe, Code::Ok);
    assert!(!breaker.is_open());
}

#[tokio::test(start_paused = true)]
async fn all_breakers_of_an_endpoint_go_by_the_new_rules() {
    let per_method = |min_requests| {
        settings(&config::Breaker {
            per_method: true,
            min_requests,
            ..config::Breaker::default()
        })
    };
    let address = ADDRESS.parse().expect("valid");
    let old = Arc::new(Breakers::new(&per_method(3), address));
    let fail = |breakers: &Breakers, path: &str, times: usize| {
        for _ in 0..times {
            let permit = breakers.acquire(path).expect("closed");
            breakers.finish(permit, Code::Internal, None, Instant::now());
        }
        breakers.is_open(path)
    };
    assert!(fail(&old, "/a.A/Bad", 3));
    assert!(!fail(&old, "/a.A/Fair", 2));
    let new = old.renewed(&per_method(5), address);
    assert!(new.is_open("/a.A/Bad"), "it stays open");
    assert!(!fail(&new, "/a.A/Fair", 2));
    // A call that began before counts on.
    assert!(fail(&old, "/a.A/Fair", 1));
    assert!(!fail(&new, "/a.A/New", 4));

    let one = new.renewed(&settings(&config::Breaker::default()), address);
    assert!(!one.is_open("/a.A/Bad"));
    assert!(fail(&one, "/a.A/Bad", 3));
    assert!(one.is_open("/a.A/Fair"), "it is one for all");
}

#[tokio::test(start_paused = true)]
async fn changes_are_told() {
    let target = "static:///10.9.9.9:9";
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&told);
    on_breaker_change(move |change| {
        if &*change.target == target {
            hook.lock().expect("no panic").push(change.clone());
        }
    });
    let Settings { service, rules, .. } = Settings::new(target, &config::Breaker::default());
    let address = ADDRESS.parse().expect("valid");
    let breaker = Breaker::new(service, rules, address, Some("/a.A/B"));
    fail_until_open(&breaker);
    sleep(60 * SECOND).await;
    for _ in 0..3 {
        call(&breaker, Code::Ok);
    }
    let change = |number, from, to| BreakerChange {
        target: target.into(),
        endpoint: address,
        method: Some("/a.A/B".into()),
        from,
        to,
        number,
    };
    let expected = [
        change(1, BreakerState::Closed, BreakerState::Open),
        change(2, BreakerState::Open, BreakerState::HalfOpen),
        change(3, BreakerState::HalfOpen, BreakerState::Closed),
    ];
    assert_eq!(*told.lock().expect("no panic"), expected);
}
