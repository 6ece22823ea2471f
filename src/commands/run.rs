//! `msvc run`: builds the services, starts them with a registry and watches them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use crate::context::Context;
use crate::error::{Diagnostic, Exit, Failure, IoFailure, Result, Silent};
use crate::infra::embedded::consul::{self, EmbeddedConsul};
use crate::manifest::{ADMIN_PORT_OFFSET, RegistryKind};
use crate::printer::Printer;
use crate::project::{self, Project};
use crate::run::build::{self, BuildOptions};
use crate::run::ports;
use crate::run::process::{self, Event, Instance};
use crate::run::state_file::{self, InstanceState, RunState, ServiceState, StateFile};
use crate::run::supervisor::{Decision, Supervisor};

/// How long a service may take until it is ready.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long services may take to stop: their own limit for calls in flight is 30 s.
const STOP_LIMIT: Duration = Duration::from_secs(35);
/// How many lines of a service are shown when it does not start.
const LAST_LINES: usize = 15;
/// The colours of the services' names, in their order.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// Arguments of `msvc run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc run                              all services\n  \
    msvc run user-service --release       one of them, optimised\n  \
    msvc run --replicas user-service=3    three processes of one\n\n\
    Ctrl-C stops all: calls in flight are finished first. A second Ctrl-C ends them at once.")]
pub struct RunArgs {
    /// The services to run [default: all].
    pub services: Vec<String>,
    /// Build with optimisations.
    #[arg(long)]
    pub release: bool,
    /// How many processes of a service; again for more services.
    #[arg(long, value_name = "SERVICE=N", value_parser = parse_replicas)]
    pub replicas: Vec<(String, u16)>,
    /// Start no registry: services use what their configuration says.
    #[arg(long)]
    pub no_infra: bool,
    /// Stop all when a service ends, instead of starting it again.
    #[arg(long)]
    pub no_restart: bool,
}

fn parse_replicas(text: &str) -> std::result::Result<(String, u16), String> {
    let parsed = text.split_once('=').and_then(|(name, count)| {
        let count = count
            .parse()
            .ok()
            .filter(|count| (1..=100).contains(count))?;
        Some((name.to_owned(), count))
    });
    parsed.ok_or_else(|| "expected SERVICE=N with N from 1 to 100, as in user-service=3".to_owned())
}

/// Why the services do not run.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("the workspace has no services")]
    NoServices,
    #[error("the workspace has no service `{given}`")]
    UnknownService {
        given: String,
        nearest: Option<String>,
        known: Vec<String>,
    },
    #[error("this workspace runs already (pid {0})")]
    Running(u32),
    #[error("port {port} of `{service}` is taken{}", .holder.as_ref().map(|it| format!(" by {it}")).unwrap_or_default())]
    PortTaken {
        port: u16,
        service: String,
        key: &'static str,
        holder: Option<String>,
    },
    #[error("no free port was found for `{0}`")]
    NoPort(String),
    #[error("the Consul agent at {0} does not answer")]
    NoConsul(String),
    #[error("`{label}` ended before it was ready ({status}); it said last:{lines}")]
    NotStarted {
        label: String,
        status: String,
        lines: String,
    },
    #[error("`{label}` was not ready within {} s; it said last:{lines}", START_LIMIT.as_secs())]
    NotReady { label: String, lines: String },
    #[error("`{label}` ended ({status})")]
    Ended { label: String, status: String },
    #[error("interrupted")]
    Interrupted,
}

impl Diagnostic for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoServices => Some("`msvc new user-service` makes one".to_owned()),
            Self::UnknownService {
                nearest: Some(nearest),
                ..
            } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownService { known, .. } => Some(format!("it has {}", known.join(", "))),
            Self::Running(_) => Some("stop it with Ctrl-C where it runs".to_owned()),
            Self::PortTaken { service, key, .. } => Some(format!(
                "stop what has it, or change `{key}` of `[services.{service}]` in `msvc.toml`"
            )),
            Self::NoConsul(_) => Some(
                "start it, or unset CONSUL_HTTP_ADDR to use the registry built into `msvc`"
                    .to_owned(),
            ),
            Self::NoPort(_)
            | Self::NotStarted { .. }
            | Self::NotReady { .. }
            | Self::Ended { .. }
            | Self::Interrupted => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoConsul(_) => Exit::Unreachable,
            Self::Interrupted => Exit::Interrupted,
            Self::UnknownService { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// Runs `msvc run`.
///
/// # Errors
/// When something cannot be built, started or reached. Interrupted while it starts: exit code 130;
/// a running system that is stopped by Ctrl-C is a success.
pub fn run(context: &Context, args: RunArgs) -> Result {
    let project = project::find(&context.directory)?;
    if let Some(running) = state_file::read(&project.state_folder()) {
        return Err(RunError::Running(running.pid).into());
    }
    let services = chosen_services(&project, &args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| IoFailure {
        attempt: "start the runtime".to_owned(),
        source,
    })?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let options = BuildOptions {
            cargo: context
                .environment
                .cargo
                .clone()
                .unwrap_or_else(|| "cargo".into()),
            root: project.root.clone(),
            services: services.clone(),
            release: args.release,
        };
        check_ports(&project, &services)?;
        event(
            &context.printer,
            json!({ "event": "building", "services": services }),
        )?;
        let programs = tokio::select! {
            built = build::build(&options, &context.printer) => built?,
            () = signals.next() => return Err(RunError::Interrupted.into()),
        };
        // A build takes long enough for somebody else to take a port.
        check_ports(&project, &services)?;
        let (registry, _embedded) = registry(context, &project, &args).await?;
        let instances = plan_instances(context, &project, &args, &programs, registry.as_deref())?;
        let mut system = System::start(context, &project, instances, registry, args.no_restart)?;
        system.supervise(&mut signals).await
    });
    // Readers of pipes that a grandchild holds open must not hold the end up.
    runtime.shutdown_background();
    outcome
}

/// SIGINT, SIGTERM and SIGHUP.
struct Signals(UnboundedReceiver<()>);

impl Signals {
    fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (sender, receiver) = unbounded_channel();
        for kind in [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ] {
            let mut signals = signal(kind).map_err(|source| IoFailure {
                attempt: "listen for signals".to_owned(),
                source,
            })?;
            let sender = sender.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    let _ = sender.send(());
                }
            });
        }
        Ok(Self(receiver))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn chosen_services(project: &Project, args: &RunArgs) -> Result<Vec<String>> {
    let known: Vec<String> = project
        .manifest
        .services
        .keys()
        .map(ToString::to_string)
        .collect();
    let replicated = args.replicas.iter().map(|(name, _)| name);
    for given in args.services.iter().chain(replicated) {
        if !known.contains(given) {
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro(a, given).total_cmp(&strsim::jaro(b, given)))
                .filter(|name| strsim::jaro(name, given) > 0.7);
            return Err(RunError::UnknownService {
                given: given.clone(),
                nearest: nearest.cloned(),
                known,
            }
            .into());
        }
    }
    let chosen = if args.services.is_empty() {
        known
    } else {
        args.services.clone()
    };
    if chosen.is_empty() {
        return Err(RunError::NoServices.into());
    }
    Ok(chosen)
}

/// The URL of the registry, and the embedded one where that is it.
async fn registry(
    context: &Context,
    project: &Project,
    args: &RunArgs,
) -> Result<(Option<String>, Option<EmbeddedConsul>)> {
    if args.no_infra || project.manifest.registry.kind == RegistryKind::Static {
        return Ok((None, None));
    }
    if let Some(address) = &context.environment.consul_http_addr {
        let url = if address.contains("://") {
            address.clone()
        } else {
            format!("http://{address}")
        };
        let authority = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let connect = tokio::net::TcpStream::connect(authority.trim_end_matches('/'));
        match tokio::time::timeout(Duration::from_secs(5), connect).await {
            Ok(Ok(_)) => {
                context
                    .printer
                    .step("Using", format!("Consul at {url} (CONSUL_HTTP_ADDR)"));
                return Ok((Some(url), None));
            }
            _ => return Err(RunError::NoConsul(url).into()),
        }
    }
    let preferred = SocketAddr::from((Ipv4Addr::LOCALHOST, consul::STANDARD_PORT));
    let embedded = consul::start(preferred).await?;
    let url = format!("http://{}", embedded.address());
    let note = if embedded.address() == preferred {
        ""
    } else {
        ", for 8500 is taken"
    };
    context.printer.step(
        "Registry",
        format!("{url} (Consul's API, built in, in memory{note})"),
    );
    Ok((Some(url), Some(embedded)))
}

/// Finds ports that are taken before the time for a build is spent.
fn check_ports(project: &Project, services: &[String]) -> Result<(), RunError> {
    let entries = project.manifest.services.iter();
    for (name, entry) in entries.filter(|(name, _)| services.iter().any(|it| it == name.as_str())) {
        for (port, key) in [(entry.port, "port"), (entry.admin_port(), "admin-port")] {
            if !ports::is_free(port) {
                return Err(RunError::PortTaken {
                    port,
                    service: name.to_string(),
                    key,
                    holder: ports::holder(port),
                });
            }
        }
    }
    Ok(())
}

/// The processes to start, with ports that are free.
fn plan_instances(
    context: &Context,
    project: &Project,
    args: &RunArgs,
    programs: &BTreeMap<String, PathBuf>,
    registry: Option<&str>,
) -> Result<Vec<Instance>> {
    let mut instances: Vec<Instance> = Vec::new();
    for (service, program) in programs {
        let Some((_, entry)) = project
            .manifest
            .services
            .iter()
            .find(|(name, _)| name.as_str() == service)
        else {
            continue;
        };
        let replicas = args.replicas.iter().find(|(name, _)| name == service);
        let mut pair = (entry.port, entry.admin_port());
        for number in 1..=replicas.map_or(1, |(_, count)| *count) {
            if number > 1 {
                let used = |port: u16| {
                    instances
                        .iter()
                        .any(|it| it.grpc.port() == port || it.admin.port() == port)
                        || project
                            .manifest
                            .services
                            .values()
                            .any(|it| it.port == port || it.admin_port() == port)
                };
                let mut from = pair.0;
                pair = loop {
                    let next = from.checked_add(1);
                    let next = next.and_then(|next| ports::free_pair(next, ADMIN_PORT_OFFSET));
                    from = next.ok_or_else(|| RunError::NoPort(service.clone()))?;
                    if !used(from) && !used(from + ADMIN_PORT_OFFSET) {
                        break (from, from + ADMIN_PORT_OFFSET);
                    }
                };
            }
            instances.push(Instance {
                label: if number == 1 {
                    service.clone()
                } else {
                    format!("{service}-{number}")
                },
                service: service.clone(),
                program: program.clone(),
                folder: project.service_folder(service),
                grpc: SocketAddr::from((Ipv4Addr::LOCALHOST, pair.0)),
                admin: SocketAddr::from((Ipv4Addr::LOCALHOST, pair.1)),
                registry: registry.map(str::to_owned),
                color: !context.printer.is_json() && context.printer.colors_stdout(),
            });
        }
    }
    Ok(instances)
}

/// The processes of a system and what is known of them.
struct System<'a> {
    printer: &'a Printer,
    state_folder: PathBuf,
    instances: Vec<Instance>,
    registry: Option<String>,
    pids: Vec<u32>,
    last_lines: Vec<VecDeque<String>>,
    /// How each ended last.
    statuses: Vec<String>,
    supervisor: Supervisor,
    sender: UnboundedSender<Event>,
    events: UnboundedReceiver<Event>,
    state_file: Option<StateFile>,
    width: usize,
}

impl Drop for System<'_> {
    fn drop(&mut self) {
        // However this ends, no process is left.
        self.signal_all(true);
    }
}

impl<'a> System<'a> {
    fn start(
        context: &'a Context,
        project: &Project,
        instances: Vec<Instance>,
        registry: Option<String>,
        no_restart: bool,
    ) -> Result<Self> {
        let (sender, events) = unbounded_channel();
        let mut system = Self {
            printer: &context.printer,
            state_folder: project.state_folder(),
            supervisor: Supervisor::new(instances.len(), !no_restart),
            pids: vec![0; instances.len()],
            last_lines: vec![VecDeque::new(); instances.len()],
            statuses: vec![String::new(); instances.len()],
            width: instances.iter().map(|it| it.label.len()).max().unwrap_or(0),
            instances,
            registry,
            sender,
            events,
            state_file: None,
        };
        for number in 0..system.instances.len() {
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
        event(
            self.printer,
            json!({
                "event": "starting", "service": instance.service, "instance": instance.label,
                "pid": self.pids[number],
            }),
        )
    }

    fn write_state(&mut self) -> Result {
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
        let state = RunState::new(self.registry.clone(), services);
        let file = StateFile::write(&self.state_folder, &state)?;
        // The old one would remove the file that it shares with the new one.
        std::mem::forget(self.state_file.replace(file));
        Ok(())
    }

    /// Follows what happens until all have ended.
    async fn supervise(&mut self, signals: &mut Signals) -> Result {
        let start_limit = Instant::now() + START_LIMIT;
        let mut restarts: VecDeque<(Instant, usize)> = VecDeque::new();
        let mut stop_limit: Option<Instant> = None;
        let mut failure: Option<Failure> = None;
        let far = Instant::now() + Duration::from_secs(10 * 365 * 24 * 3600);
        loop {
            let next_restart = restarts.front().map_or(far, |(at, _)| *at);
            let starting = !self.supervisor.is_running();
            tokio::select! {
                Some(happened) = self.events.recv() => {
                    match self.take(happened)? {
                        Decision::None => {}
                        Decision::AllReady => self.announce()?,
                        Decision::Restart(number, wait) => {
                            let label = &self.instances[number].label;
                            self.printer.warning(format!("starting `{label}` again in {} s", wait.as_secs()));
                            restarts.push_back((Instant::now() + wait, number));
                            restarts.make_contiguous().sort();
                        }
                        Decision::Fail(number) => {
                            let error = self.failed(number);
                            if self.ask_to_stop() == Decision::Done {
                                return Err(error);
                            }
                            failure = Some(error);
                            stop_limit = Some(Instant::now() + STOP_LIMIT);
                            restarts.clear();
                        }
                        Decision::Done => {
                            if let Some(error) = failure {
                                return Err(error);
                            }
                            self.printer.step("Stopped", "all services");
                            event(self.printer, json!({ "event": "stopped" }))?;
                            return if starting { Err(Silent(Exit::Interrupted).into()) } else { Ok(()) };
                        }
                    }
                }
                () = signals.next() => {
                    if stop_limit.is_some() {
                        self.printer.warning("ending all at once");
                        self.signal_all(true);
                        continue;
                    }
                    stop_limit = Some(Instant::now() + STOP_LIMIT);
                    restarts.clear();
                    let limit = STOP_LIMIT.as_secs();
                    self.printer.step("Stopping", format!("calls in flight have {limit} s; Ctrl-C again ends them"));
                    if self.ask_to_stop() == Decision::Done {
                        return Ok(());
                    }
                }
                () = sleep_until(next_restart), if !restarts.is_empty() => {
                    if let Some((_, number)) = restarts.pop_front() {
                        self.supervisor.restarted(number);
                        self.spawn(number)?;
                        self.write_state()?;
                    }
                }
                () = sleep_until(start_limit), if starting && stop_limit.is_none() => {
                    let late = self.supervisor.starting().next();
                    if let Some(number) = late {
                        failure = Some(RunError::NotReady {
                            label: self.instances[number].label.clone(),
                            lines: self.said_last(number),
                        }.into());
                        self.ask_to_stop();
                        stop_limit = Some(Instant::now() + STOP_LIMIT);
                    }
                }
                () = sleep_until(stop_limit.unwrap_or(far)), if stop_limit.is_some() => {
                    self.printer.warning("services that did not stop in time are ended");
                    self.signal_all(true);
                    stop_limit = Some(far);
                }
            }
        }
    }

    fn take(&mut self, happened: Event) -> Result<Decision> {
        match happened {
            Event::Line(number, line) => {
                self.print_line(number, &line)?;
                let lines = &mut self.last_lines[number];
                lines.push_back(line);
                if lines.len() > LAST_LINES {
                    lines.pop_front();
                }
                Ok(Decision::None)
            }
            Event::Ready(number) => {
                let instance = &self.instances[number];
                event(
                    self.printer,
                    json!({
                        "event": "ready", "service": instance.service, "instance": instance.label,
                        "grpc": instance.grpc.to_string(), "admin": instance.admin.to_string(),
                    }),
                )?;
                Ok(self.supervisor.ready(number))
            }
            Event::Exited(number, status) => {
                let instance = &self.instances[number];
                event(
                    self.printer,
                    json!({
                        "event": "exited", "service": instance.service, "instance": instance.label,
                        "status": status.to_string(),
                    }),
                )?;
                self.pids[number] = 0;
                if !self.supervisor.is_stopping() {
                    self.printer
                        .warning(format!("`{}` ended ({status})", instance.label));
                }
                self.statuses[number] = status.to_string();
                Ok(self.supervisor.exited(number))
            }
        }
    }

    /// Asks all to stop; `Done` when there is nothing to wait for.
    fn ask_to_stop(&mut self) -> Decision {
        self.signal_all(false);
        self.supervisor.stop()
    }

    fn failed(&self, number: usize) -> Failure {
        let label = self.instances[number].label.clone();
        let status = self.statuses[number].clone();
        if self.supervisor.is_running() {
            RunError::Ended { label, status }.into()
        } else {
            let lines = self.said_last(number);
            RunError::NotStarted {
                label,
                status,
                lines,
            }
            .into()
        }
    }

    fn said_last(&self, number: usize) -> String {
        self.last_lines[number]
            .iter()
            .fold(String::new(), |text, line| text + "\n  " + line)
    }

    fn print_line(&self, number: usize, line: &str) -> Result {
        let label = &self.instances[number].label;
        if self.printer.is_json() {
            return event(
                self.printer,
                json!({ "event": "log", "instance": label, "line": line }),
            );
        }
        if self.printer.is_quiet() {
            return Ok(());
        }
        let color = Color::Ansi(COLORS[number % COLORS.len()]);
        let style = Style::new().fg_color(Some(color));
        let padded = format!("{label:>width$} |", width = self.width);
        let prefix = if self.printer.colors_stdout() {
            format!("{style}{padded}{style:#}")
        } else {
            padded
        };
        self.printer.data(&format!("{prefix} {line}\n"))
    }

    /// Tells the addresses once all are ready.
    fn announce(&self) -> Result {
        event(
            self.printer,
            json!({ "event": "running", "registry": self.registry }),
        )?;
        let width = self.width.max("registry".len());
        self.printer.line("");
        self.printer
            .line(format!("  {:<width$}  {:<15}  admin", "service", "gRPC"));
        for it in &self.instances {
            let (label, grpc, admin) = (&it.label, it.grpc.to_string(), it.admin);
            self.printer
                .line(format!("  {label:<width$}  {grpc:<15}  http://{admin}"));
        }
        if let Some(registry) = &self.registry {
            self.printer
                .line(format!("  {:<width$}  {registry}", "registry"));
        }
        self.printer.line("");
        let service = &self.instances[0].service;
        self.printer.hint(format!(
            "in another terminal, `msvc call {service}` lists what can be called; Ctrl-C stops all"
        ));
        Ok(())
    }

    fn signal_all(&self, at_once: bool) {
        for number in self.supervisor.alive() {
            if self.pids[number] != 0 {
                process::signal(self.pids[number], at_once);
            }
        }
    }
}

/// One event of the stream that `--format json` prints.
fn event(printer: &Printer, event: serde_json::Value) -> Result {
    if printer.is_json() {
        printer.json_line(&event)
    } else {
        Ok(())
    }
}
