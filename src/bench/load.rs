//! When calls start.
//!
//! In a *closed loop* a fixed number of callers each wait for an answer before the next call, so a slow
//! server is asked less: latency then excludes the time that calls would have queued. In an *open loop*
//! calls start by an absolute schedule whatever the server does, and latency counts from the intended
//! start. (Schroeder, Wierman, Harchol-Balter: "Open Versus Closed: A Cautionary Tale", NSDI 2006.)

use std::time::Duration;

use serde::Serialize;

/// A server that could not be reached for so long will not come back.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// Who decides when calls start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Model {
    /// Callers that wait for their answers.
    Closed {
        /// How many callers.
        concurrency: usize,
    },
    /// A schedule.
    Open {
        /// Calls a second.
        rate_per_second: f64,
        /// Calls that are due wait while so many are in flight.
        max_in_flight: usize,
    },
}

/// The whole of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Who decides when calls start.
    pub model: Model,
    /// Connections to open.
    pub connections: usize,
    /// Threads to share them.
    pub threads: usize,
    /// Calls that start within this time from the beginning are not measured.
    pub warm_up: Duration,
    /// Measured calls start within this time after that; `None`: until there are enough.
    pub duration: Option<Duration>,
    /// How many calls to measure; `None`: as many as the time allows.
    pub calls: Option<u64>,
    /// When a call is given up.
    pub timeout: Duration,
}

/// What one of several workers does of a whole: `total` cut into `workers` parts that differ by at most
/// one.
pub fn share(total: u64, workers: usize, index: usize) -> u64 {
    let (workers, index) = (workers as u64, index as u64);
    total / workers + u64::from(index < total % workers)
}

/// The intended starts of the calls of one worker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    rate: f64,
    workers: u64,
    /// The number of the next call among those of all workers.
    next: u64,
    /// The number of the first measured call.
    first_measured: u64,
    /// The number after that of the last call.
    end: u64,
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
    /// The schedule of the worker `index` of `workers` at `rate` calls a second in all.
    pub fn new(plan: &Plan, rate: f64, workers: usize, index: usize) -> Self {
        let calls_within =
            |time: Duration| (time.as_secs_f64() * rate - 1e-9).ceil().max(0.0) as u64;
        let first_measured = calls_within(plan.warm_up);
        let end_by_time = plan
            .duration
            .map_or(u64::MAX, |duration| calls_within(plan.warm_up + duration));
        let end_by_count = plan
            .calls
            .map_or(u64::MAX, |calls| first_measured.saturating_add(calls));
        Self {
            rate,
            workers: workers as u64,
            next: index as u64,
            first_measured,
            end: end_by_time.min(end_by_count),
        }
    }

    /// When the call after the last one would be due, from the beginning; none, if there is no last one.
    pub fn over_at(&self) -> Option<Duration> {
        (self.end < u64::MAX).then(|| Duration::from_secs_f64(self.end as f64 / self.rate))
    }

    /// How many measured calls of those that are left are due by this time from the beginning.
    pub fn due_by(&self, time: Duration) -> u64 {
        // The same rounding as that of the intended starts, so that none is due before its time.
        let numbers = (time.as_secs_f64() * self.rate + 1e-9).floor() as u64;
        let end = self.end.min(numbers.saturating_add(1));
        let before = |end: u64| end.saturating_sub(self.next).div_ceil(self.workers);
        before(end) - before(self.first_measured.min(end))
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        if self.next >= self.end {
            return None;
        }
        let number = self.next;
        self.next += self.workers;
        Some(Due {
            // From the beginning, never from the call before: errors do not add up.
            at: Duration::from_secs_f64(number as f64 / self.rate),
            measured: number >= self.first_measured,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(warm_up: f64, duration: Option<f64>, calls: Option<u64>) -> Plan {
        Plan {
            model: Model::Open {
                rate_per_second: 1.0,
                max_in_flight: 1,
            },
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
                        let counted = schedule.filter(|due| due.measured && due.at <= time);
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
    fn shares_add_up() {
        for total in [0, 1, 5, 50, 101] {
            for workers in 1..8 {
                let sum: u64 = (0..workers).map(|index| share(total, workers, index)).sum();
                assert_eq!(sum, total);
            }
        }
    }
}
