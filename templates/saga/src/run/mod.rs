//! Work on one saga, from what is kept of it to its end, or until another process has it.

mod keep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chassis::background::Stop;
use chassis::backoff::random;
use chassis::trace::{Kind, Span, TraceContext};
use serde_json::Value;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::definition::{Call, Definition};
use crate::machine::{Decision, Doing, Event, State, decide};
use crate::perform::perform;
use crate::sagas::{Shared, now};
use crate::store::Claimed;
use crate::traces::{Traces, paused, with_run};
use crate::{Failure, Status, metrics};

pub(crate) use keep::lease_until;
use keep::microseconds;

/// How long a saga with a step that this program does not know is left to others.
const LEAVE: Duration = Duration::from_secs(30);

/// Why work on a saga ends before the saga.
enum Halt {
    /// Another process has it, or may have it, since nothing could be written for so long.
    Lost,
    /// The process is told to stop.
    Stopped,
    /// Nothing goes on in it for a while: it is taken up again when there is something to do, and others
    /// have its place meanwhile.
    Paused,
}

/// Works on `claimed`, which was asked for at `asked`, in a span of the trace in which it was started.
pub(crate) async fn run(
    shared: Arc<Shared>,
    definition: Arc<Definition>,
    mut claimed: Claimed,
    asked: Instant,
    stop: Stop,
) {
    let _running = metrics::Running::of(definition.name);
    if let Some(step) = definition.plan.unknown(&claimed.journal) {
        let (saga, id) = (definition.name, &*claimed.key.id);
        tracing::error!(
            saga,
            id,
            step,
            "a saga has a step that this program does not know"
        );
        let later = now().saturating_add(microseconds(LEAVE));
        let _ = shared.store.renew(&claimed, later).await;
        return;
    }
    let mut span = Span::new(Kind::Internal, format!("saga {}", definition.name))
        .attribute("saga.name", definition.name)
        .attribute("saga.id", claimed.key.id.to_string());
    let traces = Traces::of(&claimed.trace);
    span = span.below(traces.started);
    if let Some(last) = traces.last {
        if !traces.is_paused {
            metrics::resumed(definition.name);
        }
        // It went on in another span, whose process may have died with it.
        span = span.link(last);
    }
    let work = async {
        claimed.trace = with_run(&claimed.trace);
        let worker = Worker {
            lease_ends: asked + shared.settings.lease.get(),
            shared,
            definition,
            claimed,
            stop,
            going_on: BTreeMap::new(),
            tasks: JoinSet::new(),
            ids: HashMap::new(),
            is_dirty: false,
        };
        worker.work().await;
    };
    span.wrap(work).await;
}

/// Work on one saga.
struct Worker {
    shared: Arc<Shared>,
    definition: Arc<Definition>,
    claimed: Claimed,
    stop: Stop,
    going_on: BTreeMap<&'static str, Doing>,
    tasks: JoinSet<Result<Value, Failure>>,
    ids: HashMap<Id, (&'static str, Doing)>,
    /// When this process no longer has the saga unless it says so before.
    lease_ends: Instant,
    /// Whether something has happened that is not kept.
    is_dirty: bool,
}

impl Worker {
    async fn work(mut self) {
        let name = self.definition.name;
        let id = Arc::clone(&self.claimed.key.id);
        match self.run_to_end().await {
            Ok(Status::Stuck) => {
                let errors = self.claimed.journal.steps.iter();
                let mut errors = errors.filter(|(_, it)| it.state == State::Stuck);
                let (step, entry) = errors.next().unzip();
                let error = entry.and_then(|it| it.error.as_deref());
                tracing::error!(saga = name, id = &*id, step, error, "a saga is stuck");
                metrics::ended(name, Status::Stuck);
                self.tell();
            }
            Ok(status) => {
                let (status_name, error) = (status.name(), self.claimed.journal.error.as_deref());
                tracing::info!(
                    saga = name,
                    id = &*id,
                    status = status_name,
                    error,
                    "a saga has ended"
                );
                metrics::ended(name, status);
                self.tell();
            }
            Err(Halt::Lost) => {
                // What goes on in it is cut here.
                let message = "a saga was lost: another process may have it";
                tracing::warn!(saga = name, id = &*id, "{message}");
                metrics::lost(name);
            }
            Err(Halt::Stopped) => {
                tracing::info!(saga = name, id = &*id, "a saga is left to other processes");
            }
            Err(Halt::Paused) => {
                tracing::debug!(saga = name, id = &*id, "a saga waits for its next attempt");
            }
        }
    }

    /// Tells those who wait for its end, if there are any.
    fn tell(&self) {
        let _ = self.shared.ended.send(self.claimed.key.clone());
    }

    async fn run_to_end(&mut self) -> Result<Status, Halt> {
        loop {
            let going_on: BTreeSet<&'static str> = self.going_on.keys().copied().collect();
            let journal = &self.claimed.journal;
            match decide(&self.definition.plan, journal, &going_on, now()) {
                Decision::Start(..) if self.stop.is_requested() => {
                    if self.going_on.is_empty() {
                        self.save(now()).await?;
                        return Err(Halt::Stopped);
                    }
                    self.wait(None).await?;
                }
                Decision::Start(doing, steps) => self.start(doing, &steps).await?,
                Decision::Wait(until) => self.wait(until).await?,
                Decision::TurnBack => {
                    let error = self.claimed.journal.error.as_deref();
                    let (saga, id) = (self.definition.name, &*self.claimed.key.id);
                    tracing::warn!(saga, id, error, "a saga is undone");
                    self.claimed.journal.turn_back();
                    self.is_dirty = true;
                }
                Decision::Finish(status) => {
                    self.claimed.journal.status = status;
                    self.save(now()).await?;
                    return Ok(status);
                }
            }
        }
    }

    fn note(&mut self, step: &'static str, event: Event) {
        let plan = &self.definition.plan;
        self.claimed
            .journal
            .note(plan, step, event, now(), random());
        self.is_dirty = true;
    }

    /// Notes down that `steps` begin, and then begins with them.
    async fn start(&mut self, doing: Doing, steps: &[&'static str]) -> Result<(), Halt> {
        for step in steps {
            self.note(step, Event::Began(doing));
        }
        self.save_and_keep().await?;
        let acted = self.claimed.journal.steps.iter();
        let acted = acted.filter(|(_, entry)| entry.state == State::Acted);
        let outputs = acted.map(|(name, entry)| {
            let output = entry.output.clone().unwrap_or_default();
            (name.clone(), output)
        });
        let outputs = Arc::new(outputs.collect::<BTreeMap<String, Value>>());
        let context = TraceContext::current();
        for step in steps {
            let entry = &self.claimed.journal.steps[*step];
            let (saga, id) = (self.definition.name, Arc::clone(&self.claimed.key.id));
            let call = Call {
                input: Arc::clone(&self.claimed.input),
                key: format!("{saga}/{id}/{step}"),
                id,
                attempt: match doing {
                    Doing::Act => entry.attempts,
                    Doing::Undo => entry.undo_attempts,
                },
                outputs: Arc::clone(&outputs),
                output: entry.output.clone(),
            };
            let (definition, context) = (Arc::clone(&self.definition), context.clone());
            let work = perform(definition, context, step, doing, call);
            let task = self.tasks.spawn(work);
            self.ids.insert(task.id(), (*step, doing));
            self.going_on.insert(*step, doing);
        }
        Ok(())
    }

    /// Until a step ends, or `until`: microseconds since 1970.
    async fn wait(&mut self, until: Option<i64>) -> Result<(), Halt> {
        let left = until.map(|until| until.saturating_sub(now()).max(0).unsigned_abs());
        let left = left.map_or(Duration::MAX, Duration::from_micros);
        let is_idle = self.going_on.is_empty();
        if is_idle && self.stop.is_requested() {
            self.save(until.unwrap_or_default()).await?;
            return Err(Halt::Stopped);
        }
        // A shorter pause would become longer.
        if let Some(until) = until
            && is_idle
            && left > self.shared.settings.poll_interval.get()
        {
            self.claimed.trace = paused(&self.claimed.trace);
            self.save(until).await?;
            return Err(Halt::Paused);
        }
        if self.is_dirty {
            self.save_and_keep().await?;
        }
        let keep = self.shared.settings.lease.get() / 3;
        let renew = self.lease_ends - self.shared.settings.lease.get() + keep;
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            () = tokio::time::sleep(left.min(keep)) => {}
            () = self.stop.requested(), if is_idle => {}
        }
        if Instant::now() >= renew {
            self.renew().await?;
        }
        Ok(())
    }

    fn ended(&mut self, ended: Result<(Id, Result<Value, Failure>), tokio::task::JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            // The panic itself has been logged where it happened.
            Err(error) => (error.id(), Err(Failure::retry("it panicked"))),
        };
        let Some((step, doing)) = self.ids.remove(&id) else {
            return;
        };
        self.going_on.remove(step);
        let event = match (doing, outcome) {
            (Doing::Act, Ok(output)) => Event::Acted(output),
            (Doing::Undo, Ok(_)) => Event::Undone,
            (doing, Err(failure)) => {
                let error = failure.to_string();
                let (saga, id) = (self.definition.name, &*self.claimed.key.id);
                tracing::warn!(saga, id, step, part = doing.name(), error, "a step failed");
                match failure {
                    Failure::Retry(_) => Event::Failed(doing, error),
                    Failure::Refused(_) => Event::Refused(doing, error),
                }
            }
        };
        self.note(step, event);
    }
}
