//! The intended starts of calls.

use std::time::Duration;

use super::arrivals::{Arrivals, Gaps};
use super::profile::Profile;
use super::{Plan, share};

/// The random distances of a load of a mix are those of other workers than the distances of other loads.
const WORKERS_OF_A_LOAD: usize = 1 << 16;

/// The intended starts of the calls of one worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The rate over the time from the beginning of the warm-up.
    profile: Profile,
    workers: u64,
    calls: Calls,
}

/// The calls that are left.
#[derive(Clone, Debug, PartialEq)]
enum Calls {
    /// Each has its number among those of all workers.
    Numbered {
        /// That of the next.
        next: u64,
        /// That of the first measured one.
        first_measured: u64,
        /// That after the last one.
        end: u64,
        /// How many are due at once.
        burst: u64,
    },
    /// They are as many as the profile says only on average.
    Random {
        /// Where the next one stands among those of all workers.
        place: f64,
        gaps: Gaps,
        /// When calls begin to be measured, from the beginning.
        warm_up: f64,
        /// When no more are due.
        ends: f64,
        /// How many may still be measured.
        left: u64,
    },
}

/// One call of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The intended start, from the beginning.
    pub at: Duration,
    /// Whether it is measured.
    pub measured: bool,
}

impl Schedule {
    /// The schedule of the worker `index` of `workers`, at `rate` calls a second in all unless the plan
    /// has a profile.
    pub fn new(plan: &Plan, rate: f64, workers: usize, index: usize) -> Self {
        let profile = match &plan.profile {
            None => Profile::constant(rate),
            Some(profile) => profile.after(plan.warm_up),
        };
        let calls = match plan.arrivals {
            Arrivals::Constant => numbered(plan, &profile, index, 1),
            Arrivals::Burst(burst) => numbered(plan, &profile, index, burst),
            Arrivals::Poisson => {
                let mut gaps = Gaps::of_worker(plan.number * WORKERS_OF_A_LOAD + index);
                let ends = plan.duration.map(|duration| plan.warm_up + duration);
                Calls::Random {
                    place: gaps.next() * workers as f64,
                    gaps,
                    warm_up: plan.warm_up.as_secs_f64(),
                    ends: ends.map_or(f64::INFINITY, |ends| ends.as_secs_f64()),
                    left: plan
                        .calls
                        .map_or(u64::MAX, |calls| share(calls, workers, index)),
                }
            }
        };
        Self {
            profile,
            workers: workers as u64,
            calls,
        }
    }

    /// When the call after the last one would be due, from the beginning; none, if there is no last one.
    pub fn over_at(&self) -> Option<Duration> {
        let over = match self.calls {
            Calls::Numbered { end: u64::MAX, .. } => None,
            Calls::Numbered { end, .. } => {
                let end = end as f64;
                // The calls of a profile may end before they are as many as were wished for.
                let last = || self.profile.length().as_secs_f64();
                Some(self.profile.time_at(end).unwrap_or_else(last))
            }
            Calls::Random { left, ends, .. } if left == u64::MAX => {
                ends.is_finite().then_some(ends)
            }
            Calls::Random { .. } => self.clone().last().map(|due| due.at.as_secs_f64()),
        };
        over.map(Duration::from_secs_f64)
    }

    /// How many measured calls of those that are left are due by this time from the beginning.
    pub fn due_by(&self, time: Duration) -> u64 {
        match self.calls {
            Calls::Numbered {
                next,
                first_measured,
                end,
                burst,
            } => {
                // The same rounding as that of the intended starts, so that none is due before its time.
                let numbers = (self.profile.calls_by(time.as_secs_f64()) + 1e-9).floor() as u64;
                let bursts = (numbers / burst).saturating_add(1);
                let end = end.min(bursts.saturating_mul(burst));
                let before = |end: u64| end.saturating_sub(next).div_ceil(self.workers);
                before(end) - before(first_measured.min(end))
            }
            Calls::Random { .. } => self
                .clone()
                .take_while(|due| due.at <= time)
                .filter(|due| due.measured)
                .count() as u64,
        }
    }
}

fn numbered(plan: &Plan, profile: &Profile, index: usize, burst: u64) -> Calls {
    let calls_within = |time: Duration| {
        let calls = (profile.calls_by(time.as_secs_f64()) - 1e-9)
            .ceil()
            .max(0.0) as u64;
        calls.div_ceil(burst) * burst
    };
    let first_measured = calls_within(plan.warm_up);
    let end_by_time = plan
        .duration
        .map_or(u64::MAX, |duration| calls_within(plan.warm_up + duration));
    let end_by_count = plan
        .calls
        .map_or(u64::MAX, |calls| first_measured.saturating_add(calls));
    Calls::Numbered {
        next: index as u64,
        first_measured,
        end: end_by_time.min(end_by_count),
        burst,
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        match &mut self.calls {
            Calls::Numbered {
                next,
                first_measured,
                end,
                burst,
            } => {
                if *next >= *end {
                    return None;
                }
                let number = *next;
                *next += self.workers;
                // From the beginning, never from the call before: errors do not add up.
                let at = self.profile.time_at((number / *burst * *burst) as f64)?;
                Some(Due {
                    at: Duration::from_secs_f64(at),
                    measured: number >= *first_measured,
                })
            }
            Calls::Random {
                place,
                gaps,
                warm_up,
                ends,
                left,
            } => {
                let at = self.profile.time_at(*place).filter(|at| at < ends)?;
                *place += gaps.next() * self.workers as f64;
                let measured = at >= *warm_up;
                if measured {
                    *left = left.checked_sub(1)?;
                }
                Some(Due {
                    at: Duration::from_secs_f64(at),
                    measured,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Model;

    fn plan(warm_up: f64, duration: Option<f64>, calls: Option<u64>) -> Plan {
        Plan {
            number: 0,
            model: Model::Open {
                rate_per_second: 1.0,
                max_in_flight: 1,
            },
            profile: None,
            arrivals: Arrivals::Constant,
            connections: 1,
            threads: 1,
            warm_up: Duration::from_secs_f64(warm_up),
            duration: duration.map(Duration::from_secs_f64),
            calls,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_schedule_has_as_many_calls_as_rate_and_time_give() {
        for rate in [0.5, 1.0, 3.0, 999.0, 1_000.0, 33_333.3] {
            for seconds in [0.5, 1.0, 2.0, 10.0] {
                let schedule = Schedule::new(&plan(0.0, Some(seconds), None), rate, 1, 0);
                let expected = (rate * seconds - 1e-9).ceil() as u64;
                assert_eq!(
                    schedule.due_by(Duration::from_secs_f64(seconds)),
                    expected,
                    "{rate}/s for {seconds} s"
                );
                assert_eq!(
                    schedule.count() as u64,
                    expected,
                    "{rate}/s for {seconds} s"
                );
            }
        }
    }

    #[test]
    fn random_calls_of_the_loads_of_a_mix_do_not_come_together() {
        let mut plan = plan(0.0, Some(10.0), None);
        plan.arrivals = Arrivals::Poisson;
        let mut starts = |number| -> Vec<Duration> {
            plan.number = number;
            Schedule::new(&plan, 100.0, 1, 0)
                .map(|due| due.at)
                .collect()
        };
        let (first, second) = (starts(0), starts(1));
        assert!(first.iter().all(|start| !second.contains(start)));
        assert_eq!(first, starts(0));
    }

    #[test]
    fn workers_share_the_schedule_of_one() {
        let plan = plan(0.1, Some(1.0), None);
        let whole: Vec<Due> = Schedule::new(&plan, 777.0, 1, 0).collect();
        for workers in 2..6 {
            let mut parts: Vec<Due> = (0..workers)
                .flat_map(|index| Schedule::new(&plan, 777.0, workers, index))
                .collect();
            parts.sort_by_key(|due| due.at);
            assert_eq!(parts, whole, "{workers} workers");
        }
    }

    #[test]
    fn calls_of_the_warm_up_are_not_measured() {
        let dues: Vec<Due> = Schedule::new(&plan(0.5, None, Some(3)), 4.0, 1, 0).collect();
        let shown: Vec<(u128, bool)> = dues
            .iter()
            .map(|due| (due.at.as_millis(), due.measured))
            .collect();
        assert_eq!(
            shown,
            [
                (0, false),
                (250, false),
                (500, true),
                (750, true),
                (1000, true)
            ]
        );
    }

    #[test]
    fn the_last_call_takes_its_time_as_every_other() {
        for (duration, calls, milliseconds) in [
            (Some(10.0), None, Some(10_500)),
            (Some(0.1), None, Some(750)),
            (None, Some(3), Some(1_250)),
            (Some(10.0), Some(3), Some(1_250)),
            (None, None, None),
        ] {
            let schedule = Schedule::new(&plan(0.5, duration, calls), 4.0, 2, 1);
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(schedule.over_at(), expected, "{duration:?}, {calls:?}");
        }
    }

    #[test]
    fn a_call_is_due_from_its_intended_start_on() {
        let plan = plan(0.5, Some(600.0), None);
        for workers in 1..4 {
            for index in 0..workers {
                let mut schedule = Schedule::new(&plan, 30.0, workers, index);
                for _ in 0..3 {
                    for milliseconds in [0, 499, 500, 501, 1_000, 10_007, 600_499, 700_000] {
                        let time = Duration::from_millis(milliseconds);
                        let counted = schedule
                            .clone()
                            .filter(|due| due.measured && due.at <= time);
                        let expected = counted.count() as u64;
                        assert_eq!(schedule.due_by(time), expected, "{time:?} of {schedule:?}");
                    }
                    schedule.next();
                }
            }
        }
    }

    #[test]
    fn the_schedule_does_not_drift() {
        let schedule = Schedule::new(&plan(0.0, None, Some(10_000_001)), 30_000.0, 1, 0);
        let last = schedule.last().expect("not empty");
        let exact = 10_000_000.0 / 30_000.0;
        assert!((last.at.as_secs_f64() - exact).abs() < 2e-9);
    }

    #[test]
    fn bursts_are_due_at_once_and_share_the_rate() {
        let mut plan = plan(0.5, Some(1.0), None);
        plan.arrivals = Arrivals::Burst(4);
        let times = |workers: usize, index| -> Vec<(u128, bool)> {
            let schedule = Schedule::new(&plan, 8.0, workers, index);
            schedule
                .map(|due| (due.at.as_millis(), due.measured))
                .collect()
        };
        let of = |time, measured| std::iter::repeat_n((time, measured), 4);
        let all: Vec<_> = of(0, false)
            .chain(of(500, true))
            .chain(of(1_000, true))
            .collect();
        assert_eq!(times(1, 0), all);
        let mut parts = [times(3, 0), times(3, 1), times(3, 2)].concat();
        parts.sort_unstable();
        assert_eq!(parts, all);
        let schedule = Schedule::new(&plan, 8.0, 1, 0);
        assert_eq!(schedule.over_at(), Some(Duration::from_millis(1_500)));
        let due = |milliseconds| schedule.due_by(Duration::from_millis(milliseconds));
        assert_eq!(
            [due(499), due(500), due(999), due(1_000), due(9_000)],
            [0, 4, 4, 8, 8]
        );
    }

    #[test]
    fn random_calls_are_as_many_as_the_rate_says_on_average() {
        let mut plan = plan(1.0, Some(10.0), None);
        plan.arrivals = Arrivals::Poisson;
        let counted: usize = (0..4)
            .map(|index| {
                let schedule = Schedule::new(&plan, 5_000.0, 4, index);
                assert_eq!(schedule.over_at(), Some(Duration::from_secs(11)));
                let measured = schedule.clone().filter(|due| due.measured).count();
                assert_eq!(schedule.due_by(Duration::from_secs(60)), measured as u64);
                let times: Vec<Duration> = schedule.map(|due| due.at).collect();
                assert!(times.is_sorted() && times.last() < Some(&Duration::from_secs(11)));
                measured
            })
            .sum();
        // The deviation of so many is the root of their number, 224.
        assert!((49_000..51_000).contains(&counted), "{counted}");
        plan.duration = None;
        plan.calls = Some(1_000);
        let schedule = Schedule::new(&plan, 100.0, 1, 0);
        let over = schedule.over_at();
        let measured: Vec<Due> = schedule.filter(|due| due.measured).collect();
        assert_eq!(
            (measured.len(), measured.last().map(|due| due.at)),
            (1_000, over)
        );
    }

    #[test]
    fn a_profile_is_followed_from_the_end_of_the_warm_up() {
        let mut plan = plan(1.0, None, None);
        plan.profile = Some("step:2,0,4/1s".parse().expect("a profile"));
        plan.duration = Some(Duration::from_secs(3));
        let schedule = Schedule::new(&plan, 0.0, 1, 0);
        let times: Vec<(u128, bool)> = schedule
            .clone()
            .map(|due| (due.at.as_millis(), due.measured))
            .collect();
        let measured = [1_000, 1_500, 3_000, 3_250, 3_500, 3_750].map(|time| (time, true));
        assert_eq!(times, [&[(0, false), (500, false)], &measured[..]].concat());
        assert_eq!(schedule.over_at(), Some(Duration::from_secs(4)));
    }
}
