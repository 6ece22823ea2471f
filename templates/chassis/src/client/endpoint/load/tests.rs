use super::*;
use crate::config;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The load of an endpoint, at a time after it came.
struct Scene {
    weighing: Weighing,
    load: Load,
    begin: Instant,
}

impl Scene {
    fn new() -> Self {
        Self::with(&config::Balance::default())
    }

    fn with(config: &config::Balance) -> Self {
        let begin = Instant::now();
        let weighing = Weighing::new(config, begin);
        let load = Load::new(&weighing);
        load.picked(Tick(0));
        Self {
            weighing,
            load,
            begin,
        }
    }

    /// In milliseconds, to the nearest.
    fn cost(&self, after: Duration) -> u64 {
        let now = self.weighing.tick(self.begin + after);
        (self.load.cost(&self.weighing, now) / 1e6).round() as u64
    }

    fn responds(&self, took: Duration, after: Duration) {
        self.load
            .responded(&self.weighing, took, self.begin + after);
    }

    fn is_starved(&self, after: Duration) -> bool {
        let now = self.weighing.tick(self.begin + after);
        self.load.is_starved(&self.weighing, now)
    }
}

#[test]
fn a_slow_sample_counts_at_once_and_is_forgotten_over_the_decay_time() {
    let scene = Scene::new();
    scene.responds(MILLI, Duration::ZERO);
    assert_eq!(scene.cost(Duration::ZERO), 1);
    scene.responds(1000 * MILLI, SECOND);
    assert_eq!(scene.cost(SECOND), 1000);
    // A tenth of the decay time weighs 1 - 1/e^0.1.
    scene.responds(100 * MILLI, 2 * SECOND);
    assert_eq!(scene.cost(2 * SECOND), 914);
    // 914 / e, without any further sample.
    assert_eq!(scene.cost(12 * SECOND), 336);
}

#[test]
fn it_does_not_matter_when_a_cost_is_looked_at() {
    let scene = Scene::new();
    scene.responds(1000 * MILLI, Duration::ZERO);
    for seconds in 0..10 {
        scene.cost(seconds * SECOND);
    }
    assert_eq!(scene.cost(10 * SECOND), 368);
}

#[test]
fn what_is_kept_of_an_estimate_falls_with_time() {
    let weighing = Scene::new().weighing;
    // The decay time is 152,588 ticks; below 4,577 it is approximated.
    for ticks in [0, 1, 100, 4_576, 4_578, 152_588, 1_000_000] {
        let exact = (-f64::from(ticks) / 152_588.0).exp();
        let kept = f64::from(weighing.kept(ticks));
        assert!((kept - exact).abs() < 1e-5, "{ticks}: {kept} and {exact}");
    }
}

#[test]
fn calls_in_flight_multiply_the_cost() {
    let scene = Scene::new();
    scene.responds(10 * MILLI, Duration::ZERO);
    scene.load.begin();
    scene.load.begin();
    assert_eq!(scene.cost(Duration::ZERO), 30);
    scene.load.end();
    scene.load.end();
    assert_eq!(scene.cost(Duration::ZERO), 10);
}

#[test]
fn a_new_endpoint_gets_one_call_until_it_has_answered() {
    let scene = Scene::new();
    let cost = || scene.load.cost(&scene.weighing, Tick(0));
    assert_eq!(cost(), 0.0);
    scene.load.begin();
    assert_eq!(cost(), f32::MAX);
    scene.responds(MILLI, Duration::ZERO);
    assert_eq!(scene.cost(Duration::ZERO), 2);
}

#[test]
fn a_fast_failure_costs_the_penalty() {
    let fails = |config: &config::Balance| {
        let scene = Scene::with(config);
        scene.load.failed(&scene.weighing, MILLI, scene.begin);
        scene.cost(Duration::ZERO)
    };
    assert_eq!(fails(&config::Balance::default()), 5000);
    let without = config::Balance {
        failure_penalty: config::Duration::from_secs(0),
        ..config::Balance::default()
    };
    assert_eq!(fails(&without), 1);
}

#[test]
fn a_call_that_was_given_up_only_raises_the_cost() {
    let scene = Scene::new();
    scene.responds(10 * MILLI, Duration::ZERO);
    let later = scene.begin + SECOND;
    scene.load.given_up(&scene.weighing, MILLI, later);
    assert_eq!(scene.cost(SECOND), 9);
    scene.load.given_up(&scene.weighing, 70 * MILLI, later);
    assert_eq!(scene.cost(SECOND), 70);
}

#[test]
fn one_caller_hears_that_an_endpoint_is_starved() {
    let scene = Scene::new();
    assert!(!scene.is_starved(SECOND - MILLI));
    assert!(scene.is_starved(SECOND));
    assert!(!scene.is_starved(SECOND));
    assert!(!scene.is_starved(2 * SECOND - MILLI));
    assert!(scene.is_starved(2 * SECOND));
}

#[test]
fn an_endpoint_with_a_call_in_flight_is_not_starved() {
    let scene = Scene::new();
    scene.load.begin();
    assert!(!scene.is_starved(3 * SECOND));
    scene.load.ended(&scene.weighing, scene.begin + 3 * SECOND);
    scene.load.end();
    assert!(!scene.is_starved(4 * SECOND - MILLI));
    assert!(scene.is_starved(4 * SECOND));
}
