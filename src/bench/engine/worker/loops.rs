//! Who starts calls, and when: the callers of a closed loop, the pacer of an open one.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn_local, yield_now};

use super::alarm::OnPanic;
use super::{Worker, until};
use crate::bench::engine::link::Link;
use crate::bench::engine::timer::Timer;
use crate::bench::load::Schedule;

/// Calls that are due at the end of the time are still sent within this time.
const LAST_CALL: Duration = Duration::from_millis(50);
/// A pacer that is behind its schedule lets answers in after so many calls.
const BURST: usize = 16;

impl Worker {
    /// Callers that each wait for an answer before the next call.
    pub(super) async fn closed_loop(self: Rc<Self>, callers: usize) {
        let mut tasks = JoinSet::new();
        for number in 0..callers {
            let link = Rc::clone(&self.links[number % self.links.len()]);
            tasks.spawn_local(Rc::clone(&self).caller(link));
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn caller(self: Rc<Self>, link: Rc<Link>) {
        let _alarm = OnPanic(|| self.died.notify_one());
        let mut now = Instant::now();
        let mut is_limited = false;
        while !self.is_over() && self.ends.is_none_or(|end| now < end) {
            let measured = now >= self.measured_from;
            if !link.has_room() {
                if measured && !is_limited {
                    is_limited = true;
                    self.recorder.borrow_mut().limited += 1;
                }
                tokio::select! {
                    () = link.room() => {}
                    () = self.over.notified() => {}
                    () = until(self.ends) => {}
                }
                now = Instant::now();
                continue;
            }
            if measured {
                match self.budget.get() {
                    0 => {
                        self.window.close(now);
                        link.pass_on();
                        return;
                    }
                    left => {
                        self.budget.set(left - 1);
                        if left == 1 {
                            self.window.close(now);
                        }
                    }
                }
            }
            self.take_off();
            let place = link.take();
            now = self.call(&link, now, now, measured).await;
            drop(place);
            is_limited = false;
            if link.down().is_some() {
                // Without a connection a call fails at once: one for each attempt to connect is enough.
                tokio::select! {
                    () = link.changed() => {}
                    () = self.over.notified() => {}
                    () = until(self.ends) => {}
                }
                now = Instant::now();
            }
        }
    }

    /// Calls at their intended times, whatever came of those before.
    pub(super) async fn open_loop(
        self: Rc<Self>,
        begin: Instant,
        mut schedule: Schedule,
        cap: usize,
    ) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut burst = 0;
        let mut number = 0;
        // From a call that waits for others until the schedule is caught up with.
        let mut is_held_back = false;
        // The same where it is the server that allows no more.
        let mut is_limited = false;
        while let Some(due) = schedule.next() {
            let intended = begin + due.at;
            let mut now = Instant::now();
            if now < intended {
                burst = 0;
                is_held_back = false;
                is_limited = false;
                timer.sleep_until(intended).await;
                now = Instant::now();
            }
            let mut link = None;
            while !self.is_over() && !self.is_past(now) {
                if self.in_flight.get() < cap {
                    link = self.next_link(&mut number);
                    if link.is_some() {
                        break;
                    }
                    is_limited = true;
                }
                is_held_back = true;
                tokio::select! {
                    () = self.freed.notified() => {}
                    () = self.over.notified() => {}
                    () = until(self.ends.map(|end| end + LAST_CALL)) => {}
                }
                now = Instant::now();
            }
            let Some(link) = link else {
                // What was still to come when the bench was broken off was never due.
                let time = self.over_since.get().unwrap_or(now) - begin;
                let this = u64::from(due.measured && due.at <= time);
                self.recorder.borrow_mut().unsent += this + schedule.due_by(time);
                break;
            };
            if due.measured {
                let mut recorder = self.recorder.borrow_mut();
                recorder.limited += u64::from(is_limited);
                if is_held_back {
                    recorder.held_back += 1;
                } else {
                    recorder.lateness.record(now - intended);
                }
            }
            self.take_off();
            let place = link.take();
            let worker = Rc::clone(&self);
            spawn_local(async move {
                let _alarm = OnPanic(|| worker.died.notify_one());
                worker.call(&link, intended, now, due.measured).await;
                drop(place);
            });
            burst += 1;
            if burst % BURST == 0 {
                yield_now().await;
            }
        }
        while self.in_flight.get() > 0 {
            self.freed.notified().await;
        }
        Ok(())
    }

    fn is_past(&self, now: Instant) -> bool {
        self.ends.is_some_and(|end| now >= end + LAST_CALL)
    }

    /// Connections take turns; those that are lost are passed over while there are others. None, when
    /// all that there are have as many calls as the server allows.
    fn next_link(&self, number: &mut usize) -> Option<Rc<Link>> {
        let count = self.links.len();
        let first = *number;
        let mut is_any_up = false;
        for step in 1..=count {
            let turn = (first + step) % count;
            let link = &self.links[turn];
            is_any_up |= link.is_up();
            if link.is_up() && link.has_room() {
                *number = turn;
                return Some(Rc::clone(link));
            }
        }
        *number = (first + 1) % count;
        (!is_any_up).then(|| Rc::clone(&self.links[*number]))
    }
}
