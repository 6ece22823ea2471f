//! Reports as rows of a table (RFC 4180), for spreadsheets: runs are compared by putting their rows below one
//! another.

use super::{Report, Reports};
use crate::bench::load::Model;

/// Renders a header and a row for each method. A field that has no value, such as a quantile that too few calls can
/// tell, is empty.
pub fn csv(reports: &Reports) -> String {
    let mut out = String::new();
    for report in reports.parts() {
        let (names, fields): (Vec<&str>, Vec<String>) = columns(report).into_iter().unzip();
        if out.is_empty() {
            out = format!("{}\r\n", names.join(","));
        }
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

fn columns(report: &Report) -> Vec<(&'static str, String)> {
    let (concurrency, rate) = match report.model {
        Model::Closed { concurrency } => (Some(concurrency), None),
        Model::Open {
            rate_per_second, ..
        } => (None, Some(rate_per_second)),
    };
    let (calls, latency) = (&report.calls, &report.latency);
    vec![
        ("target", report.subject.target.clone()),
        ("method", report.subject.method.clone()),
        ("name", optional(report.subject.name.as_ref())),
        ("concurrency", optional(concurrency)),
        ("rate_per_second", optional(rate)),
        ("connections", report.connections.to_string()),
        ("threads", report.threads.to_string()),
        ("sending_seconds", report.sending_seconds.to_string()),
        ("completed", calls.completed.to_string()),
        ("ok", calls.ok.to_string()),
        ("failed", calls.failed.to_string()),
        ("unsent", calls.unsent.to_string()),
        ("calls_per_second", report.calls_per_second.to_string()),
        ("min_us", optional(latency.min_us)),
        ("p50_us", optional(latency.p50_us)),
        ("p75_us", optional(latency.p75_us)),
        ("p90_us", optional(latency.p90_us)),
        ("p95_us", optional(latency.p95_us)),
        ("p99_us", optional(latency.p99_us)),
        ("p99_9_us", optional(latency.p99_9_us)),
        ("p99_99_us", optional(latency.p99_99_us)),
        ("p99_999_us", optional(latency.p99_999_us)),
        ("max_us", optional(latency.max_us)),
        ("mean_us", optional(latency.mean_us)),
        ("invalid", report.invalid.join("; ")),
    ]
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Fields with separators or quotes stand in quotes.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::open_report;

    #[test]
    fn a_report_is_a_header_and_a_row() {
        let mut report = open_report();
        report.subject.target = "say \"hi\", twice".to_owned();
        report.latency.p99_99_us = None;
        insta::assert_snapshot!(csv(&Reports::one(report)).replace("\r\n", "\n"), @r#"
        target,method,name,concurrency,rate_per_second,connections,threads,sending_seconds,completed,ok,failed,unsent,calls_per_second,min_us,p50_us,p75_us,p90_us,p95_us,p99_us,p99_9_us,p99_99_us,p99_999_us,max_us,mean_us,invalid
        "say ""hi"", twice",user.v1.UserService/GetUser,,,1200,1,1,10,12000,11988,12,0,1200,100,6103.039,9101.311,10903.551,11501.567,11984.895,12091.391,,,12099,6099.5,the client was the limit: its busiest thread was 95 % busy
        "#);
    }
}
