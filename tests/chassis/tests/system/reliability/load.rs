//! Calls that go on until they are told to end, and what became of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chassis::client::Channel;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tonic::Status;

use crate::support::{ProbeClient, ProbeReply, ProbeRequest};

/// Between the calls of a caller: the load is steady, and not all that the machine can do.
const PAUSE: Duration = Duration::from_millis(1);

/// Between the calls of a steady load, which do not wait for each other.
const INTERVAL: Duration = Duration::from_millis(4);

/// What the status of a call says whose response had begun.
const CUT: &str = "error reading a body";

/// What became of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) calls: usize,
    /// Why some failed.
    pub(super) failures: Vec<String>,
    /// Those that failed after their response had begun. They are not made again (gRFC A6, "When
    /// Retries are Valid"). Between the head of a response and its end an instance dies only by
    /// chance, so there is hardly ever one.
    pub(super) cut: usize,
    /// Those that more than one attempt was made for.
    pub(super) retried: usize,
    /// When the first attempt of these was made, or of those that failed.
    pub(super) lost: Vec<Instant>,
    /// Who answered.
    pub(super) answered: BTreeMap<String, usize>,
}

impl Report {
    /// Adds the result of a call that began at `begin`.
    pub(super) fn add(&mut self, begin: Instant, result: Result<ProbeReply, Status>) {
        self.calls += 1;
        let is_ok = |reply: &ProbeReply| !reply.metadata.contains_key("grpc-previous-rpc-attempts");
        if !result.as_ref().is_ok_and(is_ok) {
            self.lost.push(begin);
        }
        match result {
            Ok(reply) => {
                let previous = reply.metadata.get("grpc-previous-rpc-attempts");
                self.retried += usize::from(previous.is_some());
                *self.answered.entry(reply.instance).or_default() += 1;
            }
            Err(status) if status.message().contains(CUT) => self.cut += 1,
            Err(status) => self.failures.push(format!("{status:?}")),
        }
    }

    /// The time from `fault` until no call went to what failed then.
    pub(super) fn reaction(&self, fault: Instant) -> Duration {
        let last = self.lost.iter().max();
        last.map_or(Duration::ZERO, |it| it.saturating_duration_since(fault))
    }

    /// How many calls `instance` has answered.
    pub(super) fn answered_by(&self, instance: &str) -> usize {
        self.answered.get(instance).copied().unwrap_or_default()
    }
}

/// Calls without end.
pub(super) struct Load {
    calls: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    notes: Notes,
    tasks: Vec<JoinHandle<()>>,
}

/// Where calls write down what became of them.
#[derive(Clone)]
struct Notes {
    report: Arc<Mutex<Report>>,
    counter: Arc<watch::Sender<usize>>,
}

impl Notes {
    async fn call(&self, mut client: ProbeClient<Channel>) {
        let begin = Instant::now();
        let result = client.unary(ProbeRequest::default()).await;
        let result = result.map(|reply| reply.into_inner());
        self.report.lock().expect("no panic").add(begin, result);
        self.counter.send_modify(|calls| *calls += 1);
    }
}

impl Load {
    /// Callers that call one after the other.
    pub(super) fn start(client: &ProbeClient<Channel>, callers: usize) -> Self {
        Self::of(callers, |notes, stopped| {
            let client = client.clone();
            tokio::spawn(async move {
                while !*stopped.borrow() {
                    notes.call(client.clone()).await;
                    tokio::time::sleep(PAUSE).await;
                }
            })
        })
    }

    /// Calls at a steady rate, however many are in flight.
    pub(super) fn steady(client: &ProbeClient<Channel>) -> Self {
        Self::of(1, |notes, stopped| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut interval = tokio::time::interval(INTERVAL);
                let mut calls = JoinSet::new();
                while !*stopped.borrow() {
                    interval.tick().await;
                    let (notes, client) = (notes.clone(), client.clone());
                    calls.spawn(async move { notes.call(client).await });
                }
                calls.join_all().await;
            })
        })
    }

    fn of(tasks: usize, spawn: impl Fn(Notes, watch::Receiver<bool>) -> JoinHandle<()>) -> Self {
        let (counter, calls) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let notes = Notes {
            report: Arc::default(),
            counter: Arc::new(counter),
        };
        let tasks = (0..tasks).map(|_| spawn(notes.clone(), stopped.clone()));
        Self {
            calls,
            stop,
            tasks: tasks.collect(),
            notes,
        }
    }

    /// Waits for `more` calls to end.
    pub(super) async fn calls(&mut self, more: usize) {
        let goal = *self.calls.borrow() + more;
        let enough = self.calls.wait_for(|calls| *calls >= goal).await;
        assert!(enough.is_ok(), "the callers are gone");
    }

    /// Waits until every one of `instances` has answered.
    pub(super) async fn reach(&mut self, instances: &[&str]) {
        while instances
            .iter()
            .any(|it| self.so_far().answered_by(it) == 0)
        {
            self.calls(1).await;
        }
    }

    pub(super) fn so_far(&self) -> Report {
        self.notes.report.lock().expect("no panic").clone()
    }

    /// Ends after the calls in flight.
    pub(super) async fn end(self) -> Report {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.expect("no panic");
        }
        self.notes.report.lock().expect("no panic").clone()
    }
}
