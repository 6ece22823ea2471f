//! Lint rules for protos, by buf's names and with buf's meaning.
//!
//! A rule is a small function from descriptors to complaints; what is common to all of them, that is
//! which are asked and where they are ignored, stands here. Pure: no I/O.

pub mod case;
pub mod config;
mod rules;
mod usage;
pub mod version;

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;

use crate::proto::finding::{Category, Chosen, Complaint, Finding, RuleInfo, Span, UnknownRule};
use crate::proto::lint::config::LintConfig;
use crate::proto::schema::{Enum, EnumValue, Field, File, Message, Method, Oneof, Service, tag};

/// What a rule may look at beside the part that it judges.
pub struct Scope<'a> {
    /// The files to be linted.
    pub files: &'a [&'a File<'a>],
    /// Those and all that they import.
    pub all_files: &'a [File<'a>],
    /// The same, linked.
    pub pool: &'a DescriptorPool,
    /// What rules are told by the configuration.
    pub config: &'a LintConfig,
}

/// A rule, by what it judges.
enum Check {
    Project(fn(&Scope<'_>) -> Vec<(usize, Complaint)>),
    File(fn(&Scope<'_>, &File<'_>) -> Vec<Complaint>),
    Message(fn(&File<'_>, &Message<'_>) -> Option<Complaint>),
    Oneof(fn(&File<'_>, &Oneof<'_>) -> Option<Complaint>),
    Field(fn(&File<'_>, &Field<'_>) -> Option<Complaint>),
    Enum(fn(&File<'_>, &Enum<'_>) -> Option<Complaint>),
    EnumValue(fn(&Judged<'_>, &Enum<'_>, &EnumValue<'_>) -> Option<Complaint>),
    Service(fn(&Judged<'_>, &Service<'_>) -> Option<Complaint>),
    Method(fn(&Judged<'_>, &Service<'_>, &Method<'_>) -> Option<Complaint>),
}

/// The file of what a rule judges, and what the rule is told by the configuration.
struct Judged<'a> {
    file: &'a File<'a>,
    config: &'a LintConfig,
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

/// Lints the files whose names are given; the others are what they import.
///
/// # Errors
/// [`UnknownRule`] when the configuration names what is not a rule.
pub fn lint(
    pool: &DescriptorPool,
    all_files: &[File<'_>],
    names: &BTreeSet<String>,
    config: &LintConfig,
) -> Result<Vec<Finding>, UnknownRule> {
    let chosen = config
        .selection()
        .choose("lint", &all(), Category::Standard)?;
    let files: Vec<&File<'_>> = all_files
        .iter()
        .filter(|file| names.contains(file.name()))
        .collect();
    let scope = Scope {
        files: &files,
        all_files,
        pool,
        config,
    };
    let mut findings = Vec::new();
    for rule in rules::RULES {
        if !chosen.has(rule.info.name) {
            continue;
        }
        if let Check::Project(check) = &rule.check {
            for (index, complaint) in check(&scope) {
                findings.extend(judge(&chosen, config, rule, files[index], complaint));
            }
            continue;
        }
        for &file in &files {
            for complaint in complaints(&scope, file, &rule.check) {
                findings.extend(judge(&chosen, config, rule, file, complaint));
            }
        }
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

/// What a rule has against a file.
fn complaints(scope: &Scope<'_>, file: &File<'_>, check: &Check) -> Vec<Complaint> {
    let judged = Judged {
        file,
        config: scope.config,
    };
    let messages = || file.messages.iter().filter(|it| !it.is_map_entry());
    match check {
        Check::Project(_) => Vec::new(),
        Check::File(check) => check(scope, file),
        Check::Message(check) => messages().filter_map(|it| check(file, it)).collect(),
        Check::Oneof(check) => messages()
            .flat_map(Message::oneofs)
            .filter_map(|it| check(file, &it))
            .collect(),
        Check::Field(check) => file.fields().filter_map(|it| check(file, &it)).collect(),
        Check::Enum(check) => file.enums.iter().filter_map(|it| check(file, it)).collect(),
        Check::EnumValue(check) => {
            let enums = file.enums.iter();
            let values = enums.flat_map(|it| it.values().map(move |value| (it, value)));
            values
                .filter_map(|(it, value)| check(&judged, it, &value))
                .collect()
        }
        Check::Service(check) => {
            let services = file.services.iter();
            services.filter_map(|it| check(&judged, it)).collect()
        }
        Check::Method(check) => {
            let services = file.services.iter();
            let methods = services.flat_map(|it| it.methods().map(move |method| (it, method)));
            methods
                .filter_map(|(it, method)| check(&judged, it, &method))
                .collect()
        }
    }
}

/// A complaint as a finding, unless it is to be passed over.
fn judge(
    chosen: &Chosen,
    config: &LintConfig,
    rule: &Rule,
    file: &File<'_>,
    complaint: Complaint,
) -> Option<Finding> {
    let name = rule.info.name;
    if chosen.ignores(name, file.name()) {
        return None;
    }
    if config.allow_comment_ignores && is_ignored_by_comment(file, name, &complaint.path) {
        return None;
    }
    // The path of the file as a whole is empty, and its place would be all of it.
    let part = Some(&complaint.path).filter(|path| !path.is_empty());
    Some(Finding {
        file: file.name().to_owned(),
        span: part.and_then(|path| Span::of(file.location(path)?)),
        rule: name,
        message: complaint.message,
        help: complaint.help,
    })
}

/// What a comment begins with that switches a rule off.
const IGNORE: &str = "buf:lint:ignore";

/// Whether a comment before a part, or before what holds it, switches a rule off. What is said of the
/// file as a whole is switched off before its syntax or its package.
fn is_ignored_by_comment(file: &File<'_>, rule: &str, path: &[i32]) -> bool {
    let switches_off = |path: &[i32]| {
        let comment = file.leading_comment(path);
        comment.contains(IGNORE)
            && comment.lines().any(|line| {
                let rest = line.trim().strip_prefix(IGNORE);
                rest.and_then(|rest| rest.split_whitespace().next()) == Some(rule)
            })
    };
    if path.is_empty() {
        return switches_off(&[tag::FILE_SYNTAX]) || switches_off(&[tag::FILE_PACKAGE]);
    }
    (1..=path.len()).any(|length| switches_off(&path[..length]))
}
