//! What a bench found: of one method, or of a mix of several.

use serde::Serialize;

use super::{Host, Report, Server, Subject, conclude};
use crate::bench::dialogue::Talk;
use crate::bench::load::{Model, Plan, Profile};
use crate::bench::stats::{End, Outcome, Recorder};
use crate::bench::threshold::Threshold;
use crate::bench::verdict::{Limit, Verdict, verdict};

/// The version of the schema of mixes.
pub const MIXED_SCHEMA: &str = "msvc.bench.mixed/1";

/// What a bench found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reports {
    /// Of one method.
    One(Box<Report>),
    /// Of several at once.
    Mixed(Box<Mixed>),
}

/// What a bench of several methods at once found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mixed {
    /// [`MIXED_SCHEMA`].
    pub schema: &'static str,
    /// All calls that ended, by the second: that of `whole`.
    pub calls_per_second: f64,
    /// Of all calls together.
    pub whole: Report,
    /// Of each method, in the order of the file.
    pub reports: Vec<Report>,
}

/// One method of a mix, and what came of it.
#[derive(Debug)]
pub struct Part {
    /// What was benched.
    pub subject: Subject,
    /// Its share of the load.
    pub plan: Plan,
    /// What came of it.
    pub outcome: Outcome,
    /// What must hold of it.
    pub thresholds: Vec<Threshold>,
}

impl Reports {
    /// Of one method.
    pub fn one(report: Report) -> Self {
        Self::One(Box::new(report))
    }

    /// Of several at once: a report for each, and one of all calls together, for which the load had this
    /// profile, and of which `thresholds` must hold.
    pub fn mixed(parts: Vec<Part>, profile: Option<Profile>, thresholds: &[Threshold]) -> Self {
        let reports: Vec<Report> = parts
            .iter()
            .map(|part| {
                let subject = part.subject.clone();
                conclude(subject, &part.plan, &part.outcome, &part.thresholds)
            })
            .collect();
        let subject = whole_subject(&reports);
        let plans = parts.iter().map(|part| &part.plan);
        let plan = whole_plan(plans, profile);
        let mut whole = conclude(subject, &plan, &whole_outcome(&parts), thresholds);
        // Streams of one method and messages of another are no distribution of anything.
        whole.streams = None;
        Self::Mixed(Box::new(Mixed {
            schema: MIXED_SCHEMA,
            calls_per_second: whole.calls_per_second,
            whole,
            reports,
        }))
    }

    /// That of all calls.
    pub fn whole(&self) -> &Report {
        match self {
            Self::One(report) => report,
            Self::Mixed(mixed) => &mixed.whole,
        }
    }

    /// One for each method.
    pub fn parts(&self) -> &[Report] {
        match self {
            Self::One(report) => std::slice::from_ref(report),
            Self::Mixed(mixed) => &mixed.reports,
        }
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> &mut [Report] {
        match self {
            Self::One(report) => std::slice::from_mut(report),
            Self::Mixed(mixed) => &mut mixed.reports,
        }
    }

    /// Whether it is of several methods.
    pub fn is_mixed(&self) -> bool {
        matches!(self, Self::Mixed(_))
    }

    /// Takes what was seen on this machine meanwhile, and concludes from it what was the limit. What a server
    /// took cannot be told by the method: it is that of all calls.
    pub fn note(&mut self, host: Option<Host>, server: Option<Server>) {
        for report in self.parts_mut() {
            report.host = host;
            report.verdict = verdict(report);
        }
        match self {
            Self::One(report) => report.server = server,
            Self::Mixed(mixed) => {
                mixed.whole.host = host;
                mixed.whole.server = server;
                mixed.whole.verdict = whole_verdict(&mixed.whole, &mixed.reports);
            }
        }
    }
}

/// What limits one of the methods limits the mix.
fn whole_verdict(whole: &Report, parts: &[Report]) -> Verdict {
    let limited = parts.iter().find(|part| {
        let kind = part.verdict.kind;
        matches!(
            kind,
            Limit::Inconclusive | Limit::ClientBound | Limit::SloBound
        )
    });
    match limited {
        Some(part) => Verdict {
            kind: part.verdict.kind,
            why: format!("{}: {}", part.subject.title(), part.verdict.why),
        },
        None => verdict(whole),
    }
}

fn whole_subject(reports: &[Report]) -> Subject {
    let mut endpoints: Vec<String> = Vec::new();
    for endpoint in reports.iter().flat_map(|report| &report.subject.endpoints) {
        if !endpoints.contains(endpoint) {
            endpoints.push(endpoint.clone());
        }
    }
    let methods = reports.iter().map(|report| report.subject.method.as_str());
    let methods: Vec<&str> = methods.collect();
    let target = reports.first().map(|report| report.subject.target.clone());
    Subject {
        name: Some(format!("all calls of {} methods", reports.len())),
        target: target.unwrap_or_default(),
        endpoints,
        method: methods.join(" + "),
        messages_per_call: None,
        messages: Talk::AtOnce,
        bytes_per_call: None,
        seed: None,
    }
}

/// The loads of all methods added up.
fn whole_plan<'a>(plans: impl Iterator<Item = &'a Plan>, profile: Option<Profile>) -> Plan {
    let add = |all: Model, one: Model| match (all, one) {
        (
            Model::Open {
                rate_per_second,
                max_in_flight,
            },
            Model::Open {
                rate_per_second: more,
                max_in_flight: most,
            },
        ) => Model::Open {
            rate_per_second: ((rate_per_second + more) * 1e6).round() / 1e6,
            max_in_flight: max_in_flight + most,
        },
        (Model::Closed { concurrency }, Model::Closed { concurrency: more }) => Model::Closed {
            concurrency: concurrency + more,
        },
        (all, _) => all,
    };
    let sum = plans.cloned().reduce(|all, one| Plan {
        model: add(all.model, one.model),
        connections: all.connections + one.connections,
        threads: all.threads + one.threads,
        calls: all.calls.zip(one.calls).map(|(calls, more)| calls + more),
        timeout: all.timeout.max(one.timeout),
        ..all
    });
    Plan {
        profile,
        ..sum.expect("a mix has calls")
    }
}

fn whole_outcome(parts: &[Part]) -> Outcome {
    let mut whole = Outcome {
        recorder: Recorder::default(),
        elapsed: std::time::Duration::ZERO,
        end: End::Planned,
    };
    for Part { outcome, .. } in parts {
        whole.recorder.add(&outcome.recorder);
        whole.elapsed = whole.elapsed.max(outcome.elapsed);
        if whole.end == End::Planned {
            whole.end = outcome.end.clone();
        }
    }
    whole
}
