//! Outcomes of the last while, in slots that age together.

use std::time::Duration;

use tokio::time::Instant;

use super::state::Outcome;

/// An outcome is forgotten at most a tenth of the window too early.
const SLOTS: usize = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which slot of all time this is.
    number: u64,
    totals: Totals,
}

/// How many calls ended, failed and were slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) requests: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

/// The calls of the last `SLOTS` slots.
#[derive(Debug)]
pub(super) struct Window {
    begin: Instant,
    /// In nanoseconds.
    slot_length: u64,
    slots: [Slot; SLOTS],
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            begin: now,
            slot_length: (nanos(length) / SLOTS as u64).max(1),
            slots: [Slot::default(); SLOTS],
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome, now: Instant) {
        let (failed, slow) = match outcome {
            Outcome::Success => (false, false),
            Outcome::Slow => (false, true),
            Outcome::Failure { slow } => (true, slow),
            Outcome::Neutral => return,
        };
        let number = self.number(now);
        let slot = &mut self.slots[number as usize % SLOTS];
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot.totals.add(Totals {
            requests: 1,
            failures: u32::from(failed),
            slow: u32::from(slow),
        });
    }

    pub(super) fn totals(&self, now: Instant) -> Totals {
        let newest = self.number(now);
        let mut totals = Totals::default();
        for slot in &self.slots {
            // A late call may be told with an earlier time than another.
            if newest.saturating_sub(slot.number) < SLOTS as u64 {
                totals.add(slot.totals);
            }
        }
        totals
    }

    fn number(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.begin)) / self.slot_length
    }
}

impl Totals {
    fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.failures = self.failures.saturating_add(more.failures);
        self.slow = self.slow.saturating_add(more.slow);
    }
}

/// 584 years at most.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURE: Outcome = Outcome::Failure { slow: false };

    fn totals(requests: u32, failures: u32, slow: u32) -> Totals {
        Totals {
            requests,
            failures,
            slow,
        }
    }

    #[test]
    fn outcomes_count_for_the_length_of_the_window() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut window = Window::new(Duration::from_secs(10), begin);
        window.add(FAILURE, at(0));
        window.add(Outcome::Slow, at(500));
        window.add(Outcome::Failure { slow: true }, at(5_000));
        assert_eq!(window.totals(at(9_999)), totals(3, 2, 2));
        assert_eq!(window.totals(at(10_000)), totals(1, 1, 1));
        assert_eq!(window.totals(at(14_999)), totals(1, 1, 1));
        assert_eq!(window.totals(at(15_000)), totals(0, 0, 0));
    }

    #[test]
    fn a_slot_is_used_anew_when_its_time_comes_again() {
        let begin = Instant::now();
        let mut window = Window::new(Duration::from_secs(10), begin);
        window.add(FAILURE, begin);
        window.add(Outcome::Success, begin + Duration::from_secs(10));
        let now = begin + Duration::from_secs(10);
        assert_eq!(window.totals(now), totals(1, 0, 0));
    }
}
