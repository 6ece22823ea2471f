//! Findings for people and for programs.
//!
//! Pure: findings and lines in, text out.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::proto::diagnostic::{Place, ProtoDiagnostic};
use crate::proto::finding::{Finding, RuleInfo};

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ErrorFormat {
    /// With the line and a mark below it.
    Human,
    /// One JSON document.
    Json,
    /// Commands that GitHub's runner shows beside the changed lines.
    Github,
    /// SARIF 2.1.0, which code scanners exchange.
    Sarif,
}

/// A finding with the line that it begins in, and columns that count characters.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The finding; its columns count characters.
    pub finding: Finding,
    /// The line.
    pub text: String,
}

/// Adds to a finding the line that it begins in; `line` tells a file's line by its number from 1.
pub fn shown(mut finding: Finding, line: impl Fn(usize) -> Option<String>) -> Shown {
    let mut text = String::new();
    if let Some(span) = &mut finding.span {
        text = line(span.line).unwrap_or_default();
        let last = match span.end_line == span.line {
            true => text.clone(),
            false => line(span.end_line).unwrap_or_default(),
        };
        span.column = characters(&text, span.column);
        span.end_column = characters(&last, span.end_column);
    }
    Shown { finding, text }
}

/// A column that counts bytes as one that counts characters.
fn characters(line: &str, column: usize) -> usize {
    line.get(..column - 1)
        .map_or(column, |before| before.chars().count() + 1)
}

/// Findings as text in a format; `rules` are those that there are.
pub fn render(format: ErrorFormat, findings: &[Shown], rules: &[RuleInfo]) -> String {
    match format {
        ErrorFormat::Human => findings.iter().map(human).collect(),
        ErrorFormat::Json => json_document(findings),
        ErrorFormat::Github => findings.iter().map(github).collect(),
        ErrorFormat::Sarif => pretty(&sarif(findings, rules)),
    }
}

fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("findings serialize to JSON");
    text.push('\n');
    text
}

fn human(shown: &Shown) -> String {
    let finding = &shown.finding;
    let place = finding.span.map(|span| {
        let end = match span.end_line == span.line {
            true => span.end_column,
            false => shown.text.chars().count() + 1,
        };
        let length = end.saturating_sub(span.column);
        Place::new(span.line, span.column, length, &shown.text)
    });
    let diagnostic = ProtoDiagnostic {
        message: format!("{} [{}]", finding.message, finding.rule),
        file: Some(finding.file.clone()),
        place,
        help: finding.help.clone(),
    };
    format!("{diagnostic}\n\n")
}

/// A finding as JSON has it.
#[derive(Serialize)]
struct JsonFinding<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    rule: &'a str,
    message: &'a str,
    help: Option<&'a str>,
}

fn json_document(findings: &[Shown]) -> String {
    let findings: Vec<JsonFinding<'_>> = findings
        .iter()
        .map(|Shown { finding, .. }| JsonFinding {
            file: &finding.file,
            line: finding.span.map(|span| span.line),
            column: finding.span.map(|span| span.column),
            end_line: finding.span.map(|span| span.end_line),
            end_column: finding.span.map(|span| span.end_column),
            rule: finding.rule,
            message: &finding.message,
            help: finding.help.as_deref(),
        })
        .collect();
    pretty(&json!({ "findings": findings }))
}

fn github(shown: &Shown) -> String {
    let finding = &shown.finding;
    let mut line = format!("::error file={}", property(&finding.file));
    if let Some(span) = finding.span {
        write!(line, ",line={},endLine={}", span.line, span.end_line).expect("to a string");
        // Columns are only understood within one line.
        if span.line == span.end_line {
            write!(line, ",col={},endColumn={}", span.column, span.end_column)
                .expect("to a string");
        }
    }
    let message = match &finding.help {
        Some(help) => format!("{}\n{help}", finding.message),
        None => finding.message.clone(),
    };
    writeln!(line, ",title={}::{}", finding.rule, data(&message)).expect("to a string");
    line
}

/// Escapes what ends a message of a workflow command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes what ends a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn sarif(findings: &[Shown], rules: &[RuleInfo]) -> Value {
    let known: Vec<Value> = rules
        .iter()
        .map(|rule| json!({ "id": rule.name, "shortDescription": { "text": rule.purpose } }))
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|Shown { finding, .. }| {
            let mut place = json!({ "artifactLocation": { "uri": uri(&finding.file) } });
            if let Some(span) = finding.span {
                place["region"] = json!({
                    "startLine": span.line,
                    "startColumn": span.column,
                    "endLine": span.end_line,
                    "endColumn": span.end_column,
                });
            }
            let text = match &finding.help {
                Some(help) => format!("{}: {help}", finding.message),
                None => finding.message.clone(),
            };
            json!({
                "ruleId": finding.rule,
                "level": "error",
                "message": { "text": text },
                "locations": [{ "physicalLocation": place }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "msvc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": known,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A path as a relative reference: what a URI cannot hold is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => write!(uri, "%{byte:02X}").expect("to a string"),
        }
    }
    uri
}
