//! Outcomes of the last while, in slots that age together.

use std::time::Duration;

use tokio::time::Instant;

/// An outcome is forgotten at most a tenth of the window too early.
const SLOTS: usize = 10;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Which slot of all time this is.
    number: u64,
    requests: u32,
    failures: u32,
}

/// How many calls ended, and failed, within the last `SLOTS` slots.
#[derive(Debug)]
pub(super) struct Window {
    begin: Instant,
    slot_length: Duration,
    slots: [Slot; SLOTS],
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        Self {
            begin: now,
            slot_length: (length / SLOTS as u32).max(Duration::from_nanos(1)),
            slots: [Slot::default(); SLOTS],
        }
    }

    pub(super) fn add(&mut self, failed: bool, now: Instant) {
        let number = self.number(now);
        let slot = &mut self.slots[number as usize % SLOTS];
        if slot.number != number {
            *slot = Slot {
                number,
                ..Slot::default()
            };
        }
        slot.requests = slot.requests.saturating_add(1);
        slot.failures = slot.failures.saturating_add(u32::from(failed));
    }

    /// Requests and failures.
    pub(super) fn totals(&self, now: Instant) -> (u32, u32) {
        let newest = self.number(now);
        let live = self
            .slots
            .iter()
            .filter(|slot| newest - slot.number < SLOTS as u64);
        live.fold((0, 0), |(requests, failures), slot| {
            (
                u32::saturating_add(requests, slot.requests),
                u32::saturating_add(failures, slot.failures),
            )
        })
    }

    fn number(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.begin);
        (elapsed.as_nanos() / self.slot_length.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_count_for_the_length_of_the_window() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut window = Window::new(Duration::from_secs(10), begin);
        window.add(true, at(0));
        window.add(false, at(500));
        window.add(true, at(5_000));
        assert_eq!(window.totals(at(9_999)), (3, 2));
        assert_eq!(window.totals(at(10_000)), (1, 1));
        assert_eq!(window.totals(at(14_999)), (1, 1));
        assert_eq!(window.totals(at(15_000)), (0, 0));
    }

    #[test]
    fn a_slot_is_used_anew_when_its_time_comes_again() {
        let begin = Instant::now();
        let mut window = Window::new(Duration::from_secs(10), begin);
        window.add(true, begin);
        window.add(false, begin + Duration::from_secs(10));
        assert_eq!(window.totals(begin + Duration::from_secs(10)), (1, 0));
    }
}
