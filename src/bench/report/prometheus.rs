//! A report in Prometheus' text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>), for a push gateway or a textfile collector.

use std::fmt::Write as _;

use super::table::Row;
use super::{Quantiles, Report};

/// The quantiles that are told.
const QUANTILES: [Row; 7] = [
    ("0.5", |all| all.p50_us),
    ("0.75", |all| all.p75_us),
    ("0.9", |all| all.p90_us),
    ("0.95", |all| all.p95_us),
    ("0.99", |all| all.p99_us),
    ("0.999", |all| all.p99_9_us),
    ("0.9999", |all| all.p99_99_us),
];

/// Renders the figures with the target and the method as labels.
pub fn prometheus(report: &Report) -> String {
    let labels = format!(
        "target=\"{}\",method=\"{}\"",
        label(&report.subject.target),
        label(&report.subject.method)
    );
    let mut out = String::new();
    let head = |out: &mut String, name: &str, kind: &str, help: &str| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    };
    head(
        &mut out,
        "msvc_bench_calls",
        "gauge",
        "Measured calls that ended, by their code.",
    );
    for code in &report.codes {
        let (name, count) = (code.name, code.count);
        let _ = writeln!(out, "msvc_bench_calls{{{labels},code=\"{name}\"}} {count}");
    }
    let gauges: [(&str, &str, Option<f64>); 7] = [
        (
            "calls_per_second",
            "Calls that ended, by the second.",
            Some(report.calls_per_second),
        ),
        (
            "unsent_calls",
            "Calls that were due and never sent.",
            Some(report.calls.unsent as f64),
        ),
        (
            "sent_bytes",
            "Bytes of request messages with their prefixes.",
            Some(report.traffic.bytes_sent as f64),
        ),
        (
            "received_bytes",
            "Bytes of response messages with their prefixes.",
            Some(report.traffic.bytes_received as f64),
        ),
        (
            "client_cpu_seconds",
            "Processor time of the threads that made calls.",
            Some(report.client.cpu_seconds),
        ),
        (
            "valid",
            "Whether the measurement is valid.",
            Some(f64::from(u8::from(report.invalid.is_empty()))),
        ),
        (
            "latency_seconds_max",
            "The longest latency.",
            report.latency.max_us.map(|us| us / 1e6),
        ),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            let name = format!("msvc_bench_{name}");
            head(&mut out, &name, "gauge", help);
            let _ = writeln!(out, "{name}{{{labels}}} {value}");
        }
    }
    summary(
        &mut out,
        ("msvc_bench_latency_seconds", &labels),
        "From the (intended) start to the end of calls.",
        &report.latency,
    );
    if let Some(service) = &report.service_time {
        summary(
            &mut out,
            ("msvc_bench_service_time_seconds", &labels),
            "From the sending to the end of calls.",
            service,
        );
    }
    out
}

fn summary(out: &mut String, (name, labels): (&str, &str), help: &str, all: &Quantiles) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} summary");
    for (quantile, read) in QUANTILES {
        if let Some(us) = read(all) {
            let seconds = us / 1e6;
            let _ = writeln!(out, "{name}{{{labels},quantile=\"{quantile}\"}} {seconds}");
        }
    }
    let sum = all.mean_us.unwrap_or(0.0) * all.count as f64 / 1e6;
    let _ = writeln!(out, "{name}_sum{{{labels}}} {sum}");
    let _ = writeln!(out, "{name}_count{{{labels}}} {}", all.count);
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
        insta::assert_snapshot!(prometheus(&report), @r#"
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
        # HELP msvc_bench_latency_seconds_max The longest latency.
        # TYPE msvc_bench_latency_seconds_max gauge
        msvc_bench_latency_seconds_max{target="say \"hi\"",method="user.v1.UserService/GetUser"} 0.012099
        # HELP msvc_bench_latency_seconds From the (intended) start to the end of calls.
        # TYPE msvc_bench_latency_seconds summary
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.5"} 0.006103038999999999
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.75"} 0.009101310999999999
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9"} 0.010903551
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.95"} 0.011501566999999999
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.99"} 0.011984895
        msvc_bench_latency_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.999"} 0.012091391
        msvc_bench_latency_seconds_sum{target="say \"hi\"",method="user.v1.UserService/GetUser"} 73.194
        msvc_bench_latency_seconds_count{target="say \"hi\"",method="user.v1.UserService/GetUser"} 12000
        # HELP msvc_bench_service_time_seconds From the sending to the end of calls.
        # TYPE msvc_bench_service_time_seconds summary
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.5"} 0.003051519
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.75"} 0.004550655
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9"} 0.005451775
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.95"} 0.005750783000000001
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.99"} 0.005992447
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.999"} 0.006045694999999999
        msvc_bench_service_time_seconds{target="say \"hi\"",method="user.v1.UserService/GetUser",quantile="0.9999"} 0.0060495
        msvc_bench_service_time_seconds_sum{target="say \"hi\"",method="user.v1.UserService/GetUser"} 36.597
        msvc_bench_service_time_seconds_count{target="say \"hi\"",method="user.v1.UserService/GetUser"} 12000
        "#);
    }
}
