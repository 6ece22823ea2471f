//! Changes that break what was built from an earlier state of the protos, by buf's rules.
//!
//! A rule compares a definition with the one of the same name, or number, in the earlier state; what
//! is common to all of them, that is which are asked and what is ignored, stands here. Pure: no I/O.

pub mod config;
mod rules;
mod state;

use std::ptr;

use crate::proto::breaking::config::BreakingConfig;
pub use crate::proto::breaking::state::State;
use crate::proto::breaking::state::{Definitions, FieldView};
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
    let fields = before.fields_still_in(after);
    let mut findings = Vec::new();
    for rule in rules::RULES {
        if !chosen.has(rule.info.name) {
            continue;
        }
        for (file, complaint) in complaints(&states, &fields, &rule.check) {
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

/// What a rule has against the change, with the file that it concerns. Files that both states share are
/// not compared with themselves.
fn complaints(
    states: &States<'_>,
    fields: &[(FieldView<'_>, FieldView<'_>)],
    check: &Check,
) -> Vec<(String, Complaint)> {
    let (before, after) = (states.before, states.after);
    let mut found: Vec<(String, Complaint)> = Vec::new();
    let mut add = |file: &File<'_>, complaints: &mut dyn Iterator<Item = Complaint>| {
        found.extend(complaints.map(|complaint| (file.name().to_owned(), complaint)));
    };
    match check {
        Check::Project(check) => return check(states),
        Check::File(check) => {
            for file in before.files() {
                let now = after.file(file.name());
                if let Some(now) = now.filter(|now| !ptr::eq(*now, file)) {
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
            for (file, before, after) in still_in(&before.messages, &after.messages) {
                let pair = Pair {
                    before,
                    after,
                    states,
                };
                add(file, &mut check(&pair).into_iter());
            }
        }
        Check::Enum(check) => {
            for (file, before, after) in still_in(&before.enums, &after.enums) {
                let pair = Pair {
                    before,
                    after,
                    states,
                };
                add(file, &mut check(&pair).into_iter());
            }
        }
        Check::Field(check) => {
            for (was, now) in fields {
                let pair = Pair {
                    before: was,
                    after: now,
                    states,
                };
                add(now.file, &mut check(&pair).into_iter());
            }
        }
        Check::Service(check) => {
            for (file, before, after) in still_in(&before.services, &after.services) {
                let pair = Pair {
                    before,
                    after,
                    states,
                };
                add(file, &mut check(&pair).into_iter());
            }
        }
        Check::Method(check) => {
            for (file, before, after) in still_in(&before.services, &after.services) {
                for method in before.methods() {
                    let same = |it: &Method<'_>| it.proto.name() == method.proto.name();
                    if let Some(now) = after.methods().find(same) {
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

/// Definitions that both states have, in files that they do not share: the present file, and both.
fn still_in<'s, 'a, T>(
    before: &'s Definitions<'a, T>,
    after: &'s Definitions<'a, T>,
) -> impl Iterator<Item = (&'a File<'a>, &'a T, &'a T)> + use<'s, 'a, T> {
    before.iter().filter_map(|(name, &(was_in, was))| {
        let &(file, now) = after.get(name)?;
        (!ptr::eq(file, was_in)).then_some((file, was, now))
    })
}
