//! Making the calls: worker threads, each with its own connections, and a coordinator that waits for
//! them and shows how it goes.
//!
//! There are two [engines](Engine), which differ in how they speak HTTP/2 and in nothing else: when calls
//! start and what is counted is decided here. What is shared with the rest of `msvc` is [`Job`],
//! [`Progress`] and [`Outcome`].

mod alarm;
mod ledger;
mod line;
mod native;
mod pacer;
mod reference;
mod threads;
mod timer;
mod window;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use http::{HeaderMap, Uri};
use tokio::sync::watch;

use crate::bench::dialogue::Talk;
use crate::bench::load::Plan;
use crate::bench::payload::Payload;
use crate::bench::responses::Checks;
use crate::bench::stats::{End, Latencies, Outcome, Recorder};
use crate::client::connect::{ConnectError, Tls};
use crate::client::target::Endpoint;
use crate::error::{Diagnostic, Exit};

pub use threads::choose as choose_threads;

/// How often the coordinator looks at what the workers do.
const TICK: Duration = Duration::from_millis(100);
/// How long the workers get to be ready for their common start.
const HEAD_START: Duration = Duration::from_millis(2);

/// What speaks HTTP/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Our own, made for load: many times the calls for the same processor time.
    #[default]
    Native,
    /// The one on the h2 crate: the reference.
    H2,
}

/// How calls of an open loop are waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// By a timer, which is some tens of microseconds late.
    #[default]
    Timer,
    /// By a timer and then without sleep: within microseconds, for up to a whole core.
    Precise,
}

/// All that the engine has to know.
#[derive(Clone, Debug)]
pub struct Job {
    /// What speaks HTTP/2.
    pub engine: Engine,
    /// How calls of an open loop are waited for.
    pub pacing: Pacing,
    /// The servers; connections are spread over them.
    pub endpoints: Vec<Endpoint>,
    /// How TLS is spoken with those that want it.
    pub tls: Option<Tls>,
    /// The method's path: `/package.Service/Method`.
    pub path: String,
    /// All headers but HTTP/2's own.
    pub headers: HeaderMap,
    /// The request messages, and the headers that differ from call to call.
    pub payload: Payload,
    /// The number of the first call.
    pub first_number: u64,
    /// How the messages of a call follow each other.
    pub talk: Talk,
    /// Whether requests or responses are streams.
    pub is_stream: bool,
    /// What is looked for in responses; none: they are counted only.
    pub checks: Option<Checks>,
    /// Whether a call that succeeds has exactly one response message.
    pub one_response: bool,
    /// Whether responses may be compressed.
    pub accepts_compressed: bool,
    /// The processes of the server, where they are known.
    pub server_processes: Vec<u32>,
    /// The load.
    pub plan: Plan,
}

impl Job {
    /// The server of a connection: all take turns.
    fn endpoint(&self, number: usize) -> &Endpoint {
        &self.endpoints[number % self.endpoints.len()]
    }

    fn uri(&self, endpoint: &Endpoint) -> Uri {
        Uri::builder()
            .scheme(endpoint.scheme())
            .authority(endpoint.authority())
            .path_and_query(self.path.as_str())
            .build()
            .expect("targets and names in descriptors are checked for their characters")
    }
}

/// What the bench is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opening connections.
    Connecting,
    /// Making calls that are not measured.
    WarmUp,
    /// Making calls that are.
    Measuring,
    /// Waiting for the last answers.
    Draining,
}

/// How it goes.
#[derive(Debug)]
pub struct Progress<'a> {
    /// What the bench is doing.
    pub phase: Phase,
    /// For how long it has been at it.
    pub elapsed: Duration,
    /// What came of calls since the last time.
    pub interval: &'a Interval,
    /// Calls that wait for their answers.
    pub in_flight: usize,
}

/// What came of the calls of a moment, measured or not.
#[derive(Debug, Default)]
pub struct Interval {
    /// From the (intended) start.
    pub latencies: Latencies,
    /// Calls that ended with anything but OK.
    pub failures: u64,
    /// Up to when these are all calls.
    pub until: Option<Instant>,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To go on.
    GoOn,
    /// To stop, but not without the answers that come soon.
    Stop,
    /// To stop now.
    Abort,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The server cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A thread cannot be started.
    #[error("failed to start a worker")]
    Worker(#[source] io::Error),
    /// A worker died.
    #[error("a worker died: this is a bug in msvc")]
    Died,
}

impl Diagnostic for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Connect(error) => error.hint(),
            Self::Worker(_) | Self::Died => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Connect(error) => error.exit(),
            Self::Worker(_) => Exit::Failed,
            Self::Died => Exit::Bug,
        }
    }
}

/// What the coordinator tells the workers.
#[derive(Clone, Copy, Debug)]
enum Order {
    Wait,
    Begin(Instant),
    Stop,
    Abort,
}

/// What a worker tells the coordinator.
enum Report {
    Ready(Result<(), ConnectError>),
    /// What a worker of the job with this number counted, and when the last of its calls ended.
    Done(usize, Box<Recorder>, Instant),
    Failed(io::Error),
    Died,
}

/// What workers show while they work.
struct Shown {
    interval: Mutex<Interval>,
    workers: Vec<ShownWorker>,
}

#[derive(Default)]
struct ShownWorker {
    in_flight: AtomicUsize,
    is_cut_off: AtomicBool,
    /// It has made its calls and shows nothing any more.
    is_done: AtomicBool,
    why: Mutex<String>,
}

impl Shown {
    fn in_flight(&self) -> usize {
        let each = self.workers.iter();
        each.map(|worker| worker.in_flight.load(Ordering::Relaxed))
            .sum()
    }

    /// Why no worker that still makes calls reaches its servers, when none of these has for long.
    fn vanished(&self) -> Option<String> {
        let mut working = self
            .workers
            .iter()
            .filter(|worker| !worker.is_done.load(Ordering::Relaxed));
        let first = working.next()?;
        let is_cut_off = |worker: &ShownWorker| worker.is_cut_off.load(Ordering::Relaxed);
        (is_cut_off(first) && working.all(is_cut_off)).then(|| {
            let why = &first.why;
            why.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}

/// Makes the calls of a job; `tick` is told ten times a second how it goes and says what is wished.
///
/// # Errors
/// [`EngineError`] when no connection can be opened.
pub fn run(job: Job, tick: impl FnMut(&Progress<'_>) -> Wish) -> Result<Outcome, EngineError> {
    let mut outcomes = run_together(vec![job], tick)?;
    outcomes.pop().ok_or(EngineError::Died)
}

/// Makes the calls of several jobs at once, which have the same times: all begin at the same moment, with
/// threads and connections of their own. The outcomes are in the order of the jobs.
///
/// # Errors
/// As [`run`].
///
/// # Panics
/// When there are no jobs.
pub fn run_together(
    jobs: Vec<Job>,
    mut tick: impl FnMut(&Progress<'_>) -> Wish,
) -> Result<Vec<Outcome>, EngineError> {
    let jobs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
    let places: Vec<(usize, usize)> = jobs
        .iter()
        .enumerate()
        .flat_map(|(number, job)| (0..job.plan.threads).map(move |index| (number, index)))
        .collect();
    let shown = Arc::new(Shown {
        interval: Mutex::default(),
        workers: places.iter().map(|_| ShownWorker::default()).collect(),
    });
    let (orders, heard) = watch::channel(Order::Wait);
    let (reports, told) = mpsc::channel();
    for (slot, (number, index)) in places.iter().copied().enumerate() {
        let place = worker::Place {
            job: number,
            index,
            slot,
        };
        let (job, shown) = (Arc::clone(&jobs[number]), Arc::clone(&shown));
        let (heard, reports) = (heard.clone(), reports.clone());
        thread::Builder::new()
            .name(format!("bench-{slot}"))
            .spawn(move || worker::work(place, job, &shown, heard, &reports))
            .map_err(EngineError::Worker)?;
    }
    drop(reports);
    Coordinator {
        jobs: jobs.len(),
        workers: places.len(),
        plan: &jobs[0].plan,
        shown: &shown,
        orders,
        told,
        begun: Instant::now(),
        looked: Instant::now(),
    }
    .coordinate(&mut tick)
}

struct Coordinator<'a> {
    jobs: usize,
    /// All threads of all jobs.
    workers: usize,
    /// The times of all jobs.
    plan: &'a Plan,
    shown: &'a Shown,
    orders: watch::Sender<Order>,
    told: mpsc::Receiver<Report>,
    /// When the phase began: connecting, then the load.
    begun: Instant,
    looked: Instant,
}

impl Coordinator<'_> {
    fn coordinate(
        mut self,
        tick: &mut dyn FnMut(&Progress<'_>) -> Wish,
    ) -> Result<Vec<Outcome>, EngineError> {
        let mut end = End::Planned;
        let mut ready = 0;
        let mut failure = None;
        while ready < self.workers {
            match self.told.recv_timeout(TICK) {
                Ok(Report::Ready(outcome)) => {
                    ready += 1;
                    failure = failure.or(outcome.err());
                }
                Ok(Report::Failed(error)) => return Err(EngineError::Worker(error)),
                Ok(Report::Done(..) | Report::Died) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Died);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.look(Phase::Connecting, tick) != Wish::GoOn {
                self.order(Order::Abort);
                let nothing = (0..self.jobs).map(|_| Outcome {
                    recorder: Recorder::default(),
                    elapsed: Duration::ZERO,
                    end: End::Interrupted,
                });
                return Ok(nothing.collect());
            }
        }
        if let Some(error) = failure {
            self.order(Order::Abort);
            return Err(error.into());
        }
        self.begun = Instant::now() + HEAD_START;
        self.order(Order::Begin(self.begun));
        let measured_from = self.begun + self.plan.warm_up;
        let mut counted: Vec<(Recorder, Instant)> = (0..self.jobs)
            .map(|_| (Recorder::default(), measured_from))
            .collect();
        let mut done = 0;
        while done < self.workers {
            match self.told.recv_timeout(TICK) {
                Ok(Report::Done(job, part, at)) => {
                    done += 1;
                    let (recorder, last) = &mut counted[job];
                    recorder.add(&part);
                    *last = at.max(*last);
                }
                Ok(Report::Failed(error)) => return Err(EngineError::Worker(error)),
                Ok(Report::Ready(_) | Report::Died) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Died);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            match self.look(self.phase(), tick) {
                Wish::GoOn => {
                    if end == End::Planned
                        && let Some(why) = self.shown.vanished()
                    {
                        end = End::Vanished(why);
                        self.order(Order::Stop);
                    }
                }
                Wish::Stop if end == End::Planned => {
                    end = End::Interrupted;
                    self.order(Order::Stop);
                }
                Wish::Stop => {}
                Wish::Abort => {
                    end = End::Interrupted;
                    self.order(Order::Abort);
                }
            }
        }
        let outcomes = counted.into_iter().map(|(recorder, last)| Outcome {
            recorder,
            elapsed: last - measured_from,
            end: end.clone(),
        });
        Ok(outcomes.collect())
    }

    fn phase(&self) -> Phase {
        let elapsed = self.begun.elapsed();
        let end = self.plan.duration.map(|time| self.plan.warm_up + time);
        if elapsed < self.plan.warm_up {
            Phase::WarmUp
        } else if end.is_some_and(|end| elapsed >= end) {
            Phase::Draining
        } else {
            Phase::Measuring
        }
    }

    fn look(&mut self, phase: Phase, tick: &mut dyn FnMut(&Progress<'_>) -> Wish) -> Wish {
        let now = Instant::now();
        if now - self.looked < TICK {
            return Wish::GoOn;
        }
        self.looked = now;
        let interval = {
            let mut interval = self
                .shown
                .interval
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *interval)
        };
        let elapsed = now.saturating_duration_since(self.begun);
        tick(&Progress {
            phase,
            elapsed: match phase {
                Phase::Connecting | Phase::WarmUp => elapsed,
                Phase::Measuring | Phase::Draining => elapsed - self.plan.warm_up,
            },
            interval: &interval,
            in_flight: self.shown.in_flight(),
        })
    }

    fn order(&self, order: Order) {
        // Workers that are done do not listen any more.
        let _ = self.orders.send(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> ShownWorker {
        ShownWorker::default()
    }

    fn cut_off(why: &str) -> ShownWorker {
        ShownWorker {
            is_cut_off: true.into(),
            why: Mutex::new(why.to_owned()),
            ..up()
        }
    }

    fn done(worker: ShownWorker) -> ShownWorker {
        worker.is_done.store(true, Ordering::Relaxed);
        worker
    }

    #[test]
    fn a_server_vanished_when_no_worker_that_is_not_done_reaches_it() {
        let why = |workers: Vec<ShownWorker>| {
            let interval = Mutex::default();
            Shown { interval, workers }.vanished()
        };
        assert_eq!(why(vec![up(), cut_off("reset")]), None);
        assert_eq!(why(vec![cut_off("reset"), up()]), None);
        assert_eq!(why(vec![done(up()), up(), cut_off("reset")]), None);
        assert_eq!(why(vec![done(up()), done(cut_off("reset"))]), None);
        let reset = Some("reset".to_owned());
        assert_eq!(why(vec![cut_off("reset"), cut_off("late")]), reset);
        assert_eq!(why(vec![done(up()), cut_off("reset")]), reset);
        assert_eq!(why(vec![done(cut_off("late")), cut_off("reset")]), reset);
    }
}
