//! Changes that break what was built from an earlier state of the protos, by buf's rules.
//!
//! A rule compares a definition with the one of the same name, or number, in the earlier state; what
//! is common to all of them, that is which are asked and what is ignored, stands here. Pure: no I/O.

pub mod config;
mod rules;
mod state;

use crate::proto::breaking::config::BreakingConfig;
use crate::proto::breaking::state::FieldView;
pub use crate::proto::breaking::state::State;
use crate::proto::finding::{Category, Complaint, Finding, RuleInfo, Span, UnknownRule};
use crate::proto::lint::version::{self, Stability};
use crate::proto::schema::{Enum, File, Message, Method, Service};

/// A definition before and after a change.
struct Pair<'a, T> {
    before: &'a T,
    after: &'a T,
    states: &'a States<'a>,
}

/// The protos as they were and as they are.
struct States<'a> {
    before: &'a State<'a>,
    after: &'a State<'a>,
}

/// A rule, by what it compares.
enum Check {
    Project(fn(&States<'_>) -> Vec<(String, Complaint)>),
    File(fn(&Pair<'_, File<'_>>) -> Vec<Complaint>),
    Message(fn(&Pair<'_, Message<'_>>) -> Vec<Complaint>),
    Field(fn(&Pair<'_, FieldView<'_>>) -> Option<Complaint>),
    Enum(fn(&Pair<'_, Enum<'_>>) -> Vec<Complaint>),
    Service(fn(&Pair<'_, Service<'_>>) -> Vec<Complaint>),
    Method(fn(&Pair<'_, Method<'_>>) -> Option<Complaint>),
}

/// A rule with its check.
struct Rule {
    info: RuleInfo,
    check: Check,
}

/// The rules in the order of their names.
pub fn all() -> Vec<RuleInfo> {
    let mut all: Vec<RuleInfo> = rules::RULES.iter().map(|rule| rule.info).collect();
    all.sort_by_key(|rule| rule.name);
    all
}

/// What breaks between two states of the protos.
///
/// # Errors
/// [`UnknownRule`] when the configuration names what is not a rule.
pub fn breaking(
    before: &State<'_>,
    after: &State<'_>,
    config: &BreakingConfig,
) -> Result<Vec<Finding>, UnknownRule> {
    let chosen = config
        .selection()
        .choose("breaking", &all(), Category::File)?;
    let states = States { before, after };
    let mut findings = Vec::new();
    for rule in rules::RULES {
        if !chosen.has(rule.info.name) {
            continue;
        }
        for (file, complaint) in complaints(&states, &rule.check) {
            let may_change = config.ignore_unstable_packages && is_unstable(&states, &file);
            if may_change || chosen.ignores(rule.info.name, &file) {
                continue;
            }
            let path = Some(&complaint.path).filter(|path| !path.is_empty());
            let place = path.and_then(|path| states.after.file(&file)?.location(path));
            findings.push(Finding {
                span: place.and_then(Span::of),
                file,
                rule: rule.info.name,
                message: complaint.message,
                help: complaint.help,
            });
        }
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn is_unstable(states: &States<'_>, file: &str) -> bool {
    let file = states.after.file(file).or(states.before.file(file));
    let package = file.map(|file| file.proto.package());
    package.and_then(version::of_package) == Some(Stability::Unstable)
}

/// What a rule has against the change, with the file that it concerns.
fn complaints(states: &States<'_>, check: &Check) -> Vec<(String, Complaint)> {
    let (before, after) = (states.before, states.after);
    let mut found: Vec<(String, Complaint)> = Vec::new();
    let mut add = |file: &File<'_>, complaints: &mut dyn Iterator<Item = Complaint>| {
        found.extend(complaints.map(|complaint| (file.name().to_owned(), complaint)));
    };
    match check {
        Check::Project(check) => return check(states),
        Check::File(check) => {
            for file in before.files() {
                if let Some(now) = after.file(file.name()) {
                    let pair = Pair {
                        before: file,
                        after: now,
                        states,
                    };
                    add(now, &mut check(&pair).into_iter());
                }
            }
        }
        Check::Message(check) => {
            for (name, (_, message)) in &before.messages {
                if let Some((file, now)) = after.messages.get(name) {
                    let pair = Pair {
                        before: *message,
                        after: *now,
                        states,
                    };
                    add(file, &mut check(&pair).into_iter());
                }
            }
        }
        Check::Enum(check) => {
            for (name, (_, it)) in &before.enums {
                if let Some((file, now)) = after.enums.get(name) {
                    let pair = Pair {
                        before: *it,
                        after: *now,
                        states,
                    };
                    add(file, &mut check(&pair).into_iter());
                }
            }
        }
        Check::Field(check) => {
            for (was, now) in before.fields_still_in(after) {
                let pair = Pair {
                    before: &was,
                    after: &now,
                    states,
                };
                add(now.file, &mut check(&pair).into_iter());
            }
        }
        Check::Service(check) => {
            for (name, (_, service)) in &before.services {
                if let Some((file, now)) = after.services.get(name) {
                    let pair = Pair {
                        before: *service,
                        after: *now,
                        states,
                    };
                    add(file, &mut check(&pair).into_iter());
                }
            }
        }
        Check::Method(check) => {
            for (name, (_, service)) in &before.services {
                let Some((file, service_now)) = after.services.get(name) else {
                    continue;
                };
                for method in service.methods() {
                    let same = |it: &Method<'_>| it.proto.name() == method.proto.name();
                    if let Some(now) = service_now.methods().find(same) {
                        let pair = Pair {
                            before: &method,
                            after: &now,
                            states,
                        };
                        add(file, &mut check(&pair).into_iter());
                    }
                }
            }
        }
    }
    found
}
