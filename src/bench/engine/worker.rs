//! One thread that makes its share of the calls on its share of the connections.

mod alarm;
mod loops;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::LocalOptions;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until, timeout_at};

use self::alarm::OnPanic;
use super::exchange::{NotTaken, exchange};
use super::link::Link;
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
    /// One more call is in flight; [`Worker::call`] lands it.
    fn take_off(&self) {
        self.in_flight.set(self.in_flight.get() + 1);
    }

    /// Whether the bench is broken off.
    fn is_over(&self) -> bool {
        self.over_since.get().is_some()
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
