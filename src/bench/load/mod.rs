//! When calls start.
//!
//! In a *closed loop* a fixed number of callers each wait for an answer before the next call, so a slow
//! server is asked less: latency then excludes the time that calls would have queued. In an *open loop*
//! calls start by an absolute schedule whatever the server does, and latency counts from the intended
//! start. (Schroeder, Wierman, Harchol-Balter: "Open Versus Closed: A Cautionary Tale", NSDI 2006.)

mod arrivals;
mod profile;
mod schedule;

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

pub use arrivals::Arrivals;
pub use profile::{HIGHEST_RATE, LOWEST_RATE, Profile, ProfileError};
pub use schedule::{Due, Schedule};

/// A server that could not be reached for so long will not come back.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// Who decides when calls start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Model {
    /// Callers that wait for their answers.
    Closed {
        /// How many callers; where that changes, when the profile is the highest.
        concurrency: usize,
    },
    /// A schedule.
    Open {
        /// Calls a second; where that changes, on average over the time of the profile.
        rate_per_second: f64,
        /// Calls that are due wait while so many are in flight.
        max_in_flight: usize,
    },
}

/// The whole of a load.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which of the loads of a mix it is, from 0 on.
    pub number: usize,
    /// Who decides when calls start.
    pub model: Model,
    /// The calls a second of an open loop, or the callers of a closed one, over the time of the measurement;
    /// `None`: always the same.
    pub profile: Option<Profile>,
    /// In an open loop: how calls follow each other.
    pub arrivals: Arrivals,
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

impl Plan {
    /// How many callers a closed loop has at this time from the beginning of the measurement, in seconds;
    /// none in an open one.
    pub fn callers_at(&self, seconds: f64) -> usize {
        match (self.model, &self.profile) {
            (Model::Closed { concurrency }, None) => concurrency,
            (Model::Closed { .. }, Some(profile)) => profile.callers_at(seconds),
            (Model::Open { .. }, _) => 0,
        }
    }
}

/// What one of several workers does of a whole: `total` cut into `workers` parts that differ by at most
/// one.
pub fn share(total: u64, workers: usize, index: usize) -> u64 {
    let (workers, index) = (workers as u64, index as u64);
    total / workers + u64::from(index < total % workers)
}

/// What one of several methods gets of a whole, from here to there of 1: the parts of all add up to the
/// whole, to the nearest number.
pub fn part_of(whole: f64, part: &Range<f64>) -> usize {
    let upto = |share: f64| (whole * share).round() as usize;
    upto(part.end).saturating_sub(upto(part.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for total in [0, 1, 5, 50, 101] {
            for workers in 1..8 {
                let sum: u64 = (0..workers).map(|index| share(total, workers, index)).sum();
                assert_eq!(sum, total);
            }
        }
    }

    /// The callers at the beginning of a profile, of methods with these shares.
    fn callers(profile: &str, shares: &[Range<f64>]) -> Vec<usize> {
        let whole: Profile = profile.parse().expect(profile);
        let callers = shares.iter().map(|share| {
            let plan = Plan {
                number: 0,
                model: Model::Closed { concurrency: 0 },
                profile: Some(whole.part(share.clone())),
                arrivals: Arrivals::Constant,
                connections: 1,
                threads: 1,
                warm_up: Duration::ZERO,
                duration: None,
                calls: None,
                timeout: Duration::MAX,
            };
            plan.callers_at(0.0)
        });
        callers.collect()
    }

    #[test]
    fn the_callers_of_methods_add_up_to_those_of_the_profile() {
        let thirds = [0.0..1.0 / 3.0, 1.0 / 3.0..2.0 / 3.0, 2.0 / 3.0..1.0];
        assert_eq!(callers("const:4/5s", &thirds), [1, 2, 1]);
        for all in 3..100 {
            let callers = callers(&format!("const:{all}/5s"), &thirds);
            assert_eq!(callers.iter().sum::<usize>(), all);
        }
        // Each method has one, but where there are none at all.
        let uneven = [0.0..0.9, 0.9..1.0];
        assert_eq!(callers("const:20/5s", &uneven), [18, 2]);
        assert_eq!(callers("const:2/5s", &uneven), [2, 1]);
        assert_eq!(callers("const:0.3/5s", &uneven), [1, 1]);
        assert_eq!(callers("step:0,20/5s", &uneven), [0, 0]);
    }
}
