//! What is to be done when something happens to a process: pure, events in, decisions out.

use std::time::Duration;

/// The first wait before a process that ended by itself is started again.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

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
    pub fn ready(&mut self, number: usize) -> Decision {
        self.phases[number] = Phase::Ready;
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
    pub fn exited(&mut self, number: usize) -> Decision {
        self.phases[number] = Phase::Ended;
        if self.stopping {
            let all = self.alive().next().is_none();
            return if all { Decision::Done } else { Decision::None };
        }
        if !self.announced || !self.restarts {
            return Decision::Fail(number);
        }
        self.phases[number] = Phase::Waiting;
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
        let mut supervisor = Supervisor::new(2, true);
        assert_eq!(supervisor.ready(1), Decision::None);
        assert_eq!(supervisor.starting().collect::<Vec<_>>(), [0]);
        assert_eq!(supervisor.ready(0), Decision::AllReady);
        assert_eq!(supervisor.ready(0), Decision::None);
    }

    #[test]
    fn a_crash_before_readiness_fails_and_later_ones_back_off() {
        let mut supervisor = Supervisor::new(1, true);
        assert_eq!(supervisor.clone().exited(0), Decision::Fail(0));
        supervisor.ready(0);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let expected = Decision::Restart(0, Duration::from_secs(seconds));
            assert_eq!(supervisor.exited(0), expected);
            supervisor.restarted(0);
            supervisor.ready(0);
        }
    }

    #[test]
    fn without_restarts_a_crash_is_the_end() {
        let mut supervisor = Supervisor::new(1, false);
        supervisor.ready(0);
        assert_eq!(supervisor.exited(0), Decision::Fail(0));
    }

    #[test]
    fn a_stop_is_done_when_the_last_one_ended() {
        let mut supervisor = Supervisor::new(3, true);
        for number in 0..3 {
            supervisor.ready(number);
        }
        supervisor.exited(2);
        assert_eq!(supervisor.stop(), Decision::None);
        assert_eq!(supervisor.exited(0), Decision::None);
        assert_eq!(supervisor.exited(1), Decision::Done);
    }
}
