use super::*;

#[test]
fn the_client_has_many_settings() {
    let folder = Folder::new().file(
        "default.toml",
        "[client]\nmax_in_flight = 100\nmin_backoff = \"1s\"\nmax_backoff = \"120s\"\n\
         [client.balance]\npolicy = \"p2c\"\nsubset_size = 20\n\
         [client.breaker]\nconsecutive_failures = 5\nslow_call_duration = \"1s\"\n\
         slow_call_ratio = 0.9\nper_method = true\n\
         [client.outlier]\nenabled = true\nmax_ejection_percent = 20\n\
         [client.outlier.success_rate]\nenabled = false\n\
         [client.outlier.failure_percentage]\nthreshold = 50\n",
    );
    let client = folder.load(&[]).expect("valid").client;
    let mut expected = Client {
        max_in_flight: 100,
        min_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(120),
        ..Client::default()
    };
    expected.balance.policy = BalancePolicy::P2c;
    expected.balance.subset_size = 20;
    expected.breaker.consecutive_failures = 5;
    expected.breaker.slow_call_duration = Duration::from_secs(1);
    expected.breaker.slow_call_ratio = Ratio::new(0.9).expect("a ratio");
    expected.breaker.per_method = true;
    expected.outlier.enabled = true;
    expected.outlier.max_ejection_percent = Percent::of(20);
    expected.outlier.success_rate.enabled = false;
    expected.outlier.failure_percentage.threshold = Percent::of(50);
    assert_eq!(client, expected);

    let error = |name, value| Folder::new().error(&[(name, value)]);
    assert_eq!(
        error("APP_CLIENT__BALANCE__POLICY", "weighted_round_robbin"),
        "failed to load the environment variable APP_CLIENT__BALANCE__POLICY: \
         `client.balance.policy`: expected one of round_robin, weighted_round_robin, random, p2c, \
         got \"weighted_round_robbin\", did you mean \"weighted_round_robin\"?"
    );
    assert_eq!(
        error("APP_CLIENT__OUTLIER__PANIC_THRESHOLD", "101"),
        "failed to load the environment variable APP_CLIENT__OUTLIER__PANIC_THRESHOLD: \
         `client.outlier.panic_threshold`: expected a percentage from 0 to 100, \
         got integer `101`"
    );
}

#[test]
fn retries_are_configured_by_method_too() {
    let folder = Folder::new().file(
        "default.toml",
        "[client.retry]\nmultiplier = 1.5\n\
         [client.retry.methods.\"user.v1.Users/Get\"]\ncodes = [\"ABORTED\"]\n\
         [client.retry.methods.\"user.v1.Users/List\".hedging]\ndelay = \"5ms\"\n",
    );
    let config = folder.load(&[]).expect("valid").client.retry;
    let codes = vec![RetryCode::new(tonic::Code::Aborted).expect("a failure")];
    let get = RetryMethod {
        codes: Some(codes),
        ..RetryMethod::default()
    };
    let hedging = Hedging {
        delay: Duration::from_millis(5),
        ..Hedging::default()
    };
    let list = RetryMethod {
        hedging: Some(hedging),
        ..RetryMethod::default()
    };
    let methods = [("user.v1.Users/Get", get), ("user.v1.Users/List", list)];
    let expected = Retry {
        multiplier: Multiplier::new(1.5).expect("valid"),
        methods: methods.map(|(name, it)| (name.to_owned(), it)).into(),
        ..Retry::default()
    };
    assert_eq!(config, expected);

    let error = |name, value| Folder::new().error(&[(name, value)]);
    assert_eq!(
        error("APP_CLIENT__RETRY__CODES", "[\"OK\"]"),
        "failed to load the environment variable APP_CLIENT__RETRY__CODES: \
         `client.retry.codes.0`: expected a status code such as \"UNAVAILABLE\", got string \"OK\""
    );
    assert_eq!(
        error("APP_CLIENT__RETRY__MULTIPLIER", "0.5"),
        "failed to load the environment variable APP_CLIENT__RETRY__MULTIPLIER: \
         `client.retry.multiplier`: expected a factor of at least 1, got floating point `0.5`"
    );
}
