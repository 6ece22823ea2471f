//! How it goes: a line a resource that is redrawn on a terminal, else a line when something has
//! happened to one; at the end where all is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::Report;
use super::plan::reason;
use crate::error::Result;
use crate::infra::docker::perform::{Deed, Done, Stage};
use crate::infra::docker::pull::Bytes;
use crate::infra::resource::Resource;
use crate::infra::state_file::InfraState;
use crate::printer::Printer;

/// What is shown of the resources.
pub(in crate::commands) struct View<'a> {
    printer: &'a Printer,
    state: &'a InfraState,
    lines: RefCell<BTreeMap<Resource, Line>>,
}

/// What is known of one.
#[derive(Default)]
struct Line {
    bar: Option<ProgressBar>,
    /// What the bar's line begins with.
    verb: &'static str,
    why: Option<String>,
    done: Option<Done>,
}

impl<'a> View<'a> {
    pub(in crate::commands) fn new(printer: &'a Printer, state: &'a InfraState) -> Self {
        Self {
            printer,
            state,
            lines: RefCell::default(),
        }
    }

    /// Shows what happens to a resource.
    pub(in crate::commands) fn show(&self, resource: Resource, stage: &Stage) {
        let mut lines = self.lines.borrow_mut();
        let line = lines.entry(resource).or_default();
        match stage {
            Stage::Pulling(bytes) => {
                self.bar(line, resource, "Pulling", &amount(*bytes));
            }
            Stage::Removing(why) => {
                let why = reason(why);
                self.bar(line, resource, "Removing", &why);
                self.printer.step("Replacing", format!("{resource}: {why}"));
                line.why = Some(why);
            }
            Stage::Creating => self.bar(line, resource, "Creating", ""),
            Stage::Starting => self.bar(line, resource, "Starting", ""),
            Stage::Waiting => self.bar(line, resource, "Waiting", "until it answers"),
            Stage::Healthy(done) => {
                clear(line);
                line.done = Some(*done);
                self.healthy(resource, done);
            }
            Stage::Failed => {
                clear(line);
                self.printer.warning(format!("`{resource}` is not healthy"));
            }
        }
    }

    /// Redraws the line of a resource; where none can be redrawn, tells when a pull begins, which is
    /// what takes long.
    fn bar(&self, line: &mut Line, resource: Resource, verb: &'static str, rest: &str) {
        if line.verb != verb {
            line.verb = verb;
            match &line.bar {
                Some(bar) => self.printer.restyle(bar, verb),
                None => line.bar = Some(self.printer.progress(verb, 0)),
            }
            if verb == "Pulling" && !self.printer.is_live() {
                self.printer.step(verb, format!("the image of {resource}"));
            }
        }
        if let Some(bar) = &line.bar {
            bar.set_message(format!("{:<10} {rest}", resource.name()));
        }
    }

    fn healthy(&self, resource: Resource, done: &Done) {
        let url = self.state.url(resource).unwrap_or_default();
        let took = match done.deed {
            Deed::Unchanged => "unchanged".to_owned(),
            deed => format!("{} in {}", deed.name(), seconds(done.took)),
        };
        self.printer
            .step("Healthy", format!("{resource:<10} {url}  ({took})"));
    }

    /// Tells that all is up.
    pub(in crate::commands) fn finish(&self, report: &Report<'_>) -> Result {
        let lines = self.lines.borrow();
        if self.printer.is_json() {
            let resources: Vec<Value> = lines.iter().map(|it| self.entry(it)).collect();
            return self.printer.json(&json!({
                "engine": report.engine,
                "address": report.address,
                "seconds": report.took.as_secs_f64(),
                "resources": resources,
                "environment": self.environment(),
            }));
        }
        let changed = lines.values().filter_map(|line| line.done);
        let is_changed = changed.clone().any(|done| done.deed != Deed::Unchanged);
        let what = match is_changed {
            true => "all healthy",
            false => "all healthy already, nothing changed",
        };
        let took = seconds(report.took);
        self.printer
            .step("Up", format!("{what} ({}, {took})", report.engine));
        if is_changed {
            self.printer.hint(
                "`msvc run` starts the services with it; `msvc status` says what runs, `msvc down` \
                 stops it",
            );
        }
        Ok(())
    }

    fn entry(&self, (resource, line): (&Resource, &Line)) -> Value {
        json!({
            "resource": resource,
            "url": self.state.url(*resource),
            "deed": line.done.map(|done| done.deed.name()),
            "why": line.why,
            "seconds": line.done.map(|done| done.took.as_secs_f64()),
        })
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        self.state.variables().into_iter().collect()
    }
}

fn clear(line: &mut Line) {
    if let Some(bar) = line.bar.take() {
        bar.finish_and_clear();
    }
}

/// How much of an image is here.
fn amount(bytes: Bytes) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match bytes.total {
        0 => String::new(),
        total => format!("{:.1} of {:.1} MB", megabytes(bytes.done), megabytes(total)),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
