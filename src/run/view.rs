//! What a running system looks like: steps and a table for people, events for programs.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Color, Style};
use indicatif::ProgressBar;
use serde_json::json;

use crate::duration;
use crate::error::Result;
use crate::printer::Printer;
use crate::run::process::Instance;

/// The colours of the processes' names, in their order.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Red,
];

/// Shows what happens to the processes of a system, each by its number.
#[derive(Debug)]
pub struct View<'a> {
    printer: &'a Printer,
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

impl<'a> View<'a> {
    /// For these processes.
    pub fn new(printer: &'a Printer, instances: &[Instance]) -> Self {
        Self {
            printer,
            width: instances.iter().map(|it| it.label.len()).max().unwrap_or(0),
            starting: instances.iter().map(|_| None).collect(),
        }
    }

    /// A process was started.
    ///
    /// # Errors
    /// When stdout cannot be written to, here as everywhere below.
    pub fn started(&mut self, number: usize, instance: &Instance, pid: u32) -> Result {
        let bar = self.printer.progress("Starting", 0);
        bar.set_message(format!("{} (pid {pid})", instance.label));
        self.starting[number] = Some(Starting {
            since: Instant::now(),
            bar,
        });
        event(
            self.printer,
            json!({
                "event": "starting", "service": instance.service, "instance": instance.label,
                "pid": pid,
            }),
        )
    }

    /// Some are not ready yet: told again and again where lines are not redrawn.
    pub fn still_starting(&self, instances: &[Instance]) {
        if self.printer.is_live() {
            return;
        }
        for (starting, instance) in self.starting.iter().zip(instances) {
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

    /// A process is ready.
    ///
    /// # Errors
    /// As above.
    pub fn ready(&mut self, number: usize, instance: &Instance) -> Result {
        if let Some(took) = self.no_longer_starting(number) {
            let label = &instance.label;
            self.printer
                .step("Ready", format!("{label} in {:.1} s", took.as_secs_f64()));
        }
        event(
            self.printer,
            json!({
                "event": "ready", "service": instance.service, "instance": instance.label,
                "grpc": instance.grpc.to_string(), "admin": instance.admin.to_string(),
            }),
        )
    }

    /// A process has ended, by itself or because it was asked to.
    ///
    /// # Errors
    /// As above.
    pub fn exited(&mut self, number: usize, instance: &Instance, end: &End<'_>) -> Result {
        self.no_longer_starting(number);
        event(
            self.printer,
            json!({
                "event": "exited", "service": instance.service, "instance": instance.label,
                "status": end.status,
            }),
        )?;
        if !end.was_asked {
            let label = &instance.label;
            self.printer
                .warning(format!("`{label}` ended ({})", end.status));
        }
        Ok(())
    }

    fn no_longer_starting(&mut self, number: usize) -> Option<Duration> {
        let starting = self.starting[number].take()?;
        starting.bar.finish_and_clear();
        Some(starting.since.elapsed())
    }

    /// A process has said something.
    ///
    /// # Errors
    /// As above.
    pub fn said(&self, number: usize, instance: &Instance, line: &str) -> Result {
        let label = &instance.label;
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

    /// All are ready: tells their addresses.
    ///
    /// # Errors
    /// As above.
    pub fn running(&self, instances: &[Instance], registry: Option<&str>) -> Result {
        event(
            self.printer,
            json!({ "event": "running", "registry": registry }),
        )?;
        let width = self.width.max("registry".len());
        self.printer.line("");
        self.printer
            .line(format!("  {:<width$}  {:<15}  admin", "service", "gRPC"));
        for it in instances {
            let (label, grpc, admin) = (&it.label, it.grpc.to_string(), it.admin);
            self.printer
                .line(format!("  {label:<width$}  {grpc:<15}  http://{admin}"));
        }
        if let Some(registry) = registry {
            self.printer
                .line(format!("  {:<width$}  {registry}", "registry"));
        }
        self.printer.line("");
        if let Some(first) = instances.first() {
            self.printer.hint(format!(
                "in another terminal, `msvc call {}` lists what can be called; Ctrl-C stops all",
                first.service
            ));
        }
        Ok(())
    }

    /// All have ended after they were asked to.
    ///
    /// # Errors
    /// As above.
    pub fn stopped(&self) -> Result {
        self.printer.step("Stopped", "all services");
        event(self.printer, json!({ "event": "stopped" }))
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// What the system says of it.
    pub status: &'a str,
    /// Whether it was asked to.
    pub was_asked: bool,
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
