use std::time::Duration;

use super::*;
use crate::config::Percent;

const SECOND: Duration = Duration::from_secs(1);

/// Endpoints, and what a sweep over them says.
struct Scene {
    config: config::Outlier,
    records: Vec<Record>,
    now: Instant,
}

impl Scene {
    fn new(count: usize, config: config::Outlier) -> Self {
        Self {
            config,
            records: vec![Record::default(); count],
            now: Instant::now(),
        }
    }

    /// Ten seconds later, after these successes and failures: the endpoints that were ejected, and
    /// for how many seconds, and those that returned.
    fn sweep(&mut self, tallies: &[(u32, u32)]) -> (Vec<(usize, Cause, u64)>, Vec<usize>) {
        self.sweep_with(tallies, || 0)
    }

    fn sweep_with(
        &mut self,
        tallies: &[(u32, u32)],
        percent: impl FnMut() -> u8,
    ) -> (Vec<(usize, Cause, u64)>, Vec<usize>) {
        self.now += 10 * SECOND;
        let hosts = self.records.iter_mut().zip(tallies.iter().copied());
        let (mut ejected, mut returned) = (Vec::new(), Vec::new());
        for (index, change) in sweep(&self.config, hosts, self.now, percent) {
            match change {
                Change::Ejected {
                    cause,
                    for_at_least,
                } => ejected.push((index, cause, for_at_least.as_secs())),
                Change::Returned => returned.push(index),
            }
        }
        (ejected, returned)
    }

    fn ejected(&self) -> Vec<usize> {
        let records = self.records.iter().enumerate();
        let ejected = records.filter(|(_, record)| record.is_ejected());
        ejected.map(|(index, _)| index).collect()
    }
}

fn defaults() -> config::Outlier {
    config::Outlier::default()
}

fn only_percentage() -> config::Outlier {
    let mut config = defaults();
    config.success_rate.enabled = false;
    config
}

const NOTHING: (Vec<(usize, Cause, u64)>, Vec<usize>) = (Vec::new(), Vec::new());
const GOOD: (u32, u32) = (100, 0);
const BAD: (u32, u32) = (0, 100);
/// Not enough calls to judge by.
const IDLE: (u32, u32) = (0, 49);

#[test]
fn one_far_below_the_mean_is_ejected() {
    let mut scene = Scene::new(5, defaults());
    let tallies = [GOOD, GOOD, (50, 50), GOOD, GOOD];
    let ejected = vec![(2, Cause::SuccessRate, 30)];
    assert_eq!(scene.sweep(&tallies), (ejected, vec![]));
}

/// The documentation of `client.outlier.enabled` says so.
#[test]
fn one_failure_in_a_hundred_calls_is_enough_where_the_others_have_none() {
    let mut scene = Scene::new(5, defaults());
    let tallies = [GOOD, GOOD, GOOD, GOOD, (99, 1)];
    let ejected = vec![(4, Cause::SuccessRate, 30)];
    assert_eq!(scene.sweep(&tallies), (ejected, vec![]));
}

#[test]
fn too_few_calls_or_endpoints_say_nothing() {
    let mut scene = Scene::new(5, defaults());
    let tallies = [GOOD, GOOD, GOOD, IDLE, (49, 50)];
    assert_eq!(scene.sweep(&tallies), NOTHING);
    let mut scene = Scene::new(4, defaults());
    assert_eq!(scene.sweep(&[GOOD, GOOD, GOOD, BAD]), NOTHING);
}

#[test]
fn endpoints_that_are_alike_are_no_outliers() {
    let mut scene = Scene::new(5, defaults());
    assert_eq!(scene.sweep(&[(80, 20); 5]), NOTHING);
    let tallies = [(80, 20), (82, 18), (78, 22), (81, 19), (79, 21)];
    assert_eq!(scene.sweep(&tallies), NOTHING);
}

#[test]
fn one_above_the_limit_of_failures_is_ejected() {
    let mut scene = Scene::new(5, only_percentage());
    let tallies = [(15, 85), IDLE, IDLE, (7, 43), IDLE];
    let ejected = vec![(3, Cause::FailurePercentage, 30)];
    assert_eq!(scene.sweep(&tallies), (ejected, vec![]));
}

#[test]
fn it_returns_after_its_time_which_grows_and_shrinks() {
    let mut scene = Scene::new(5, only_percentage());
    let bad = [BAD, GOOD, GOOD, GOOD, GOOD];
    let away = [(0, 0), GOOD, GOOD, GOOD, GOOD];
    let good = [GOOD; 5];
    let ejected = |seconds| (vec![(0, Cause::FailurePercentage, seconds)], vec![]);
    let returned = (vec![], vec![0]);

    assert_eq!(scene.sweep(&bad), ejected(30));
    assert_eq!([scene.sweep(&away), scene.sweep(&away)], [NOTHING, NOTHING]);
    assert_eq!(scene.sweep(&away), returned);
    assert_eq!(scene.sweep(&bad), ejected(60));
    for _ in 0..5 {
        assert_eq!(scene.sweep(&away), NOTHING);
    }
    assert_eq!(scene.sweep(&away), returned);
    // One interval without a fault forgives one ejection.
    assert_eq!(scene.sweep(&good), NOTHING);
    assert_eq!(scene.sweep(&bad), ejected(60));
}

#[test]
fn the_time_has_a_limit() {
    let mut scene = Scene::new(5, only_percentage());
    let bad = [BAD, GOOD, GOOD, GOOD, GOOD];
    scene.records[0].multiplier = 12;
    let ejected = vec![(0, Cause::FailurePercentage, 300)];
    assert_eq!(scene.sweep(&bad), (ejected, vec![]));
    scene.config.base_ejection = config::Duration::from_secs(400);
    scene.records[0] = Record::default();
    let ejected = vec![(0, Cause::FailurePercentage, 400)];
    assert_eq!(scene.sweep(&bad), (ejected, vec![]));
}

#[test]
fn no_more_than_the_limit_are_ejected_but_always_one() {
    let mut config = only_percentage();
    for (percent, expected) in [(0, 1), (10, 2), (15, 3), (100, 20)] {
        config.max_ejection_percent = Percent::of(percent);
        let mut scene = Scene::new(20, config.clone());
        scene.sweep(&[BAD; 20]);
        assert_eq!(scene.ejected().len(), expected, "{percent} %");
    }
}

#[test]
fn enforcement_decides_by_chance() {
    let mut config = only_percentage();
    config.failure_percentage.enforcement_percent = Percent::of(50);
    config.max_ejection_percent = Percent::of(100);
    let mut scene = Scene::new(5, config.clone());
    let mut dice = [0, 49, 50, 99, 7].into_iter();
    scene.sweep_with(&[BAD; 5], || dice.next().expect("five are thrown"));
    assert_eq!(scene.ejected(), [0, 1, 4]);

    config.failure_percentage.enforcement_percent = Percent::of(0);
    let mut scene = Scene::new(5, config);
    assert_eq!(scene.sweep(&[BAD; 5]), NOTHING);
}

#[test]
fn each_algorithm_can_be_turned_off() {
    let mut config = only_percentage();
    config.failure_percentage.enabled = false;
    let mut scene = Scene::new(5, config);
    assert_eq!(scene.sweep(&[GOOD, GOOD, GOOD, GOOD, BAD]), NOTHING);
}

#[test]
fn when_more_than_half_are_ejected_none_is_treated_so() {
    let config = defaults();
    assert!(!is_panicking(&config, 2, 4));
    assert!(is_panicking(&config, 3, 5));
    let never = config::Outlier {
        panic_threshold: Percent::of(100),
        ..config
    };
    assert!(!is_panicking(&never, 5, 5));
}
