//! Calls that go on until they are told to end, and what became of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::client::Channel;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Status;

use crate::support::{ProbeClient, ProbeReply, ProbeRequest};

/// Between the calls of a caller: the load is steady, and not all that the machine can do.
const PAUSE: Duration = Duration::from_millis(1);

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
    /// Who answered.
    pub(super) answered: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn add(&mut self, result: Result<ProbeReply, Status>) {
        self.calls += 1;
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

    /// How many calls `instance` has answered.
    pub(super) fn answered_by(&self, instance: &str) -> usize {
        self.answered.get(instance).copied().unwrap_or_default()
    }
}

/// Callers that call one after the other, without end.
pub(super) struct Load {
    report: Arc<Mutex<Report>>,
    calls: watch::Receiver<usize>,
    stop: watch::Sender<bool>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(client: &ProbeClient<Channel>, callers: usize) -> Self {
        let report = Arc::new(Mutex::new(Report::default()));
        let (counter, calls) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let counter = Arc::new(counter);
        let caller = |_| {
            let (mut client, stopped) = (client.clone(), stopped.clone());
            let (report, counter) = (Arc::clone(&report), Arc::clone(&counter));
            tokio::spawn(async move {
                while !*stopped.borrow() {
                    let result = client.unary(ProbeRequest::default()).await;
                    let result = result.map(|reply| reply.into_inner());
                    report.lock().expect("no panic").add(result);
                    counter.send_modify(|calls| *calls += 1);
                    tokio::time::sleep(PAUSE).await;
                }
            })
        };
        let callers = (0..callers).map(caller).collect();
        Self {
            report,
            calls,
            stop,
            callers,
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
        self.report.lock().expect("no panic").clone()
    }

    /// Ends after the calls in flight.
    pub(super) async fn end(self) -> Report {
        self.stop.send_replace(true);
        for caller in self.callers {
            caller.await.expect("no panic");
        }
        Arc::into_inner(self.report)
            .expect("the callers are gone")
            .into_inner()
            .expect("no panic")
    }
}
