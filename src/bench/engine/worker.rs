//! One thread that makes its share of the calls on its share of the connections.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::LocalOptions;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::{sleep, sleep_until};

use super::alarm::OnPanic;
use super::ledger::{Clock, Ledger};
use super::line::Line;
use super::window::Window;
use super::{Engine, Job, Order, Report, Shown, native, pacer, reference};
use crate::bench::load::{GIVE_UP, Model, Schedule, share};
use crate::client::connect::ConnectError;

/// How often the worker shows what it does.
const SHOW: Duration = Duration::from_millis(200);
/// When a bench is broken off, answers are waited for no longer than this.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Which worker it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number of its job.
    pub(super) job: usize,
    /// Its number among the workers of the job.
    pub(super) index: usize,
    /// Its number among all workers.
    pub(super) slot: usize,
}

/// The body of a worker's thread.
pub(super) fn work(
    place: Place,
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
            let shown = Arc::clone(shown);
            let outcome = match job.engine {
                Engine::Native => {
                    runtime.block_on(live::<native::Link>(place, job, shown, orders, reports))
                }
                Engine::H2 => {
                    runtime.block_on(live::<reference::Link>(place, job, shown, orders, reports))
                }
            };
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

async fn live<L: Line>(
    place: Place,
    job: Arc<Job>,
    shown: Arc<Shown>,
    mut orders: watch::Receiver<Order>,
    reports: &mpsc::Sender<Report>,
) -> io::Result<()> {
    let (plan, index) = (&job.plan, place.index);
    let ledger = Ledger::new(Arc::clone(&job), index);
    let lines: Rc<[Rc<L>]> = (0..plan.connections)
        .filter(|number| number % plan.threads == index)
        .map(|number| L::new(&ledger, number))
        .collect();
    let connected = connect(&lines).await;
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
    let sent_by = match &schedule {
        None => ends,
        // The last call takes its share of the time as every other does.
        Some(schedule) => schedule.over_at().map(|over| begin + over),
    };
    let window = Window::new(measured_from, sent_by);
    ledger.begin(Clock {
        begin,
        measured_from,
        ends,
        window: Rc::clone(&window),
    });
    spawn_local(show(
        place.slot,
        Arc::clone(&shown),
        Rc::clone(&ledger),
        Rc::clone(&lines),
    ));
    spawn_local(Rc::clone(&window).keep());
    if schedule.is_none() {
        // A schedule waits by itself, and with a better timer.
        sleep_until(begin.into()).await;
    }
    let load = async {
        match (plan.model, schedule) {
            (Model::Open { max_in_flight, .. }, Some(schedule)) => {
                let cap = share(max_in_flight as u64, plan.threads, index).max(1) as usize;
                pacer::open_loop(&ledger, &lines, schedule, cap).await
            }
            (Model::Closed { .. }, _) => {
                pacer::closed_loop(&ledger, &lines, index).await;
                Ok(())
            }
            (Model::Open { .. }, None) => Ok(()),
        }
    };
    tokio::select! {
        loaded = load => loaded?,
        () = break_off(&ledger, &mut orders) => {}
        () = ledger.died.notified() => {
            let _ = reports.send(Report::Died);
            return Ok(());
        }
    }
    let mut recorder = ledger.recorder.take();
    recorder.next_number = ledger.next_number();
    recorder.abandoned = ledger.in_flight() as u64;
    recorder.connections_lost = lines.iter().map(|line| line.lost()).sum();
    let sent = ledger.over_since().or(sent_by);
    window.close(sent.unwrap_or_else(Instant::now));
    window.note(&mut recorder);
    let last = ledger.last_end().unwrap_or(measured_from);
    let mine = &shown.workers[place.slot];
    mine.is_done.store(true, Ordering::Relaxed);
    let _ = reports.send(Report::Done(place.job, Box::new(recorder), last));
    Ok(())
}

/// Starts the connections and waits for the first attempt of each; fails when none succeeds.
async fn connect<L: Line>(lines: &[Rc<L>]) -> Result<(), ConnectError> {
    let attempts: Vec<_> = lines
        .iter()
        .map(|line| {
            let (told, heard) = oneshot::channel();
            spawn_local(Rc::clone(line).keep_up(told));
            heard
        })
        .collect();
    let mut failure = None;
    let mut is_any_up = lines.is_empty();
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

/// Ends when the coordinator says so: no more calls start, and answers are waited for only shortly.
async fn break_off(ledger: &Ledger, orders: &mut watch::Receiver<Order>) {
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
    ledger.break_off();
    tokio::select! {
        () = sleep(LAST_WAIT) => {}
        _ = orders.wait_for(|order| matches!(order, Order::Abort)) => {}
    }
}

/// Shows, from time to time, what became of calls and connections.
async fn show<L: Line>(slot: usize, shown: Arc<Shown>, ledger: Rc<Ledger>, lines: Rc<[Rc<L>]>) {
    let mine = &shown.workers[slot];
    loop {
        sleep(SHOW).await;
        {
            let mut interval = ledger.interval.borrow_mut();
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
        mine.in_flight.store(ledger.in_flight(), Ordering::Relaxed);
        let down: Vec<_> = lines.iter().filter_map(|line| line.down()).collect();
        let is_cut_off = down.len() == lines.len() && down.iter().all(|(time, _)| *time >= GIVE_UP);
        if let Some((_, why)) = down.into_iter().next() {
            *mine.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
        mine.is_cut_off.store(is_cut_off, Ordering::Relaxed);
    }
}
