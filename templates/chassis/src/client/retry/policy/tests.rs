//! How configuration becomes policies.

use super::*;
use crate::config::{Hedging, RetryMethod};

fn retry(policy: &Policy) -> &RetryPolicy {
    match policy {
        Policy::Retry(policy) => policy,
        other => panic!("not a retry policy: {other:?}"),
    }
}

#[test]
fn pauses_double_up_to_the_maximum_give_or_take_a_fifth() {
    let policy = Policy::new(&config::Retry::default(), &RetryMethod::default(), false);
    let policy = retry(&policy);
    let millis = |index, random| policy.backoff_with(index, random).as_millis();
    let bounds: Vec<_> = (0..6).map(|n| (millis(n, 0.0), millis(n, 1.0))).collect();
    let expected = [
        (40, 60),
        (80, 120),
        (160, 240),
        (320, 480),
        (640, 960),
        (800, 1200),
    ];
    assert_eq!(bounds, expected);
    let pauses: Vec<_> = (0..100).map(|_| policy.backoff(0)).collect();
    let all_within = |pause: &Duration| (40..=60).contains(&pause.as_millis());
    assert!(pauses.iter().all(all_within), "{pauses:?}");
    assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn pauses_beyond_all_bounds_are_the_longest() {
    let mut config = config::Retry {
        max_backoff: config::Duration::from_secs(u64::MAX),
        ..config::Retry::default()
    };
    config.initial_backoff = config.max_backoff;
    let policy = Policy::new(&config, &RetryMethod::default(), false);
    assert_eq!(
        retry(&policy).backoff_with(1, 1.0),
        Duration::from_secs(u64::MAX)
    );
}

#[test]
fn a_method_overrides_its_service_and_both_the_defaults() {
    let mut config = config::Retry::default();
    let mut add = |name: &str, method| config.methods.insert(name.to_owned(), method);
    let off = RetryMethod {
        enabled: Some(false),
        ..RetryMethod::default()
    };
    add("user.v1.Users", off);
    let more = RetryMethod {
        max_attempts: Some(9),
        codes: config::RetryCode::new(Code::Aborted).map(|code| vec![code]),
        ..RetryMethod::default()
    };
    add("user.v1.Users/Get", more);
    let hedging = RetryMethod {
        hedging: Some(Hedging::default()),
        ..RetryMethod::default()
    };
    add("/user.v1.Users/List", hedging);

    let policies = Policies::new(&config, &Idempotent::default());
    let of = |path| policies.of(path).clone();
    assert_eq!(retry(&of("/order.v1.Orders/Get")).max_attempts, 3);
    assert_eq!(of("/user.v1.Users/Create"), Policy::Once);
    let get = of("/user.v1.Users/Get");
    assert_eq!(retry(&get).max_attempts, 5, "more than A6 allows for");
    assert!(retry(&get).codes.contains(Code::Aborted));
    assert!(!retry(&get).codes.contains(Code::Unavailable));
    let hedge = HedgePolicy {
        max_attempts: 2,
        delay: Delay::Fixed(Duration::from_millis(100)),
        non_fatal: Codes(1 << Code::Unavailable as u32),
        streams: Arc::new(RetryPolicy::once()),
    };
    assert_eq!(of("/user.v1.Users/List"), Policy::Hedge(Arc::new(hedge)));
}

#[test]
fn one_attempt_is_no_retry() {
    let config = config::Retry {
        max_attempts: 1,
        ..config::Retry::default()
    };
    let policy = Policy::new(&config, &RetryMethod::default(), false);
    assert_eq!(policy, Policy::Once);
}

#[test]
fn what_may_be_done_twice_is_hedged_unless_something_else_is_said() {
    let mut config = config::Retry::default();
    let known = Idempotent::only("user.v1.Users/Get");
    let of = |config: &config::Retry, path| Policies::new(config, &known).of(path).clone();
    let (get, create) = ("/user.v1.Users/Get", "/user.v1.Users/Create");
    let plain = Policy::new(&config, &RetryMethod::default(), false);
    let half = Policy::Hedge(Arc::new(HedgePolicy {
        max_attempts: 3,
        delay: Delay::HalfOfWhatIsLeft,
        non_fatal: Codes(1 << Code::Unavailable as u32),
        streams: Arc::new(retry(&plain).clone()),
    }));
    assert_eq!(of(&config, get), half);
    assert_eq!(retry(&of(&config, create)).max_attempts, 3);
    config.only_idempotent = true;
    assert_eq!(of(&config, get), half);
    assert_eq!(of(&config, create), Policy::Once);

    // What is configured is stronger: for a service, and more so for a method.
    let mut add = |name: &str, method| config.methods.insert(name.to_owned(), method);
    let patient = RetryMethod {
        attempt_timeout: Some(config::Duration::from_secs(1)),
        ..RetryMethod::default()
    };
    add("user.v1.Users", patient);
    let idempotent = RetryMethod {
        idempotent: Some(true),
        ..RetryMethod::default()
    };
    add("user.v1.Users/Create", idempotent);
    let get = of(&config, get);
    assert_eq!(retry(&get).attempt_timeout, Some(Duration::from_secs(1)));
    assert_eq!(of(&config, create), half);
}
