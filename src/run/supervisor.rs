//! What is to be done when something happens to a process: pure, events in, decisions out.

use std::time::{Duration, Instant};

/// The first wait before a process that ended by itself is started again.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A process that was ready for so long starts with the first wait again.
const STEADY: Duration = Duration::from_secs(60);

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Started, not ready yet.
    Starting,
    /// Ready, at least once.
    Ready,
    /// Ended by itself; it will be started again.
    Waiting,
    /// Ended for good.
    Ended,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    None,
    /// All are ready for the first time: tell the addresses.
    AllReady,
    /// Start this one again after a wait.
    Restart(usize, Duration),
    /// Give up: stop the others, fail.
    Fail(usize),
    /// All have ended after they were asked to.
    Done,
}

/// The phases of all processes.
#[derive(Clone, Debug)]
pub struct Supervisor {
    phases: Vec<Phase>,
    crashes: Vec<u32>,
    /// Since when each is ready.
    ready_since: Vec<Option<Instant>>,
    restarts: bool,
    announced: bool,
    stopping: bool,
}

impl Supervisor {
    /// For `count` processes, which are started again when they end, or not.
    pub fn new(count: usize, restarts: bool) -> Self {
        Self {
            phases: vec![Phase::Starting; count],
            crashes: vec![0; count],
            ready_since: vec![None; count],
            restarts,
            announced: false,
            stopping: false,
        }
    }

    /// Whether all have been ready.
    pub fn is_running(&self) -> bool {
        self.announced
    }

    /// Those that are not ready yet.
    pub fn starting(&self) -> impl Iterator<Item = usize> {
        let phases = self.phases.iter().enumerate();
        phases
            .filter(|(_, phase)| **phase == Phase::Starting)
            .map(|(number, _)| number)
    }

    /// Those that have a process.
    pub fn alive(&self) -> impl Iterator<Item = usize> {
        let is_alive = |phase: &Phase| matches!(phase, Phase::Starting | Phase::Ready);
        let phases = self.phases.iter().enumerate();
        phases
            .filter(move |(_, phase)| is_alive(phase))
            .map(|(number, _)| number)
    }

    /// A process is ready.
    pub fn ready(&mut self, number: usize, now: Instant) -> Decision {
        self.phases[number] = Phase::Ready;
        self.ready_since[number] = Some(now);
        let all = self.phases.iter().all(|phase| *phase == Phase::Ready);
        if all && !self.announced {
            self.announced = true;
            return Decision::AllReady;
        }
        Decision::None
    }

    /// A process has been started again.
    pub fn restarted(&mut self, number: usize) {
        self.phases[number] = Phase::Starting;
    }

    /// A process has ended. Before all were ready once, or without restarts, that is the end of it
    /// all.
    pub fn exited(&mut self, number: usize, now: Instant) -> Decision {
        self.phases[number] = Phase::Ended;
        if self.stopping {
            let all = self.alive().next().is_none();
            return if all { Decision::Done } else { Decision::None };
        }
        if !self.announced || !self.restarts {
            return Decision::Fail(number);
        }
        self.phases[number] = Phase::Waiting;
        let ready_for = self.ready_since[number]
            .take()
            .map(|since| now.saturating_duration_since(since));
        if ready_for.is_some_and(|it| it >= STEADY) {
            self.crashes[number] = 0;
        }
        let backoff = FIRST_BACKOFF * 2_u32.saturating_pow(self.crashes[number].min(16));
        self.crashes[number] += 1;
        Decision::Restart(number, backoff.min(LONGEST_BACKOFF))
    }

    /// All are to stop; `Done` when there is nothing to wait for.
    pub fn stop(&mut self) -> Decision {
        self.stopping = true;
        let none = self.alive().next().is_none();
        if none { Decision::Done } else { Decision::None }
    }

    /// Whether all were asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_once_when_all_are_ready() {
        let now = Instant::now();
        let mut supervisor = Supervisor::new(2, true);
        assert_eq!(supervisor.ready(1, now), Decision::None);
        assert_eq!(supervisor.starting().collect::<Vec<_>>(), [0]);
        assert_eq!(supervisor.ready(0, now), Decision::AllReady);
        assert_eq!(supervisor.ready(0, now), Decision::None);
    }

    #[test]
    fn a_crash_before_readiness_fails_and_later_ones_back_off() {
        let now = Instant::now();
        let mut supervisor = Supervisor::new(1, true);
        assert_eq!(supervisor.clone().exited(0, now), Decision::Fail(0));
        supervisor.ready(0, now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let expected = Decision::Restart(0, Duration::from_secs(seconds));
            assert_eq!(supervisor.exited(0, now), expected);
            supervisor.restarted(0);
            supervisor.ready(0, now);
        }
    }

    #[test]
    fn a_steady_time_is_the_end_of_the_back_off() {
        let mut now = Instant::now();
        let mut supervisor = Supervisor::new(1, true);
        let mut crash_after = |ready_for| {
            supervisor.restarted(0);
            supervisor.ready(0, now);
            now += ready_for;
            supervisor.exited(0, now)
        };
        let wait = |seconds| Decision::Restart(0, Duration::from_secs(seconds));
        let a_moment = Duration::from_millis(1);
        assert_eq!(crash_after(a_moment), wait(1));
        assert_eq!(crash_after(STEADY - a_moment), wait(2));
        assert_eq!(crash_after(STEADY), wait(1));
        assert_eq!(crash_after(a_moment), wait(2));
    }

    #[test]
    fn without_restarts_a_crash_is_the_end() {
        let now = Instant::now();
        let mut supervisor = Supervisor::new(1, false);
        supervisor.ready(0, now);
        assert_eq!(supervisor.exited(0, now), Decision::Fail(0));
    }

    #[test]
    fn a_stop_is_done_when_the_last_one_ended() {
        let now = Instant::now();
        let mut supervisor = Supervisor::new(3, true);
        for number in 0..3 {
            supervisor.ready(number, now);
        }
        supervisor.exited(2, now);
        assert_eq!(supervisor.stop(), Decision::None);
        assert_eq!(supervisor.exited(0, now), Decision::None);
        assert_eq!(supervisor.exited(1, now), Decision::Done);
    }
}
