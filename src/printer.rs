//! The only module that prints: data to stdout, talk to stderr.
//!
//! Meaning never depends on colour. A reader that went away (`msvc … | head`) ends the command
//! quietly.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::cli::{ColorChoice, Format, GlobalArgs};
use crate::env_vars::Environment;
use crate::error::{Exit, Failure, Result, Silent};

/// How often live progress is redrawn.
const REDRAWS_PER_SECOND: u8 = 12;

/// Green and bold, for the verb of a step.
const STEP: Style = AnsiColor::Green.on_default().bold();
/// Red and bold, for errors.
const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Yellow and bold, for warnings.
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Cyan and bold, for hints.
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The way to the terminal; clones share it.
#[derive(Clone, Debug)]
pub struct Printer {
    format: Format,
    quiet: bool,
    verbosity: u8,
    color: ColorChoice,
    no_color: bool,
    live: bool,
    /// Whether stdout has one JSON document a line, so that an error must be one too.
    streams: Arc<AtomicBool>,
    bars: MultiProgress,
}

impl Printer {
    /// Decides from flags, environment and the kind of streams what is printed and how.
    pub fn new(global: &GlobalArgs, environment: &Environment) -> Self {
        let live = io::stderr().is_terminal()
            && !global.quiet
            && !environment.ci
            && !environment.dumb_terminal;
        let target = if live {
            ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND)
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            format: global.format,
            quiet: global.quiet,
            verbosity: global.verbose,
            color: global.color,
            no_color: environment.no_color || environment.dumb_terminal,
            live,
            streams: Arc::default(),
            bars: MultiProgress::with_draw_target(target),
        }
    }

    /// Whether results are to be JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether only results and errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// How many times `-v` was given.
    pub fn verbosity(&self) -> u8 {
        self.verbosity
    }

    /// Whether lines may be redrawn: stderr is a terminal, nobody asked for quiet, this is not CI.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether a person sits at both ends.
    pub fn is_interactive(&self) -> bool {
        self.live && !self.is_json() && io::stdin().is_terminal()
    }

    /// Whether stdout may be coloured.
    pub fn colors_stdout(&self) -> bool {
        self.colors(io::stdout().is_terminal())
    }

    /// Whether stderr may be coloured.
    pub fn colors_stderr(&self) -> bool {
        self.colors(io::stderr().is_terminal())
    }

    fn colors(&self, is_terminal: bool) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !self.no_color,
        }
    }

    /// Writes a result to stdout, as it is; the caller ends its lines.
    ///
    /// # Errors
    /// When stdout cannot be written to. A reader that went away is a silent success.
    pub fn data(&self, text: &str) -> Result {
        self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            let written = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush());
            match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    Err(Silent(Exit::Success).into())
                }
                Err(source) => Err(crate::error::IoFailure {
                    attempt: "write to stdout".to_owned(),
                    source,
                }
                .into()),
                Ok(()) => Ok(()),
            }
        })
    }

    /// Writes a result as one indented JSON document.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn json(&self, value: &impl Serialize) -> Result {
        let mut text = serde_json::to_string_pretty(value).expect("results serialize to JSON");
        text.push('\n');
        self.data(&text)
    }

    /// Writes one of a stream of results as one line of JSON (NDJSON).
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub fn json_line(&self, value: &impl Serialize) -> Result {
        self.streams.store(true, Ordering::Relaxed);
        let mut text = serde_json::to_string(value).expect("results serialize to JSON");
        text.push('\n');
        self.data(&text)
    }

    /// Tells of a step that was done: a right-aligned verb, then what it was done to.
    pub fn step(&self, verb: &str, what: impl Display) {
        if !self.quiet {
            self.talk(&format!(
                "{} {what}",
                self.paint(STEP, &format!("{verb:>12}"))
            ));
        }
    }

    /// Tells a line as it is, unless quiet.
    pub fn line(&self, text: impl Display) {
        if !self.quiet {
            self.talk(&text.to_string());
        }
    }

    /// Tells a detail that only `-v` shows.
    pub fn detail(&self, text: impl Display) {
        if self.verbosity > 0 {
            self.talk(&text.to_string());
        }
    }

    /// Warns.
    pub fn warning(&self, text: impl Display) {
        self.talk(&format!("{} {text}", self.paint(WARNING, "warning:")));
    }

    /// Says what could be done next.
    pub fn hint(&self, text: impl Display) {
        if !self.quiet {
            self.talk(&format!("{} {text}", self.paint(HINT, "hint:")));
        }
    }

    /// Reports the failure that ends the command: to stderr, or as the JSON document on stdout.
    pub fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        let messages = failure.messages();
        if self.is_json() {
            let mut document = serde_json::json!({ "error": {
                "message": messages[0],
                "causes": &messages[1..],
                "hint": failure.hint(),
                "exit_code": failure.exit() as u8,
            }});
            let places = failure.places();
            if !places.is_empty() {
                document["error"]["places"] = serde_json::json!(places);
            }
            // Nobody is left to tell when stdout is closed.
            let _ = match self.streams.load(Ordering::Relaxed) {
                true => self.json_line(&document),
                false => self.json(&document),
            };
            return;
        }
        self.talk(&format!("{} {}", self.paint(ERROR, "error:"), messages[0]));
        for cause in &messages[1..] {
            self.talk(&format!("  caused by: {cause}"));
        }
        if let Some(hint) = failure.hint() {
            self.talk(&format!("{} {hint}", self.paint(HINT, "hint:")));
        }
    }

    /// A progress bar of `length` steps (0: not known yet, a spinner), hidden where lines are not
    /// redrawn.
    pub fn progress(&self, verb: &str, length: u64) -> ProgressBar {
        let bar = self.bars.add(if length == 0 {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::new(length)
        });
        bar.set_style(self.style(verb, length));
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Lets a spinner of [`Printer::progress`] say another verb.
    pub fn restyle(&self, bar: &ProgressBar, verb: &str) {
        bar.set_style(self.style(verb, 0));
    }

    fn style(&self, verb: &str, length: u64) -> ProgressStyle {
        let verb = self.paint(STEP, &format!("{verb:>12}"));
        let template = if length == 0 {
            format!("{verb} {{spinner}} {{wide_msg}}")
        } else {
            format!("{verb} [{{bar:27}}] {{pos}}/{{len}} {{wide_msg}}")
        };
        ProgressStyle::with_template(&template)
            .expect("the templates above are valid")
            .progress_chars("=> ")
    }

    /// Colours text for stderr, where colours are wanted.
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.colors_stderr() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn talk(&self, text: &str) {
        self.bars.suspend(|| {
            // A closed stderr must not end the command.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }
}
