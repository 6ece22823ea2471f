//! Reports as JUnit's XML, which continuous integration systems show: a test case for whatever is judged.

use std::fmt::Write as _;

use super::{Report, Reports};
use crate::bench::baseline;
use crate::bench::threshold::Verdict;

/// What became of a case.
enum Outcome {
    Passed,
    /// What was measured did not do.
    Failed(String),
    /// Nothing was measured, or something else.
    Errored(String),
    /// Nobody can tell.
    Skipped(String),
}

/// Renders a suite for each method, and for a mix one of all calls before them: with a case for the measurement
/// and one for each threshold, expectation and comparison.
pub fn junit(reports: &Reports) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    if reports.is_mixed() {
        suite(&mut out, reports.whole());
    }
    for report in reports.parts() {
        suite(&mut out, report);
    }
    out.push_str("</testsuites>\n");
    out
}

fn suite(out: &mut String, report: &Report) {
    let cases = cases(report);
    let count = |wanted: fn(&Outcome) -> bool| {
        let found = cases.iter().filter(|(_, outcome)| wanted(outcome));
        found.count()
    };
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let errors = count(|outcome| matches!(outcome, Outcome::Errored(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let suite = attribute(&format!("msvc bench {}", report.subject.title()));
    let class = attribute(&report.subject.title().replace('/', "."));
    let time = report.elapsed_seconds;
    let _ = writeln!(
        out,
        "  <testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\" time=\"{time}\">",
        cases.len()
    );
    for (name, outcome) in &cases {
        let name = attribute(name);
        let _ = write!(out, "    <testcase classname=\"{class}\" name=\"{name}\"");
        let (tag, why) = match outcome {
            Outcome::Passed => {
                out.push_str("/>\n");
                continue;
            }
            Outcome::Failed(why) => ("failure", why),
            Outcome::Errored(why) => ("error", why),
            Outcome::Skipped(why) => ("skipped", why),
        };
        let why = attribute(why);
        let _ = writeln!(out, ">\n      <{tag} message=\"{why}\"/>\n    </testcase>");
    }
    out.push_str("  </testsuite>\n");
}

fn cases(report: &Report) -> Vec<(String, Outcome)> {
    let validity = match report.invalid.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Errored(report.invalid.join("; ")),
    };
    let mut cases = vec![("the measurement is valid".to_owned(), validity)];
    for judged in &report.thresholds {
        let outcome = match judged.verdict {
            Verdict::Held => Outcome::Passed,
            Verdict::Breached => Outcome::Failed(judged.shown()),
            Verdict::Unknown => Outcome::Skipped(judged.shown()),
        };
        cases.push((judged.threshold.clone(), outcome));
    }
    for change in report.comparison.iter().flat_map(|all| &all.metrics) {
        let [name, before, now, by, _] = super::table::cells(change);
        let outcome = match change.verdict {
            baseline::Verdict::Better | baseline::Verdict::Same => Outcome::Passed,
            baseline::Verdict::Worse => Outcome::Failed(format!("{before} became {now}: {by}")),
            baseline::Verdict::Inconclusive => Outcome::Skipped(by),
        };
        cases.push((format!("{name} is no worse than before"), outcome));
    }
    for unmet in report.responses.iter().flat_map(|found| &found.unmet) {
        let found: Vec<String> = unmet.found.iter().map(ToString::to_string).collect();
        let why = format!("found {}", found.join(", "));
        cases.push((unmet.expectation.clone(), Outcome::Failed(why)));
    }
    cases
}

/// Text within an attribute (XML 1.0, sections 2.2 and 2.4): what no document may have is left out.
fn attribute(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::open_report;
    use crate::bench::threshold::judge;

    #[test]
    fn each_judgement_is_a_case() {
        let mut report = open_report();
        report.latency.p99_99_us = None;
        report.thresholds = ["p99<20ms", "p50<1ms", "p99.99<1s"]
            .map(|text| judge(&text.parse().expect("a threshold"), &report))
            .to_vec();
        insta::assert_snapshot!(junit(&Reports::one(report)), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="msvc bench user.v1.UserService/GetUser" tests="4" failures="1" errors="1" skipped="1" time="10">
            <testcase classname="user.v1.UserService.GetUser" name="the measurement is valid">
              <error message="the client was the limit: its busiest thread was 95 % busy"/>
            </testcase>
            <testcase classname="user.v1.UserService.GetUser" name="p99&lt;20ms"/>
            <testcase classname="user.v1.UserService.GetUser" name="p50&lt;1ms">
              <failure message="6.10 ms"/>
            </testcase>
            <testcase classname="user.v1.UserService.GetUser" name="p99.99&lt;1s">
              <skipped message="too few calls to tell"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn text_that_xml_cannot_have_is_replaced() {
        assert_eq!(
            attribute("a<b & \"c\"\u{1}\n"),
            "a&lt;b &amp; &quot;c&quot;\u{fffd} "
        );
    }
}
