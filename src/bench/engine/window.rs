//! When a worker sends measured calls, what it takes in that time, and what ends in it.
//!
//! After the last call is sent, the worker only waits: one straggler would make it look idle, and the
//! service slow, if that time counted.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::sleep_until;

use crate::bench::stats::Recorder;

/// The time from the first measured call to the last.
pub(super) struct Window {
    from: Instant,
    /// When it ends at the latest, where that is known before.
    planned: Option<Instant>,
    closed: Cell<Option<Instant>>,
    /// The processor time at its beginning, and when that was looked at.
    began: Cell<Option<(Duration, Instant)>>,
    /// The share of it in which the worker was busy.
    busy: Cell<f64>,
    /// How much of it was spent on waiting for the next call without sleep.
    spun: Cell<Duration>,
    /// Calls that ended in it.
    ended: Cell<u64>,
}

impl Window {
    pub(super) fn new(from: Instant, planned: Option<Instant>) -> Rc<Self> {
        Rc::new(Self {
            from,
            planned,
            closed: Cell::new(None),
            began: Cell::new(None),
            busy: Cell::new(0.0),
            spun: Cell::new(Duration::ZERO),
            ended: Cell::new(0),
        })
    }

    /// Looks at the processor's clock when it begins, and closes it when that is planned.
    pub(super) async fn keep(self: Rc<Self>) {
        sleep_until(self.from.into()).await;
        self.began.set(Some((thread_cpu(), Instant::now())));
        if let Some(planned) = self.planned {
            sleep_until(planned.into()).await;
            self.close(planned);
        }
    }

    /// No more measured calls are sent; the first time counts.
    pub(super) fn close(&self, at: Instant) {
        if self.closed.get().is_some() {
            return;
        }
        let closed = self.until(at);
        self.closed.set(Some(closed));
        if let Some((cpu, since)) = self.began.get() {
            // What is over before its time leaves the worker idle for the rest of it.
            let wall = closed.saturating_duration_since(since).max(since.elapsed());
            let cpu = (thread_cpu() - cpu).saturating_sub(self.spun.get());
            if !wall.is_zero() {
                self.busy.set(cpu.as_secs_f64() / wall.as_secs_f64());
            }
        }
    }

    /// The processor was used for nothing but waiting.
    pub(super) fn spin(&self, time: Duration) {
        if self.began.get().is_some() && self.closed.get().is_none() {
            self.spun.set(self.spun.get() + time);
        }
    }

    /// A call ended, measured or not: those that the warm-up left are made up for by those that are
    /// left at the end.
    pub(super) fn count(&self, end: Instant) {
        let until = self.closed.get().unwrap_or(self.until(end));
        if (self.from..=until).contains(&end) {
            self.ended.set(self.ended.get() + 1);
        }
    }

    fn until(&self, at: Instant) -> Instant {
        self.planned.map_or(at, |planned| planned.min(at))
    }

    /// Writes down what was found; the window is closed.
    pub(super) fn note(&self, recorder: &mut Recorder) {
        let closed = self.closed.get().unwrap_or(self.from);
        recorder.window = closed.saturating_duration_since(self.from);
        recorder.ended_in_window = self.ended.get();
        recorder.busiest = self.busy.get();
        if let Some((cpu, _)) = self.began.get() {
            recorder.cpu = thread_cpu() - cpu;
        }
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls end every 100 ms from 250 ms before the window; what is counted, and how long it is.
    fn found(planned: Option<u64>, closed: Option<u64>) -> (u64, u128) {
        let begin = Instant::now();
        let from = begin + Duration::from_millis(250);
        let after = |milliseconds| from + Duration::from_millis(milliseconds);
        let window = Window::new(from, planned.map(after));
        for call in 0..20 {
            let end = begin + Duration::from_millis(call * 100);
            if let Some(closed) = closed.map(after).filter(|closed| *closed < end) {
                window.close(closed);
            }
            window.count(end);
        }
        window.close(begin + Duration::from_secs(2));
        let mut recorder = Recorder::default();
        window.note(&mut recorder);
        (recorder.ended_in_window, recorder.window.as_millis())
    }

    #[test]
    fn what_is_over_before_its_time_was_idle_for_the_rest() {
        let from = Instant::now();
        let window = Window::new(from, Some(from + Duration::from_secs(3_600)));
        window.began.set(Some((thread_cpu(), from)));
        while thread_cpu() - window.began.get().expect("set").0 < Duration::from_millis(1) {
            std::hint::black_box(());
        }
        window.close(from + Duration::from_secs(3_600));
        let busy = window.busy.get();
        assert!(busy > 0.0 && busy < 0.001, "{busy}");
    }

    #[test]
    fn what_ends_after_the_last_call_was_sent_is_no_part_of_it() {
        assert_eq!(found(Some(1_000), None), (10, 1_000));
        assert_eq!(found(None, Some(1_000)), (10, 1_000));
        assert_eq!(found(Some(1_000), Some(500)), (5, 500));
        assert_eq!(found(None, None), (17, 1_750));
    }
}
