//! What one worker knows of its calls, whichever engine makes them.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use super::line::Call;
use super::window::Window;
use super::{Interval, Job};
use crate::bench::dialogue::Dialogue;
use crate::bench::load::{Model, share};
use crate::bench::stats::{Ended, Recorder};
use crate::bench::template::Moment;
use crate::code::Code;

/// How much is read at a time.
const BUFFER: usize = 128 << 10;

/// The books of a worker.
pub(super) struct Ledger {
    pub(super) job: Arc<Job>,
    pub(super) recorder: RefCell<Recorder>,
    pub(super) interval: RefCell<Interval>,
    is_open_loop: bool,
    clock: OnceCell<Clock>,
    /// How many calls may still be measured.
    budget: Cell<u64>,
    /// Told when it is spent.
    spent: Notify,
    in_flight: Cell<usize>,
    /// That of the next call.
    number: Cell<u64>,
    /// The messages of the last call.
    made: RefCell<Vec<u8>>,
    /// The same moment by two clocks; the second counts from 1970.
    clocks: (Instant, Duration),
    /// Whether anybody wants to know when calls end.
    is_watched: Cell<bool>,
    /// Told when calls ended, if so.
    pub(super) freed: Notify,
    /// Since when no more calls shall start, for the bench is broken off.
    over_since: Cell<Option<Instant>>,
    pub(super) over: Notify,
    /// Told when a task panicked.
    pub(super) died: Notify,
    last_end: Cell<Option<Instant>>,
    /// What its connections read to, one at a time.
    pub(super) buffer: RefCell<Box<[u8]>>,
}

/// When is what.
#[derive(Clone)]
pub(super) struct Clock {
    /// When the load begins.
    pub(super) begin: Instant,
    /// When measured calls start.
    pub(super) measured_from: Instant,
    /// When no more calls start.
    pub(super) ends: Option<Instant>,
    pub(super) window: Rc<Window>,
}

impl Ledger {
    /// Those of the worker `index`.
    pub(super) fn new(job: Arc<Job>, index: usize) -> Rc<Self> {
        let plan = &job.plan;
        let budget = plan
            .calls
            .map_or(u64::MAX, |calls| share(calls, plan.threads, index));
        Rc::new(Self {
            is_open_loop: matches!(plan.model, Model::Open { .. }),
            recorder: RefCell::default(),
            interval: RefCell::default(),
            clock: OnceCell::new(),
            budget: Cell::new(budget),
            spent: Notify::new(),
            in_flight: Cell::new(0),
            number: Cell::new(job.first_number + index as u64),
            made: RefCell::default(),
            clocks: (
                Instant::now(),
                SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default(),
            ),
            is_watched: Cell::new(false),
            freed: Notify::new(),
            over_since: Cell::new(None),
            over: Notify::new(),
            died: Notify::new(),
            last_end: Cell::new(None),
            buffer: RefCell::new(vec![0; BUFFER].into()),
            job,
        })
    }

    /// Says when is what, once.
    pub(super) fn begin(&self, clock: Clock) {
        let is_first = self.clock.set(clock).is_ok();
        debug_assert!(is_first);
    }

    /// When is what; calls are made only after the beginning.
    pub(super) fn clock(&self) -> &Clock {
        self.clock.get().expect("the load has begun")
    }

    /// Whether a caller may make another call now, and whether it is measured; `None` at the end.
    pub(super) fn admit(&self, now: Instant) -> Option<bool> {
        let clock = self.clock();
        if self.is_over() || clock.ends.is_some_and(|end| now >= end) {
            return None;
        }
        let measured = now >= clock.measured_from;
        if measured {
            let left = self.budget.get().checked_sub(1)?;
            self.budget.set(left);
            if left == 0 {
                clock.window.close(now);
                self.spent.notify_one();
            }
        }
        Some(measured)
    }

    /// Whether no more calls can be measured.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.get() == 0
    }

    /// Waits until then.
    pub(super) async fn spent(&self) {
        self.spent.notified().await;
    }

    /// One more call is in flight, begun when it was meant to; [`Ledger::land`] lands it.
    pub(super) fn take_off(&self, now: Instant, measured: bool) -> Call {
        self.in_flight.set(self.in_flight.get() + 1);
        let number = self.number.get();
        self.number.set(number + self.job.plan.threads as u64);
        Call {
            intended: now,
            sent: now,
            measured,
            refusals: 0,
            number,
            messages: self.job.payload.count as u32,
            bytes: self.job.payload.fixed.len() as u32,
        }
    }

    /// The messages of a call with their prefixes, and its headers, where not all calls have the same.
    pub(super) fn make(
        &self,
        call: &mut Call,
        give_header: impl FnMut(&str, &[u8]),
    ) -> Ref<'_, Vec<u8>> {
        let payload = &self.job.payload;
        let now = self.moment(call.sent);
        let mut made = self.made.borrow_mut();
        made.clear();
        payload.put_messages(call.number, now, &mut made);
        call.bytes = made.len() as u32;
        drop(made);
        payload.metadata(call.number, now, give_header);
        self.made.borrow()
    }

    /// One of the messages of a call, with its prefix, for those that are sent one by one.
    pub(super) fn message(&self, call: &Call, index: u64, now: Instant) -> Ref<'_, Vec<u8>> {
        let mut made = self.made.borrow_mut();
        made.clear();
        let payload = &self.job.payload;
        payload.put_message(call.number, index, self.moment(now), &mut made);
        drop(made);
        self.made.borrow()
    }

    /// The headers that a call has for itself.
    pub(super) fn metadata(&self, call: &Call, give: impl FnMut(&str, &[u8])) {
        let payload = &self.job.payload;
        payload.metadata(call.number, self.moment(call.sent), give);
    }

    fn moment(&self, now: Instant) -> Moment {
        if !self.job.payload.needs_the_time() {
            return Moment::default();
        }
        let (instant, moment) = self.clocks;
        let now = moment + now.saturating_duration_since(instant);
        Moment {
            seconds: now.as_secs(),
            nanos: now.subsec_nanos(),
        }
    }

    /// Messages of a response came.
    pub(super) fn hear(&self, call: &Call, dialogue: &mut Dialogue, messages: u64, now: Instant) {
        let mut recorder = self.recorder.borrow_mut();
        let times = call
            .measured
            .then(|| &mut **recorder.streams.get_or_insert_default());
        dialogue.hear(messages, now, times);
    }

    /// Whether the response to a call is to be looked at.
    pub(super) fn samples(&self, call: &Call) -> bool {
        let checks = self.job.checks.as_ref();
        call.measured && checks.is_some_and(|checks| checks.samples(call.number))
    }

    /// Looks at the response to a call that succeeded.
    pub(super) fn look(&self, body: &[u8]) {
        if let Some(checks) = &self.job.checks {
            checks.look(body, &mut self.recorder.borrow_mut().findings);
        }
    }

    /// The number that no call has had.
    pub(super) fn next_number(&self) -> u64 {
        self.number.get()
    }

    /// A call ended. [`Ledger::announce`] is to be called after one or several.
    pub(super) fn land(&self, call: &Call, ended: &Ended, end: Instant) {
        let latency = end.saturating_duration_since(call.intended);
        {
            let mut interval = self.interval.borrow_mut();
            interval.latencies.record(latency);
            interval.failures += u64::from(ended.code != Code::OK);
        }
        if call.measured {
            let mut recorder = self.recorder.borrow_mut();
            recorder.record(latency, ended);
            let due = call.intended;
            let at = due.saturating_duration_since(self.clock().measured_from);
            let failed = ended.code != Code::OK;
            recorder.timeline.record(at, latency, failed);
            recorder.messages_sent += u64::from(call.messages);
            recorder.bytes_sent += u64::from(call.bytes);
            if self.is_open_loop {
                recorder
                    .service
                    .record(end.saturating_duration_since(call.sent));
            }
            self.last_end.set(Some(end));
        }
        self.clock().window.count(end);
        self.in_flight.set(self.in_flight.get() - 1);
    }

    /// Tells whoever waits for calls to end.
    pub(super) fn announce(&self) {
        if self.is_watched.get() {
            self.freed.notify_one();
        }
    }

    /// Waits for calls to end.
    pub(super) async fn landed(&self) {
        self.is_watched.set(true);
        self.freed.notified().await;
        self.is_watched.set(false);
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// When the last measured call ended.
    pub(super) fn last_end(&self) -> Option<Instant> {
        self.last_end.get()
    }

    /// No more calls start.
    pub(super) fn break_off(&self) {
        self.over_since.set(Some(Instant::now()));
        self.over.notify_waiters();
        self.over.notify_one();
    }

    /// Since when the bench is broken off.
    pub(super) fn over_since(&self) -> Option<Instant> {
        self.over_since.get()
    }

    /// Whether the bench is broken off.
    pub(super) fn is_over(&self) -> bool {
        self.over_since.get().is_some()
    }
}

/// What a call is that did not reach a server.
pub(super) fn unavailable(message: String) -> Ended {
    Ended {
        code: Code::UNAVAILABLE,
        message,
        messages: 0,
        bytes: 0,
    }
}

/// What a call is that took too long.
pub(super) fn timed_out(job: &Job) -> Ended {
    Ended {
        code: Code::DEADLINE_EXCEEDED,
        message: format!(
            "no answer within {}",
            crate::duration::exact(job.plan.timeout)
        ),
        messages: 0,
        bytes: 0,
    }
}
