//! When a measurement says nothing of what it was to measure.
//!
//! Errors, slowness and calls that were not sent are results: they are the service's, and a
//! [`threshold`](crate::bench::threshold) says which of them are acceptable. A measurement is invalid
//! where there is nothing to tell of the service, or where it is the load generator that was measured.
//!
//! Pure: a report in, reasons out.

use crate::bench::report::{Report, grouped};
use crate::bench::threshold::Verdict;

/// A worker that is busy for more than this share of the time is the limit.
pub const BUSY_PERCENT: f64 = 90.0;
/// In less time than this, the start of the load is what makes a worker busy.
const LONG_ENOUGH_SECONDS: f64 = 1.0;

/// Why a measurement is invalid; empty when it is not.
pub fn reasons(report: &Report) -> Vec<String> {
    let mut reasons = Vec::new();
    let calls = &report.calls;
    if let Some(why) = &report.vanished {
        reasons.push(format!("the server was lost ({why})"));
    }
    match (calls.completed, calls.ok) {
        (0, _) if report.interrupted => {
            reasons.push("it was interrupted before a measured call ended".to_owned());
        }
        (0, _) => reasons.push("no measured call ended".to_owned()),
        (completed, 0) => {
            reasons.push(format!("not one of {} calls succeeded", grouped(completed)))
        }
        _ => {}
    }
    reasons.extend(client_limit(report));
    for judged in &report.thresholds {
        if judged.verdict == Verdict::Unknown && calls.completed > 0 {
            reasons.push(format!(
                "{} calls are too few to tell whether `{}` holds",
                grouped(calls.completed),
                judged.threshold
            ));
        }
    }
    reasons
}

/// That it was the client that was measured, if so.
pub fn client_limit(report: &Report) -> Option<String> {
    let busy = report.client.busiest_thread_percent;
    let is_limit = busy > BUSY_PERCENT && report.sending_seconds >= LONG_ENOUGH_SECONDS;
    is_limit.then(|| format!("the client was the limit: its busiest thread was {busy:.0} % busy"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::open_report;
    use crate::bench::threshold::judge;

    #[test]
    fn failed_and_late_and_unsent_calls_are_results() {
        let mut report = open_report();
        report.calls.failed = 11_999;
        report.calls.ok = 1;
        report.calls.unsent = 100_000;
        report.client.busiest_thread_percent = 90.0;
        assert_eq!(reasons(&report), Vec::<String>::new());
    }

    #[test]
    fn what_was_not_measured_is_told() {
        let mut report = open_report();
        report.client.busiest_thread_percent = 95.4;
        assert_eq!(
            reasons(&report),
            ["the client was the limit: its busiest thread was 95 % busy"]
        );
        report.sending_seconds = 0.9;
        assert_eq!(reasons(&report), Vec::<String>::new());
        report.calls.ok = 0;
        assert_eq!(reasons(&report), ["not one of 12,000 calls succeeded"]);
        report.calls.completed = 0;
        assert_eq!(reasons(&report), ["no measured call ended"]);
        report.interrupted = true;
        assert_eq!(
            reasons(&report),
            ["it was interrupted before a measured call ended"]
        );
    }

    #[test]
    fn a_lost_server_and_a_threshold_that_cannot_be_told_are_reasons() {
        let mut report = open_report();
        report.client.busiest_thread_percent = 0.0;
        report.vanished = Some("connection refused".to_owned());
        report.latency.p99_99_us = None;
        let threshold = "p99.99<1s".parse().expect("a threshold");
        report.thresholds = vec![judge(&threshold, &report)];
        assert_eq!(
            reasons(&report),
            [
                "the server was lost (connection refused)",
                "12,000 calls are too few to tell whether `p99.99<1s` holds"
            ]
        );
    }
}
