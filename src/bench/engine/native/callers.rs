//! Callers, who each make a call and wait for its answer before the next.

use std::time::Instant;

use super::{Link, State};
use crate::bench::engine::line::Call;

impl Link {
    /// Has so many callers from now on: new ones are idle, and of those that are too many the idle ones go at
    /// once.
    pub(super) fn hire(&self, callers: usize) {
        let before = self.employed.replace(callers);
        let (more, fewer) = (
            callers.saturating_sub(before),
            before.saturating_sub(callers),
        );
        let staying = more.min(self.leaving.get());
        let going = fewer.min(self.idle.get());
        self.leaving
            .set(self.leaving.get() - staying + (fewer - going));
        self.idle.set(self.idle.get() + (more - staying) - going);
        self.limited.set(self.limited.get().min(self.idle.get()));
    }

    /// The caller of a call that ended is idle again, or goes.
    pub(super) fn come_back(&self) {
        if self.leaving.get() > 0 {
            self.leaving.set(self.leaving.get() - 1);
        } else if self.employed.get() > 0 {
            self.idle.set(self.idle.get() + 1);
        }
    }

    /// Sends the calls that wait, and then those of idle callers, as far as the server takes them.
    pub(super) fn refill(&self, now: Instant) {
        let state = self.state.borrow();
        let mut waiting = self.waiting.borrow_mut();
        match &*state {
            State::Up(wire) => {
                while let Some(call) = waiting.front()
                    && wire.start(&self.ledger, *call)
                {
                    waiting.pop_front();
                }
                if self.idle.get() == 0 {
                    return;
                }
                if wire.is_closed() {
                    // It takes none for now: calls wait for it, until they time out.
                    self.call_all(now, |call| waiting.push_back(call));
                } else if waiting.is_empty() {
                    let room = wire.room();
                    self.call(now, room, |call| {
                        wire.start(&self.ledger, call);
                    });
                    self.count_limited(now);
                }
            }
            State::Connecting => self.call_all(now, |call| waiting.push_back(call)),
            State::Down { .. } => {}
        }
    }

    fn call_all(&self, now: Instant, make: impl FnMut(Call)) {
        self.call(now, self.idle.get(), make);
    }

    /// Has idle callers make calls, so many at most.
    fn call(&self, now: Instant, most: usize, mut make: impl FnMut(Call)) {
        for _ in 0..self.idle.get().min(most) {
            let Some(measured) = self.ledger.admit(now) else {
                // They go home.
                self.idle.set(0);
                self.limited.set(0);
                return;
            };
            self.idle.set(self.idle.get() - 1);
            // Those who have waited longest are the first.
            self.limited.set(self.limited.get().saturating_sub(1));
            make(self.ledger.take_off(now, measured));
        }
    }

    /// Counts the callers that have come to wait for the server's limit.
    fn count_limited(&self, now: Instant) {
        let (idle, known) = (self.idle.get(), self.limited.get());
        if now >= self.ledger.clock().measured_from && idle > known {
            self.ledger.recorder.borrow_mut().limited += (idle - known) as u64;
            self.limited.set(idle);
        }
    }
}
