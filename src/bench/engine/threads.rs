//! How many threads make the calls, where nobody said so.
//!
//! One is best for as long as it is enough: it has all connections, and leaves the other cores to the
//! server where that runs on the same machine. A short trial at the beginning of the warm-up tells.

use std::time::Duration;

use super::{EngineError, Job, Progress, Wish, run};
use crate::bench::load::Plan;

/// A thread that is busy for more than this share of the time may need others beside it.
const BUSY: f64 = 0.6;
/// A core that is idle for less than this share of the time is not.
const IDLE: f64 = 0.75;
/// How long the trial takes at most; it never takes more than half of the warm-up.
const TRIAL: Duration = Duration::from_millis(500);

/// The job with as many threads as it needs: one, unless a trial in the warm-up shows that it is too busy
/// for one, and that other cores have nothing to do. Without a warm-up nothing is tried, for then all
/// calls that are made are those that were asked for.
///
/// # Errors
/// [`EngineError`] when no connection can be opened.
pub fn choose(mut job: Job, tick: impl FnMut(&Progress<'_>) -> Wish) -> Result<Job, EngineError> {
    job.plan.threads = 1;
    if job.plan.connections == 1 || job.plan.warm_up.is_zero() {
        return Ok(job);
    }
    let length = TRIAL.min(job.plan.warm_up / 2);
    let trial = Job {
        plan: Plan {
            warm_up: Duration::ZERO,
            duration: Some(length),
            calls: None,
            ..job.plan.clone()
        },
        ..job.clone()
    };
    let before = idle_time();
    let outcome = run(trial, tick)?;
    let idle = match (before, idle_time()) {
        (Some(before), Some(after)) if !outcome.elapsed.is_zero() => {
            (after.saturating_sub(before)).as_secs_f64() / outcome.elapsed.as_secs_f64()
        }
        _ => 0.0,
    };
    // Numbers are not used twice.
    job.first_number = outcome.recorder.next_number;
    job.plan.warm_up -= length;
    job.plan.threads = wanted(outcome.recorder.busiest, idle, job.plan.connections);
    Ok(job)
}

/// How many threads a load wants that keeps one busy for this share of the time, while so many cores are
/// idle.
fn wanted(busy: f64, idle_cores: f64, connections: usize) -> usize {
    if busy <= BUSY || idle_cores < IDLE {
        return 1;
    }
    let others = (idle_cores + 1.0 - IDLE).floor() as usize;
    connections.min(1 + others)
}

/// For how long the cores of this machine have been idle, all together; `None` where nothing tells.
fn idle_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    parse(&text)
}

/// The idle time in Linux's `/proc/stat` (proc_stat(5)): the fourth and fifth figures of its first line,
/// in hundredths of a second.
fn parse(stat: &str) -> Option<Duration> {
    let (_, figures) = stat.lines().next()?.split_once("cpu ")?;
    let figures: Vec<u64> = figures
        .split_whitespace()
        .map_while(|figure| figure.parse().ok())
        .collect();
    let idle = figures.get(3)? + figures.get(4)?;
    Some(Duration::from_millis(idle * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_need_a_busy_one_and_idle_cores() {
        for (busy, idle, connections, threads) in [
            (0.59, 8.0, 8, 1),
            (0.99, 0.5, 8, 1),
            (0.61, 0.8, 8, 2),
            (0.99, 1.7, 8, 2),
            (0.99, 1.8, 8, 3),
            (0.99, 6.9, 4, 4),
        ] {
            assert_eq!(wanted(busy, idle, connections), threads, "{busy}, {idle}");
        }
    }

    #[test]
    fn the_idle_time_is_read_as_linux_writes_it() {
        let stat = "cpu  3816 10 1522 50271 1500 0 7 200 0 0\ncpu0 1 2 3 4\n";
        assert_eq!(parse(stat), Some(Duration::from_millis(517_710)));
        assert_eq!(parse("cpu  1 2 3"), None);
        assert_eq!(parse(""), None);
    }
}
