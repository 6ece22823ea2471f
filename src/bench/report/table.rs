//! Quantiles of several distributions side by side, as text.

use std::time::Duration;

use super::text::{grouped, rate};
use super::{Quantiles, Report, Streams};
use crate::bench::baseline::{Change, Comparison, NO_BOUND};
use crate::duration;

/// A rows' name and how it is read off a distribution.
pub(super) type Row = (&'static str, fn(&Quantiles) -> Option<f64>);

pub(super) const ROWS: [Row; 10] = [
    ("min", |all| all.min_us),
    ("p50", |all| all.p50_us),
    ("p75", |all| all.p75_us),
    ("p90", |all| all.p90_us),
    ("p95", |all| all.p95_us),
    ("p99", |all| all.p99_us),
    ("p99.9", |all| all.p99_9_us),
    ("p99.99", |all| all.p99_99_us),
    ("p99.999", |all| all.p99_999_us),
    ("max", |all| all.max_us),
];

/// The heads of the columns of the table of a mix's methods.
pub(super) const METHOD_HEADS: [&str; 7] =
    ["calls/s", "calls", "failed", "p50", "p90", "p99", "max"];

/// A row for each method of a mix: its name, and what there is below [`METHOD_HEADS`].
pub(super) fn methods(reports: &[Report]) -> Vec<(String, [String; 7])> {
    let cells = |report: &Report| {
        let latency = &report.latency;
        [
            rate(report.calls_per_second),
            grouped(report.calls.completed),
            grouped(report.calls.failed),
            time(latency.p50_us),
            time(latency.p90_us),
            time(latency.p99_us),
            time(latency.max_us),
        ]
    };
    let rows = reports.iter();
    rows.map(|report| (report.subject.title().to_owned(), cells(report)))
        .collect()
}

/// The same as text.
pub(super) fn method_rows(reports: &[Report]) -> Vec<String> {
    let rows = methods(reports);
    let widths = rows.iter().map(|(name, _)| name.chars().count());
    let width = widths.max().unwrap_or(0);
    let row = |name: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        format!("  {name:<width$}{cells}")
    };
    let heads = row("", &METHOD_HEADS.map(str::to_owned));
    let rows = rows.iter().map(|(name, cells)| row(name, cells));
    [heads].into_iter().chain(rows).collect()
}

/// The latencies of calls.
pub(super) fn latencies(report: &Report) -> Vec<String> {
    let is_open = report.service_time.is_some();
    let mut columns: Vec<(&str, &Quantiles)> = vec![(
        if is_open { "latency" } else { "latency*" },
        &report.latency,
    )];
    if let Some(ok) = &report.latency_ok {
        columns.push(("of OK calls", ok));
    }
    if let Some(service) = &report.service_time {
        columns.push(("service time", service));
    }
    let mut rows = table(&columns);
    rows.push(if is_open {
        "  latency counts from the intended start of a call, service time from its sending"
            .to_owned()
    } else {
        "  * closed loop: latency excludes queueing, for a slow server is asked less".to_owned()
    });
    rows
}

/// The times of messages of streams.
pub(super) fn messages(streams: &Streams) -> Vec<String> {
    let mut columns = vec![
        ("first message", &streams.first_message),
        ("gap", &streams.gap),
    ];
    if let Some(echo) = &streams.echo {
        columns.push(("echo", echo));
    }
    let mut rows = table(&columns);
    rows.push(format!(
        "  messages: {} sent/s, {} received/s",
        super::grouped(streams.messages_sent_per_second.round() as u64),
        super::grouped(streams.messages_received_per_second.round() as u64)
    ));
    rows
}

/// What became of the metrics of an earlier bench.
pub(super) fn compared(comparison: &Comparison) -> Vec<String> {
    let mut rows = vec![format!("  compared with {}:", comparison.baseline)];
    rows.extend(comparison.metrics.iter().map(|change| {
        let [name, before, now, by, verdict] = cells(change);
        format!("  {name:<8}{before:>14}{now:>14}  {by:<34}{verdict}")
    }));
    rows
}

/// A metric's name, what it was and is, by how much it changed, and what that means.
pub(super) fn cells(change: &Change) -> [String; 5] {
    let shown = |value: f64| match change.unit {
        "us" => time(Some(value)),
        "percent" => format!("{value:.3} %"),
        _ => format!("{value:.1}/s"),
    };
    let unit = if change.unit == "percent" {
        "points"
    } else {
        "%"
    };
    let by = match change.from <= -NO_BOUND && change.to >= NO_BOUND {
        true => format!("{:+.2} {unit}, too short to tell", change.change),
        false => {
            let Change {
                change, from, to, ..
            } = change;
            format!("{change:+.2} {unit} ({from:+.2} to {to:+.2})")
        }
    };
    [
        change.metric.to_owned(),
        shown(change.before),
        shown(change.now),
        by,
        change.verdict.name().to_owned(),
    ]
}

fn table(columns: &[(&str, &Quantiles)]) -> Vec<String> {
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        format!("  {name:<8}{cells}")
    };
    let heads = columns.iter().map(|(name, _)| (*name).to_owned());
    let mut rows = vec![row("", heads.collect())];
    for (name, read) in ROWS {
        let cells = columns.iter().map(|(_, all)| time(read(all)));
        rows.push(row(name, cells.collect()));
    }
    let means = columns.iter().map(|(_, all)| time(all.mean_us));
    rows.push(row("mean", means.collect()));
    let deviations = columns
        .iter()
        .map(|(_, all)| format!("± {}", time(all.deviation_us)));
    rows.push(row("", deviations.collect()));
    rows
}

/// A duration, or a dash where there are too few calls to tell.
pub(super) fn time(microseconds: Option<f64>) -> String {
    match microseconds {
        Some(value) => duration::human(Duration::from_nanos((value * 1e3).round() as u64)),
        None => "–".to_owned(),
    }
}
