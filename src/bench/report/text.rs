//! Reports as text.

use std::fmt::Write as _;
use std::time::Duration;

use super::table::{compared, latencies, messages, method_rows};
use super::{Bar, CodeCount, RateOver, Report, Reports, Responses};
use crate::bench::load::{Arrivals, Model};
use crate::duration;

/// The length of the longest bar.
const LONGEST_BAR: usize = 40;
/// The eighths of a character, none to seven.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Renders what a bench found for people; of a mix, all calls together stand last.
pub fn text(reports: &Reports) -> String {
    let mut out = String::new();
    if let Reports::Mixed(mixed) = reports {
        for report in &mixed.reports {
            out.push_str(&one(report, &[]));
            out.push('\n');
        }
    }
    let parts = match reports {
        Reports::One(_) => &[],
        Reports::Mixed(mixed) => &mixed.reports[..],
    };
    out.push_str(&one(reports.whole(), parts));
    out
}

/// A report, and a table of those that it is the whole of.
fn one(report: &Report, parts: &[Report]) -> String {
    let mut out = String::new();
    let line = |out: &mut String, text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(
        &mut out,
        &format!("{} at {}", heading(report), place(report)),
    );
    line(&mut out, &load(report));
    line(&mut out, "");
    for (name, value) in totals(report) {
        line(&mut out, &format!("  {name:<10} {value}"));
    }
    if !parts.is_empty() {
        line(&mut out, "");
        for row in method_rows(parts) {
            line(&mut out, &row);
        }
    }
    if report.calls.completed > 0 {
        line(&mut out, "");
        for row in latencies(report) {
            line(&mut out, &row);
        }
        line(&mut out, "");
        if let Some(streams) = &report.streams {
            for row in messages(streams) {
                line(&mut out, &row);
            }
            line(&mut out, "");
        }
        for row in bars(&report.histogram) {
            line(&mut out, &row);
        }
        line(&mut out, "");
        for row in codes(&report.codes) {
            line(&mut out, &row);
        }
    }
    if let Some(responses) = &report.responses {
        line(&mut out, "");
        for row in looked_at(responses) {
            line(&mut out, &row);
        }
    }
    line(&mut out, "");
    let verdict = &report.verdict;
    line(
        &mut out,
        &format!("  {}: {}", verdict.kind.name(), verdict.why),
    );
    if !report.notes.is_empty() {
        line(&mut out, "");
    }
    for note in &report.notes {
        line(&mut out, &format!("  note: {note}"));
    }
    if !report.thresholds.is_empty() {
        line(&mut out, "");
    }
    for judged in &report.thresholds {
        let (name, verdict, shown) = (&judged.threshold, judged.verdict, judged.shown());
        line(
            &mut out,
            &format!("  threshold  {name:<18} {verdict:<10} {shown}"),
        );
    }
    if let Some(comparison) = &report.comparison {
        line(&mut out, "");
        for row in compared(comparison) {
            line(&mut out, &row);
        }
    }
    if !report.invalid.is_empty() {
        line(&mut out, "");
    }
    for reason in &report.invalid {
        line(&mut out, &format!("  invalid: {reason}"));
    }
    out
}

/// What was benched: its name in a mix, and the method where that is another.
pub(super) fn heading(report: &Report) -> String {
    let subject = &report.subject;
    match &subject.name {
        Some(name) if *name != subject.method && subject.messages_per_call.is_some() => {
            format!("{name} ({})", subject.method)
        }
        _ => subject.title().to_owned(),
    }
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn place(report: &Report) -> String {
    let addresses = report.subject.endpoints.join(", ");
    if report.subject.endpoints == [report.subject.target.as_str()] {
        addresses
    } else {
        format!("{} ({addresses})", report.subject.target)
    }
}

pub(super) fn load(report: &Report) -> String {
    let mut text = match report.model {
        Model::Closed { concurrency } => {
            let most = match report.profile {
                Some(_) => " at most",
                None => "",
            };
            let calls = plural(concurrency as u64, "call");
            format!("closed loop: {calls} at a time{most}")
        }
        Model::Open {
            rate_per_second, ..
        } => format!("open loop: {} calls/s", rate(rate_per_second)),
    };
    if let Some(profile) = &report.profile {
        let on_average = match report.model {
            Model::Open { .. } => " on average",
            Model::Closed { .. } => "",
        };
        write!(text, "{on_average} ({profile})").expect("writing to a string");
    }
    if let Some(arrivals) = report.arrivals.filter(|how| *how != Arrivals::Constant) {
        write!(text, ", {arrivals}").expect("writing to a string");
    }
    if let Some(seconds) = report.duration_seconds {
        write!(text, " for {}", exact(seconds)).expect("writing to a string");
    }
    if report.warm_up_seconds > 0.0 {
        let warm_up = exact(report.warm_up_seconds);
        write!(text, " after a warm-up of {warm_up}").expect("writing to a string");
    }
    let connections = plural(report.connections as u64, "connection");
    let threads = plural(report.threads as u64, "thread");
    format!("{text}, on {connections} by {threads}")
}

fn exact(seconds: f64) -> String {
    duration::exact(Duration::from_secs_f64(seconds))
}

fn plural(count: u64, thing: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {thing}{s}", grouped(count))
}

/// Four significant digits of what is below 1,000.
pub(super) fn rate(value: f64) -> String {
    if value >= 1_000.0 {
        grouped(value.round() as u64)
    } else {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").unwrap_or(&text).to_owned()
    }
}

fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 || unit == "GB" {
            let decimals = if unit == "B" || value >= 99.95 { 0 } else { 1 };
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1e3;
    }
    unreachable!("the last unit takes any value")
}

pub(super) fn totals(report: &Report) -> Vec<(&'static str, String)> {
    let calls = &report.calls;
    let elapsed = Duration::from_secs_f64(report.elapsed_seconds);
    let mut completed = format!(
        "{} in {}",
        grouped(calls.completed),
        duration::human(elapsed)
    );
    if calls.failed > 0 {
        let percent = calls.failed as f64 * 100.0 / calls.completed as f64;
        let failed = grouped(calls.failed);
        write!(completed, ", {failed} failed ({percent:.2} %)").expect("writing to a string");
    }
    let per_second = |count: u64| {
        let per_call = count as f64 / calls.completed.max(1) as f64;
        format!("{}/s", bytes(per_call * report.calls_per_second))
    };
    let mut calls_per_second = format!("{} calls/s", rate(report.calls_per_second));
    if report.rate_over == RateOver::Sending {
        let sending = duration::human(Duration::from_secs_f64(report.sending_seconds));
        write!(
            calls_per_second,
            " over the {sending} in which calls were sent"
        )
        .expect("writing to a string");
    }
    let traffic = &report.traffic;
    let amount = |messages: u64, count: u64| {
        format!(
            "{}, {} ({})",
            plural(messages, "message"),
            bytes(count as f64),
            per_second(count)
        )
    };
    let client = &report.client;
    let mut cpu = format!("{:.2} CPU-s", client.cpu_seconds);
    if let Some(per_million) = client.cpu_seconds_per_million_calls {
        write!(cpu, ", {per_million:.2} for a million calls").expect("writing to a string");
    }
    let busy = client.busiest_thread_percent;
    write!(cpu, "; busiest thread {busy:.0} % busy").expect("writing to a string");
    let server = report.server.as_ref().map(|server| {
        let mut text = format!("{:.2} cores", server.cores);
        if let Some(per_million) = server.cpu_seconds_per_million_calls {
            write!(text, ", {per_million:.2} CPU-s for a million calls")
                .expect("writing to a string");
        }
        text
    });
    let mut totals = vec![
        ("calls", completed),
        ("rate", calls_per_second),
        ("sent", amount(traffic.messages_sent, traffic.bytes_sent)),
        (
            "received",
            amount(traffic.messages_received, traffic.bytes_received),
        ),
        ("client", cpu),
    ];
    totals.extend(server.map(|server| ("server", server)));
    totals
}

fn bars(histogram: &[Bar]) -> Vec<String> {
    let most = histogram
        .iter()
        .map(|bar| bar.count)
        .max()
        .unwrap_or(1)
        .max(1);
    let total: u64 = histogram.iter().map(|bar| bar.count).sum();
    histogram
        .iter()
        .map(|bar| {
            let bound = bound(bar.up_to_us);
            let drawn = draw(bar.count, most);
            let percent = bar.count as f64 * 100.0 / total.max(1) as f64;
            let count = grouped(bar.count);
            format!("  ≤ {bound:>6}  {drawn:<LONGEST_BAR$}  {count:>11}  {percent:6.2} %")
        })
        .collect()
}

/// The bounds are round numbers.
fn bound(microseconds: f64) -> String {
    match microseconds {
        value if value < 1e3 => format!("{value:.0} µs"),
        value if value < 1e6 => format!("{:.0} ms", value / 1e3),
        value => format!("{:.0} s", value / 1e6),
    }
}

/// A bar; what there is at all is seen.
fn draw(count: u64, most: u64) -> String {
    let eighths = (count as f64 * (LONGEST_BAR * 8) as f64 / most as f64).round() as usize;
    let eighths = if count > 0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

fn codes(codes: &[CodeCount]) -> Vec<String> {
    let mut rows = Vec::new();
    for code in codes {
        let name = format!("{} ({})", code.name, code.code);
        rows.push(format!("  {name:<24}  {:>11}", grouped(code.count)));
        for sample in &code.samples {
            let count = grouped(sample.count);
            rows.push(format!(
                "      {} ({count} times)",
                one_line(&sample.message)
            ));
        }
    }
    rows
}

pub(super) fn looked_at(responses: &Responses) -> Vec<String> {
    let mut rows = vec![format!(
        "  responses of {} looked at, one of {}: {} not as expected",
        plural(responses.sampled, "call"),
        grouped(responses.every),
        grouped(responses.failed)
    )];
    for unmet in &responses.unmet {
        let count = plural(unmet.count, "message");
        rows.push(format!(
            "      {} does not hold of {count}",
            unmet.expectation
        ));
        for found in &unmet.found {
            rows.push(format!("          {}", one_line(&found.to_string())));
        }
    }
    for extracted in &responses.extracted {
        rows.push(format!("      {}", extracted.name));
        for found in &extracted.values {
            rows.push(format!("          {}", one_line(&found.to_string())));
        }
        if extracted.others > 0 {
            let others = grouped(extracted.others);
            rows.push(format!("          others ({others} times)"));
        }
    }
    rows
}

fn one_line(message: &str) -> String {
    /// Longer messages are cut.
    const LONGEST: usize = 160;
    let mut text: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    if message.chars().count() > LONGEST {
        text.push('…');
    }
    text
}
