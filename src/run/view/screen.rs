//! Steps and a table for people, events for programs.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Color, Style};
use indicatif::ProgressBar;
use serde_json::json;

use crate::duration;
use crate::error::Result;
use crate::printer::Printer;
use crate::run::process::Instance;
use crate::run::view::{Message, Overview};

/// The colours of the processes' names, in their order.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// Prints what happens to the processes of a system, each by its number.
#[derive(Debug)]
pub(super) struct Screen {
    printer: Printer,
    instances: Vec<Instance>,
    overview: Overview,
    /// How wide the longest name is.
    width: usize,
    starting: Vec<Option<Starting>>,
}

/// A process that is not ready yet.
#[derive(Debug)]
struct Starting {
    since: Instant,
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn new(printer: Printer, instances: Vec<Instance>, overview: Overview) -> Self {
        Self {
            printer,
            overview,
            width: instances.iter().map(|it| it.label.len()).max().unwrap_or(0),
            starting: instances.iter().map(|_| None).collect(),
            instances,
        }
    }

    /// Prints one message.
    ///
    /// # Errors
    /// When stdout cannot be written to, here as everywhere below.
    pub(super) fn show(&mut self, message: &Message) -> Result {
        match message {
            Message::Started { number, pid } => self.started(*number, *pid),
            Message::StillStarting => {
                self.still_starting();
                Ok(())
            }
            Message::Said { number, line } => self.said(*number, line),
            Message::Ready { number } => self.ready(*number),
            Message::Exited {
                number,
                status,
                was_asked,
            } => self.exited(*number, status, *was_asked),
            Message::Running => self.running(),
            Message::Stopping { limit } => {
                let limit = limit.as_secs();
                self.printer.step(
                    "Stopping",
                    format!("calls in flight have {limit} s; Ctrl-C again ends them"),
                );
                Ok(())
            }
            Message::Stopped => {
                self.printer.step("Stopped", "all services");
                event(&self.printer, json!({ "event": "stopped" }))
            }
            Message::Added { services, command } => self.added(services, command),
            Message::Warning(text) => {
                self.printer.warning(text);
                Ok(())
            }
        }
    }

    fn started(&mut self, number: usize, pid: u32) -> Result {
        let instance = &self.instances[number];
        let bar = self.printer.progress("Starting", 0);
        bar.set_message(format!("{} (pid {pid})", instance.label));
        self.starting[number] = Some(Starting {
            since: Instant::now(),
            bar,
        });
        event(
            &self.printer,
            json!({
                "event": "starting", "service": instance.service, "instance": instance.label,
                "pid": pid,
            }),
        )
    }

    /// Told again and again where lines are not redrawn.
    fn still_starting(&self) {
        if self.printer.is_live() {
            return;
        }
        for (starting, instance) in self.starting.iter().zip(&self.instances) {
            if let Some(starting) = starting {
                let since = Duration::from_secs(starting.since.elapsed().as_secs());
                let label = &instance.label;
                self.printer.step(
                    "Starting",
                    format!("{label}, for {}", duration::exact(since)),
                );
            }
        }
    }

    fn ready(&mut self, number: usize) -> Result {
        let took = self.no_longer_starting(number);
        let instance = &self.instances[number];
        if let Some(took) = took {
            let label = &instance.label;
            self.printer
                .step("Ready", format!("{label} in {:.1} s", took.as_secs_f64()));
        }
        event(
            &self.printer,
            json!({
                "event": "ready", "service": instance.service, "instance": instance.label,
                "grpc": instance.grpc.to_string(), "admin": instance.admin.to_string(),
            }),
        )
    }

    fn exited(&mut self, number: usize, status: &str, was_asked: bool) -> Result {
        self.no_longer_starting(number);
        let instance = &self.instances[number];
        event(
            &self.printer,
            json!({
                "event": "exited", "service": instance.service, "instance": instance.label,
                "status": status,
            }),
        )?;
        if !was_asked {
            let label = &instance.label;
            self.printer.warning(format!("`{label}` ended ({status})"));
        }
        Ok(())
    }

    fn no_longer_starting(&mut self, number: usize) -> Option<Duration> {
        let starting = self.starting[number].take()?;
        starting.bar.finish_and_clear();
        Some(starting.since.elapsed())
    }

    fn said(&self, number: usize, line: &str) -> Result {
        let label = &self.instances[number].label;
        if self.printer.is_json() {
            return event(
                &self.printer,
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

    /// Tells the addresses.
    fn running(&self) -> Result {
        event(
            &self.printer,
            json!({
                "event": "running", "registry": self.overview.registry,
                "traces": self.overview.traces,
            }),
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
        let Overview {
            registry, traces, ..
        } = &self.overview;
        for (name, url) in [("registry", registry), ("traces", traces)] {
            if let Some(url) = url {
                self.printer.line(format!("  {name:<width$}  {url}"));
            }
        }
        self.printer.line("");
        if let Some(service) = &self.overview.callable {
            let through = self.overview.through_gateway.as_ref();
            let through = through.map(|it| format!(", `{it}` calls through the gateway"));
            self.printer.hint(format!(
                "in another terminal, `msvc call {service}` lists what can be called{}; Ctrl-C \
                 stops all",
                through.unwrap_or_default()
            ));
        }
        Ok(())
    }

    fn added(&self, services: &[String], command: &str) -> Result {
        let (verb, them) = match services.len() {
            1 => ("was", "it"),
            _ => ("were", "them"),
        };
        self.printer.hint(format!(
            "{} {verb} added to the workspace: Ctrl-C here, then `{command}` runs {them} too",
            services.join(", ")
        ));
        event(
            &self.printer,
            json!({ "event": "added", "services": services }),
        )
    }
}

/// Tells one event of the stream that `--format json` prints.
///
/// # Errors
/// When stdout cannot be written to.
pub fn event(printer: &Printer, event: serde_json::Value) -> Result {
    if printer.is_json() {
        printer.json_line(&event)
    } else {
        Ok(())
    }
}
