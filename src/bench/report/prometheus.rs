//! Reports in Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), for a push gateway or a textfile collector.
//!
//! All are gauges and summaries of a bench that is over, not counters: another bench begins anew. Names end
//! with the base unit that they count (<https://prometheus.io/docs/practices/naming/>), and a metric stands
//! once, with a sample for each method.

use std::fmt::Write as _;

use super::table::Row;
use super::{Quantiles, Report, Reports};

/// The quantiles that are told.
const QUANTILES: [Row; 8] = [
    ("0.5", |all| all.p50_us),
    ("0.75", |all| all.p75_us),
    ("0.9", |all| all.p90_us),
    ("0.95", |all| all.p95_us),
    ("0.99", |all| all.p99_us),
    ("0.999", |all| all.p99_9_us),
    ("0.9999", |all| all.p99_99_us),
    ("0.99999", |all| all.p99_999_us),
];

/// A metric's name after `msvc_bench_`, what it tells, and how it is read off a report.
type Gauge = (&'static str, &'static str, fn(&Report) -> Option<f64>);

const GAUGES: [Gauge; 7] = [
    (
        "calls_per_second",
        "Calls that ended, by the second.",
        |report| Some(report.calls_per_second),
    ),
    (
        "unsent_calls",
        "Calls that were due and never sent.",
        |report| Some(report.calls.unsent as f64),
    ),
    (
        "sent_bytes",
        "Bytes of request messages with their prefixes.",
        |report| Some(report.traffic.bytes_sent as f64),
    ),
    (
        "received_bytes",
        "Bytes of response messages with their prefixes.",
        |report| Some(report.traffic.bytes_received as f64),
    ),
    (
        "client_cpu_seconds",
        "Processor time of the threads that made calls.",
        |report| Some(report.client.cpu_seconds),
    ),
    ("valid", "Whether the measurement is valid.", |report| {
        Some(f64::from(u8::from(report.invalid.is_empty())))
    }),
    ("latency_max_seconds", "The longest latency.", |report| {
        report.latency.max_us.map(seconds)
    }),
];

/// Renders the figures with the target and the method as labels; those of a mix have the name of the call as
/// well.
pub fn prometheus(reports: &Reports) -> String {
    let all: Vec<(String, &Report)> = reports
        .parts()
        .iter()
        .map(|report| (labels(report), report))
        .collect();
    let mut out = String::new();
    head(
        &mut out,
        "msvc_bench_calls",
        "gauge",
        "Measured calls that ended, by their code.",
    );
    for (labels, report) in &all {
        for code in &report.codes {
            let (name, count) = (code.name, code.count);
            let _ = writeln!(out, "msvc_bench_calls{{{labels},code=\"{name}\"}} {count}");
        }
    }
    for (name, help, read) in GAUGES {
        let samples = all.iter();
        let mut samples = samples
            .filter_map(|(labels, report)| Some((labels, read(report)?)))
            .peekable();
        let name = format!("msvc_bench_{name}");
        if samples.peek().is_some() {
            head(&mut out, &name, "gauge", help);
        }
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
    }
    summary(
        &mut out,
        "msvc_bench_latency_seconds",
        "From the (intended) start to the end of calls.",
        all.iter()
            .map(|(labels, report)| (labels.as_str(), &report.latency)),
    );
    summary(
        &mut out,
        "msvc_bench_service_time_seconds",
        "From the sending to the end of calls.",
        all.iter()
            .filter_map(|(labels, report)| Some((labels.as_str(), report.service_time.as_ref()?))),
    );
    out
}

fn labels(report: &Report) -> String {
    let subject = &report.subject;
    let mut labels = format!(
        "target=\"{}\",method=\"{}\"",
        label(&subject.target),
        label(&subject.method)
    );
    if let Some(name) = &subject.name {
        let _ = write!(labels, ",call=\"{}\"", label(name));
    }
    labels
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn summary<'a>(
    out: &mut String,
    name: &str,
    help: &str,
    all: impl Iterator<Item = (&'a str, &'a Quantiles)>,
) {
    let mut all = all.peekable();
    if all.peek().is_some() {
        head(out, name, "summary", help);
    }
    for (labels, all) in all {
        for (quantile, read) in QUANTILES {
            if let Some(us) = read(all) {
                let seconds = seconds(us);
                let _ = writeln!(out, "{name}{{{labels},quantile=\"{quantile}\"}} {seconds}");
            }
        }
        let sum = seconds(all.mean_us.unwrap_or(0.0) * all.count as f64);
        let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
        let _ = writeln!(out, "{name}_count{{{labels}}} {}", all.count);
    }
}

/// Microseconds in the base unit, to the nanosecond.
fn seconds(us: f64) -> f64 {
    (us * 1e3).round() / 1e9
}

/// The value of a label.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::open_report;

    #[test]
    fn figures_have_their_names_and_units() {
        let mut report = open_report();
        report.subject.target = "say \"hi\"".to_owned();
        report.latency.p99_99_us = None;
        insta::assert_snapshot!(prometheus(&Reports::one(report)), @r#"
        # HELP msvc_bench_calls Measured calls that ended, by their code.
        # TYPE msvc_bench_calls gauge
        msvc_bench_calls{target="say \"hi\"",method="user.v1.UserService/GetUser",code="OK"} 11988
        msvc_bench_calls{target="say \"hi\"",method="user.v1.UserService/GetUser",code="UNAVAILABLE"} 12
        # HELP msvc_bench_calls_per_second Calls that ended, by the second.
        # TYPE msvc_bench_calls_per_second gauge
        msvc_bench_calls_per_second{target="say \"hi\"",method="user.v1.UserService/GetUser"} 1200
        # HELP msvc_bench_unsent_calls Calls that were due and never sent.
        # TYPE msvc_bench_unsent_calls gauge
        msvc_bench_unsent_calls{target="say \"hi\"",method="user.v1.UserService/GetUser"} 0
        # HELP msvc_bench_sent_bytes Bytes of request messages with their prefixes.
        # TYPE msvc_bench_sent_bytes gauge
        msvc_bench_sent_bytes{target="say \"hi\"",method="user.v1.UserService/GetUser"} 84000
        # HELP msvc_bench_received_bytes Bytes of response messages with their prefixes.
        # TYPE msvc_bench_received_bytes gauge
        msvc_bench_received_bytes{target="say \"hi\"",method="user.v1.UserService/GetUser"} 240000
        # HELP msvc_bench_client_cpu_seconds Processor time of the threads that made calls.
        # TYPE msvc_bench_client_cpu_seconds gauge
        msvc_bench_client_cpu_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser"} 9.5
        # HELP msvc_bench_valid Whether the measurement is valid.
        # TYPE msvc_bench_valid gauge
        msvc_bench_valid{target="say \"hi\"",method="user.v1.UserService/GetUser"} 0
        # HELP msvc_bench_latency_max_seconds The longest latency.
        # TYPE msvc_bench_latency_max_seconds gauge
        msvc_bench_latency_max_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser"} 0.012099
        # HELP msvc_bench_latency_seconds From the (intended) start to the end of calls.
        # TYPE msvc_bench_latency_seconds summary
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.5"} 0.006103039
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.75"} 0.009101311
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9"} 0.010903551
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.95"} 0.011501567
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.99"} 0.011984895
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.999"} 0.012091391
        msvc_bench_latency_seconds_sum{target="say \"hi\"",method="user.v1.UserService/GetUser"} 73.194
        msvc_bench_latency_seconds_count{target="say \"hi\"",method="user.v1.UserService/GetUser"} 12000
        # HELP msvc_bench_service_time_seconds From the sending to the end of calls.
        # TYPE msvc_bench_service_time_seconds summary
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.5"} 0.003051519
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.75"} 0.004550655
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9"} 0.005451775
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.95"} 0.005750783
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.99"} 0.005992447
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.999"} 0.006045695
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9999"} 0.0060495
        msvc_bench_service_time_seconds_sum{target="say \"hi\"",method="user.v1.UserService/GetUser"} 36.597
        msvc_bench_service_time_seconds_count{target="say \"hi\"",method="user.v1.UserService/GetUser"} 12000
        "#);
    }
}
