//! One thread that makes its share of the calls on its share of the connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::{JoinSet, spawn_local, yield_now};
use tokio::time::{sleep, sleep_until, timeout_at};

use super::exchange::{NotTaken, exchange};
use super::link::Link;
use super::timer::Timer;
use super::window::Window;
use super::{Interval, Job, Order, Report, Shown};
use crate::bench::load::{GIVE_UP, Model, Schedule, share};
use crate::bench::stats::{Ended, Recorder};
use crate::client::connect::ConnectError;
use crate::code::Code;

/// How often the worker shows what it does.
const SHOW: Duration = Duration::from_millis(200);
/// How often a call that the server does not take is sent.
const ATTEMPTS: usize = 3;
/// When a bench is broken off, answers are waited for no longer than this.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// Calls that are due at the end of the time are still sent within this time.
const LAST_CALL: Duration = Duration::from_millis(50);
/// A pacer that is behind its schedule lets answers in after so many calls.
const BURST: usize = 16;

struct Worker {
    job: Arc<Job>,
    links: Vec<Rc<Link>>,
    recorder: RefCell<Recorder>,
    interval: RefCell<Interval>,
    /// When measured calls start.
    measured_from: Instant,
    /// When no more calls start.
    ends: Option<Instant>,
    /// How many calls may still be measured.
    budget: Cell<u64>,
    in_flight: Cell<usize>,
    /// Told when a call ended.
    freed: Notify,
    /// Since when no more calls shall start, for the bench is broken off.
    over_since: Cell<Option<Instant>>,
    over: Notify,
    /// Told when a task panicked.
    died: Notify,
    last_end: Cell<Instant>,
    window: Rc<Window>,
}

/// Does what it is told when a panic passes by: tokio keeps those of tasks to itself.
struct OnPanic<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0();
        }
    }
}

/// The body of a worker's thread.
pub(super) fn work(
    index: usize,
    job: Arc<Job>,
    shown: &Arc<Shown>,
    orders: watch::Receiver<Order>,
    reports: &mpsc::Sender<Report>,
) {
    let _alarm = OnPanic(|| {
        let _ = reports.send(Report::Died);
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(live(index, job, Arc::clone(shown), orders, reports));
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        // Nobody listens when the bench was broken off.
        let _ = reports.send(Report::Failed(error));
    }
}

async fn live(
    index: usize,
    job: Arc<Job>,
    shown: Arc<Shown>,
    mut orders: watch::Receiver<Order>,
    reports: &mpsc::Sender<Report>,
) -> io::Result<()> {
    let plan = &job.plan;
    let links: Vec<Rc<Link>> = (0..plan.connections)
        .filter(|number| number % plan.threads == index)
        .map(|number| Link::new(&job, number))
        .collect();
    let connected = connect(&links).await;
    let is_ready = connected.is_ok();
    let _ = reports.send(Report::Ready(connected));
    let begin = loop {
        let order = *orders.borrow_and_update();
        match order {
            Order::Begin(begin) if is_ready => break begin,
            Order::Stop | Order::Abort => return Ok(()),
            Order::Begin(_) | Order::Wait => {
                if orders.changed().await.is_err() {
                    return Ok(());
                }
            }
        }
    };
    let measured_from = begin + plan.warm_up;
    let ends = plan.duration.map(|duration| measured_from + duration);
    let schedule = match plan.model {
        Model::Closed { .. } => None,
        Model::Open {
            rate_per_second, ..
        } => Some(Schedule::new(plan, rate_per_second, plan.threads, index)),
    };
    let sent_by = match schedule {
        None => ends,
        // The last call takes its share of the time as every other does.
        Some(schedule) => schedule.over_at().map(|over| begin + over),
    };
    let worker = Rc::new(Worker {
        links,
        recorder: RefCell::default(),
        interval: RefCell::default(),
        measured_from,
        ends,
        budget: Cell::new(
            plan.calls
                .map_or(u64::MAX, |calls| share(calls, plan.threads, index)),
        ),
        in_flight: Cell::new(0),
        freed: Notify::new(),
        over_since: Cell::new(None),
        over: Notify::new(),
        died: Notify::new(),
        last_end: Cell::new(measured_from),
        window: Window::new(measured_from, sent_by),
        job: Arc::clone(&job),
    });
    spawn_local(Rc::clone(&worker).show(index, shown));
    spawn_local(Rc::clone(&worker.window).keep());
    sleep_until(begin.into()).await;
    let load = async {
        match (plan.model, schedule) {
            (Model::Open { max_in_flight, .. }, Some(schedule)) => {
                let cap = share(max_in_flight as u64, plan.threads, index).max(1) as usize;
                Rc::clone(&worker).open_loop(begin, schedule, cap).await
            }
            (Model::Closed { concurrency }, _) => {
                let callers = share(concurrency as u64, plan.threads, index);
                Rc::clone(&worker).closed_loop(callers as usize).await;
                Ok(())
            }
            (Model::Open { .. }, None) => Ok(()),
        }
    };
    tokio::select! {
        loaded = load => loaded?,
        () = worker.break_off(&mut orders) => {}
        () = worker.died.notified() => {
            let _ = reports.send(Report::Died);
            return Ok(());
        }
    }
    let mut recorder = worker.recorder.take();
    recorder.abandoned = worker.in_flight.get() as u64;
    recorder.connections_lost = worker.links.iter().map(|link| link.lost()).sum();
    let sent = worker.over_since.get().or(sent_by);
    let sent = sent.unwrap_or_else(Instant::now);
    worker.window.close(sent);
    worker.window.note(&mut recorder);
    let _ = reports.send(Report::Done(Box::new(recorder), worker.last_end.get()));
    Ok(())
}

/// Starts the connections and waits for the first attempt of each; fails when none succeeds.
async fn connect(links: &[Rc<Link>]) -> Result<(), ConnectError> {
    let attempts: Vec<_> = links
        .iter()
        .map(|link| {
            let (told, heard) = oneshot::channel();
            spawn_local(Rc::clone(link).keep_up(told));
            heard
        })
        .collect();
    let mut failure = None;
    let mut is_any_up = links.is_empty();
    for attempt in attempts {
        match attempt.await {
            Ok(Ok(())) => is_any_up = true,
            Ok(Err(error)) => failure = failure.or(Some(error)),
            Err(_) => {}
        }
    }
    match failure {
        Some(error) if !is_any_up => Err(error),
        _ => Ok(()),
    }
}

impl Worker {
    /// Callers that each wait for an answer before the next call.
    async fn closed_loop(self: Rc<Self>, callers: usize) {
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
    async fn open_loop(
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

    /// One more call is in flight; [`Worker::call`] lands it.
    fn take_off(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Whether the bench is broken off.
    fn is_over(&self) -> bool {
        self.over_since.get().is_some()
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

    /// Makes one call that is meant to start at `intended` and does at `now`; gives the time of its end.
    async fn call(&self, link: &Link, intended: Instant, now: Instant, measured: bool) -> Instant {
        let limit = self.job.plan.timeout;
        let ended = match timeout_at((now + limit).into(), self.attempt(link, measured)).await {
            Ok(ended) => ended,
            Err(_) => Ended {
                code: Code::DEADLINE_EXCEEDED,
                message: format!("no answer within {}", crate::duration::exact(limit)),
                messages: 0,
                bytes: 0,
            },
        };
        let end = Instant::now();
        let latency = end - intended;
        {
            let mut interval = self.interval.borrow_mut();
            interval.latencies.record(latency);
            interval.failures += u64::from(ended.code != Code::OK);
        }
        if measured {
            let mut recorder = self.recorder.borrow_mut();
            recorder.record(latency, &ended);
            if matches!(self.job.plan.model, Model::Open { .. }) {
                recorder.service.record(end - now);
            }
            self.last_end.set(end);
        }
        self.window.count(end);
        self.in_flight.set(self.in_flight.get() - 1);
        self.freed.notify_one();
        end
    }

    /// Sends a call until the server takes it.
    async fn attempt(&self, link: &Link, measured: bool) -> Ended {
        let mut attempts = 0;
        loop {
            let (sender, generation) = match link.sender().await {
                Ok(up) => up,
                Err(why) => return unavailable(why),
            };
            match exchange(sender, &self.job, &link.uri).await {
                Ok(ended) => return ended,
                Err(NotTaken { why, is_spent }) => {
                    if is_spent {
                        link.retire(generation);
                    }
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        return unavailable(why);
                    }
                    if measured {
                        self.recorder.borrow_mut().resent += 1;
                    }
                }
            }
        }
    }

    /// Ends when the coordinator says so: no more calls start, and answers are waited for only shortly.
    async fn break_off(&self, orders: &mut watch::Receiver<Order>) {
        loop {
            match *orders.borrow_and_update() {
                Order::Abort => return,
                Order::Stop => break,
                Order::Begin(_) | Order::Wait => {}
            }
            if orders.changed().await.is_err() {
                return;
            }
        }
        self.over_since.set(Some(Instant::now()));
        self.over.notify_waiters();
        self.over.notify_one();
        tokio::select! {
            () = sleep(LAST_WAIT) => {}
            _ = orders.wait_for(|order| matches!(order, Order::Abort)) => {}
        }
    }

    /// Shows, from time to time, what became of calls and connections.
    async fn show(self: Rc<Self>, index: usize, shown: Arc<Shown>) {
        let mine = &shown.workers[index];
        loop {
            sleep(SHOW).await;
            {
                let mut interval = self.interval.borrow_mut();
                let mut total = shown
                    .interval
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                total.latencies.add(&interval.latencies);
                total.failures += interval.failures;
                total.until = Some(Instant::now());
                interval.latencies.clear();
                interval.failures = 0;
            }
            mine.in_flight
                .store(self.in_flight.get(), Ordering::Relaxed);
            let down: Vec<_> = self.links.iter().filter_map(|link| link.down()).collect();
            let is_cut_off =
                down.len() == self.links.len() && down.iter().all(|(time, _)| *time >= GIVE_UP);
            if let Some((_, why)) = down.into_iter().next() {
                *mine.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
            }
            mine.is_cut_off.store(is_cut_off, Ordering::Relaxed);
        }
    }
}

/// Waits until then; without a time, for ever.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

fn unavailable(message: String) -> Ended {
    Ended {
        code: Code::UNAVAILABLE,
        message,
        messages: 0,
        bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::engine::EngineError;
    use crate::error::{Diagnostic as _, Exit};

    #[test]
    fn a_worker_that_panics_is_told_of_and_is_a_bug() {
        let (reports, told) = mpsc::channel();
        let worker = std::thread::spawn(move || {
            let _alarm = OnPanic(|| reports.send(Report::Died).expect("heard"));
            let runtime =
                tokio::runtime::Builder::new_current_thread().build_local(LocalOptions::default());
            runtime.expect("a runtime").block_on(async {
                let died = Rc::new(Notify::new());
                let told = Rc::clone(&died);
                spawn_local(async move {
                    let _alarm = OnPanic(|| told.notify_one());
                    panic!("of a task");
                });
                died.notified().await;
                panic!("of the thread");
            });
        });
        assert!(worker.join().is_err());
        assert!(matches!(told.try_recv(), Ok(Report::Died)));
        assert!(told.try_recv().is_err());
        assert_eq!(EngineError::Died.exit(), Exit::Bug);
    }
}
