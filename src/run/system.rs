//! The processes of a system, from their start to the end of the last.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep_until};

use crate::error::{Exit, Failure, IoFailure, Result, Silent};
use crate::printer::Printer;
use crate::run::error::RunError;
use crate::run::newcomers::Newcomers;
use crate::run::process::{self, Event, Instance};
use crate::run::registry::Registry;
use crate::run::signals::Signals;
use crate::run::state_file::{InstanceState, RunLock, RunState, ServiceState};
use crate::run::supervisor::{Decision, Supervisor};
use crate::run::view::{Message, Overview, View};

/// How long services may take to stop: their own limit for calls in flight is 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(35);
/// How many lines of a service are shown when it does not start.
const LAST_LINES: usize = 15;
/// How many lines may wait to be shown before services wait with theirs.
const LINES_AHEAD: usize = 1024;
/// How often is looked for services that have come to the workspace.
const LOOK: Duration = Duration::from_secs(1);
/// How often those that are not ready yet are named.
const STILL_STARTING: Duration = Duration::from_secs(2);

/// How a system is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its services find each other.
    pub registry: Option<Registry>,
    /// The URL at which its traces can be asked for.
    pub traces: Option<String>,
    /// Whether a service that ends by itself is started again.
    pub restarts: bool,
    /// How long services may take until they are ready.
    pub ready_timeout: Duration,
    /// A service whose methods can be listed.
    pub callable: Option<String>,
    /// A command that calls through a gateway.
    pub through_gateway: Option<String>,
    /// The services that were named; all are meant where none was.
    pub named: Vec<String>,
}

impl Options {
    fn overview(&self) -> Overview {
        Overview {
            registry: self.registry.as_ref().map(|it| it.url.clone()),
            traces: self.traces.clone(),
            callable: self.callable.clone(),
            through_gateway: self.through_gateway.clone(),
        }
    }
}

/// The processes of a system and what is known of them. Dropping it ends them at once.
#[derive(Debug)]
pub struct System {
    view: View,
    instances: Vec<Instance>,
    options: Options,
    lock: RunLock,
    /// The process of each, 0 where there is none.
    pids: Vec<u32>,
    last_lines: Vec<VecDeque<String>>,
    /// How each ended last.
    statuses: Vec<String>,
    supervisor: Supervisor,
    sender: Sender<Event>,
    events: Receiver<Event>,
    /// When which is to be started again.
    restarts: BinaryHeap<Reverse<(Instant, usize)>>,
    ready_limit: Instant,
    next_reminder: Instant,
    newcomers: Newcomers,
    next_look: Instant,
    stopping: Option<Stopping>,
}

/// A system that is to end.
#[derive(Debug)]
struct Stopping {
    /// When patience ends; `None` when it has.
    limit: Option<Instant>,
    outcome: Result,
}

impl Drop for System {
    fn drop(&mut self) {
        // However this ends, no process is left.
        self.signal_all(true);
    }
}

impl System {
    /// Starts all processes.
    ///
    /// # Errors
    /// When one cannot be started; then none is left.
    pub fn start(
        printer: &Printer,
        lock: RunLock,
        instances: Vec<Instance>,
        (options, newcomers): (Options, Newcomers),
    ) -> Result<Self> {
        let (sender, events) = channel(LINES_AHEAD);
        let count = instances.len();
        let now = Instant::now();
        let mut system = Self {
            view: View::start(printer, &instances, options.overview())?,
            supervisor: Supervisor::new(count, options.restarts),
            pids: vec![0; count],
            last_lines: vec![VecDeque::new(); count],
            statuses: vec![String::new(); count],
            ready_limit: now + options.ready_timeout,
            next_reminder: now + STILL_STARTING,
            newcomers,
            next_look: now + LOOK,
            instances,
            options,
            lock,
            sender,
            events,
            restarts: BinaryHeap::new(),
            stopping: None,
        };
        for number in 0..count {
            system.spawn(number)?;
        }
        system.write_state()?;
        Ok(system)
    }

    fn spawn(&mut self, number: usize) -> Result {
        let instance = &self.instances[number];
        let spawned = process::start(number, instance, &self.sender);
        self.pids[number] = spawned.map_err(|source| IoFailure {
            attempt: format!("start `{}`", instance.program.display()),
            source,
        })?;
        let pid = self.pids[number];
        self.view.show(Message::Started { number, pid });
        Ok(())
    }

    fn write_state(&self) -> Result {
        let mut services: Vec<ServiceState> = Vec::new();
        for (instance, pid) in self.instances.iter().zip(&self.pids) {
            let state = InstanceState {
                pid: *pid,
                grpc: instance.grpc.to_string(),
                admin: instance.admin.to_string(),
            };
            match services
                .last_mut()
                .filter(|last| last.name == instance.service)
            {
                Some(last) => last.instances.push(state),
                None => services.push(ServiceState {
                    name: instance.service.clone(),
                    instances: vec![state],
                }),
            }
        }
        let state = RunState::new(
            self.options.registry.as_ref(),
            self.options.traces.clone(),
            services,
        );
        Ok(self.lock.write(&state)?)
    }

    /// Follows what happens until all have ended.
    ///
    /// # Errors
    /// When services do not start, end for good, or have to be ended; exit code 130 when a signal
    /// came before all were ready, or a second one after that.
    pub async fn supervise(mut self, signals: &mut Signals) -> Result {
        let mut is_done = false;
        while !is_done {
            let is_stopping = self.stopping.is_some();
            let is_starting = !self.supervisor.is_running() && !is_stopping;
            let restart = self.restarts.peek().map(|Reverse((at, _))| *at);
            let stop_limit = self.stopping.as_ref().and_then(|it| it.limit);
            is_done = tokio::select! {
                Some(event) = next_event(&mut self.events, &self.view, is_stopping) => {
                    self.happened(event)
                }
                () = signals.next() => self.interrupted(),
                () = self.view.closed(), if !is_stopping => self.stop(Ok(())),
                () = at(restart) => self.start_again(),
                () = sleep_until(self.ready_limit), if is_starting => self.not_ready(),
                () = sleep_until(self.next_reminder), if is_starting => {
                    self.view.show(Message::StillStarting);
                    self.next_reminder += STILL_STARTING;
                    false
                }
                () = sleep_until(self.next_look), if !is_stopping => self.look_around(),
                () = at(stop_limit) => self.not_stopped(),
            };
        }
        let outcome = self.stopping.take().map_or(Ok(()), |it| it.outcome);
        let has_failed = matches!(&outcome, Err(failure) if !failure.is_silent());
        if !has_failed {
            self.view.show(Message::Stopped);
        }
        tokio::select! {
            printed = self.view.finish() => outcome.and(printed),
            // Nobody reads what we print, and somebody wants us to end all the same.
            () = signals.next() => Err(Silent(Exit::Interrupted).into()),
        }
    }

    /// Takes in what happened to a process; whether that was the last.
    fn happened(&mut self, event: Event) -> bool {
        let now = Instant::now();
        let decision = match event {
            Event::Line(number, line) => {
                let said = line.clone();
                self.view.show(Message::Said { number, line: said });
                let lines = &mut self.last_lines[number];
                lines.push_back(line);
                if lines.len() > LAST_LINES {
                    lines.pop_front();
                }
                Decision::None
            }
            Event::Ready(number) => {
                self.view.show(Message::Ready { number });
                self.supervisor.ready(number, now.into_std())
            }
            Event::Exited(number, status) => {
                self.pids[number] = 0;
                self.statuses[number] = status.to_string();
                self.view.show(Message::Exited {
                    number,
                    status: status.to_string(),
                    was_asked: self.stopping.is_some(),
                });
                self.supervisor.exited(number, now.into_std())
            }
        };
        match decision {
            Decision::None => false,
            Decision::Done => true,
            Decision::AllReady => {
                self.view.show(Message::Running);
                false
            }
            Decision::Restart(number, wait) => {
                let label = &self.instances[number].label;
                let seconds = wait.as_secs();
                let text = format!("starting `{label}` again in {seconds} s");
                self.view.show(Message::Warning(text));
                self.restarts.push(Reverse((now + wait, number)));
                false
            }
            Decision::Fail(number) => self.stop(Err(self.ended(number))),
        }
    }

    /// Asks all to stop; whether there is nothing to wait for.
    fn stop(&mut self, outcome: Result) -> bool {
        self.stopping = Some(Stopping {
            limit: Some(Instant::now() + STOP_LIMIT),
            outcome,
        });
        self.restarts.clear();
        self.signal_all(false);
        self.supervisor.stop() == Decision::Done
    }

    /// Somebody wants it to end; the second time at once.
    fn interrupted(&mut self) -> bool {
        let interrupted = || Err(Silent(Exit::Interrupted).into());
        if let Some(stopping) = &mut self.stopping {
            stopping.limit = None;
            if stopping.outcome.is_ok() {
                stopping.outcome = interrupted();
            }
            let text = "ending all at once".to_owned();
            self.view.show(Message::Warning(text));
            self.signal_all(true);
            return false;
        }
        self.view.show(Message::Stopping { limit: STOP_LIMIT });
        self.stop(match self.supervisor.is_running() {
            true => Ok(()),
            false => interrupted(),
        })
    }

    fn start_again(&mut self) -> bool {
        let Some(Reverse((_, number))) = self.restarts.pop() else {
            return false;
        };
        self.supervisor.restarted(number);
        match self.spawn(number).and_then(|()| self.write_state()) {
            Ok(()) => false,
            // It has no process, and nobody will tell that it ended.
            Err(error) => {
                if self.pids[number] == 0 {
                    self.supervisor.exited(number, Instant::now().into_std());
                }
                self.stop(Err(error))
            }
        }
    }

    /// Tells of services that have come to the workspace, which only another start runs.
    fn look_around(&mut self) -> bool {
        self.next_look = Instant::now() + LOOK;
        let services = self.newcomers.look();
        if services.is_empty() {
            return false;
        }
        let mut command = "msvc run".to_owned();
        if !self.options.named.is_empty() {
            self.options.named.extend_from_slice(&services);
            command = format!("{command} {}", self.options.named.join(" "));
        }
        self.view.show(Message::Added { services, command });
        false
    }

    fn not_ready(&mut self) -> bool {
        let Some(number) = self.supervisor.starting().next() else {
            return false;
        };
        let late = RunError::NotReady {
            label: self.instances[number].label.clone(),
            limit: self.options.ready_timeout,
            said: self.said_last(number),
        };
        self.stop(Err(late.into()))
    }

    fn not_stopped(&mut self) -> bool {
        let late = self.supervisor.alive();
        let labels = late.map(|number| format!("`{}`", self.instances[number].label));
        let late = RunError::NotStopped {
            labels: labels.collect(),
            limit: STOP_LIMIT,
        };
        if let Some(stopping) = &mut self.stopping {
            stopping.limit = None;
            if stopping.outcome.is_ok() {
                stopping.outcome = Err(late.into());
            }
        }
        self.signal_all(true);
        false
    }

    fn ended(&self, number: usize) -> Failure {
        let label = self.instances[number].label.clone();
        let status = self.statuses[number].clone();
        if self.supervisor.is_running() {
            return RunError::Ended { label, status }.into();
        }
        let said = self.said_last(number);
        RunError::NotStarted {
            label,
            status,
            said,
        }
        .into()
    }

    /// The last lines of a process, as the end of a message.
    fn said_last(&self, number: usize) -> String {
        let lines = &self.last_lines[number];
        let start = match lines.is_empty() {
            true => "; it said nothing",
            false => "; it said last:",
        };
        lines
            .iter()
            .fold(start.to_owned(), |text, line| text + "\n  " + line)
    }

    fn signal_all(&self, at_once: bool) {
        for number in self.supervisor.alive() {
            if self.pids[number] != 0 {
                process::signal(self.pids[number], at_once);
            }
        }
    }
}

/// What happens next to a process; a system that runs waits for what it prints to be read.
async fn next_event(events: &mut Receiver<Event>, view: &View, is_stopping: bool) -> Option<Event> {
    if !is_stopping {
        view.has_room().await;
    }
    events.recv().await
}

/// Sleeps until then; for ever, where there is no then.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
