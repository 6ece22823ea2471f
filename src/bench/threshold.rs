//! What a bench must hold to pass: `p99<5ms`, `errors<0.1%`, `rate>1000`.
//!
//! Pure: text in, thresholds out; thresholds and a report in, verdicts out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::bench::report::{Quantiles, Report};
use crate::duration::{self, DurationError};
use crate::suggestion::{did_you_mean, similar};

/// The metrics that are read off the latencies, in microseconds.
const LATENCIES: [Latency; 11] = [
    Latency("min", |all| all.min_us),
    Latency("p50", |all| all.p50_us),
    Latency("p75", |all| all.p75_us),
    Latency("p90", |all| all.p90_us),
    Latency("p95", |all| all.p95_us),
    Latency("p99", |all| all.p99_us),
    Latency("p99.9", |all| all.p99_9_us),
    Latency("p99.99", |all| all.p99_99_us),
    Latency("p99.999", |all| all.p99_999_us),
    Latency("max", |all| all.max_us),
    Latency("mean", |all| all.mean_us),
];
const ERRORS: &str = "errors";
const RATE: &str = "rate";
/// The operators, the longer ones first where they begin alike.
const OPERATORS: [(&str, Operator); 4] = [
    ("<=", |measured, bound| measured <= bound),
    (">=", |measured, bound| measured >= bound),
    ("<", |measured, bound| measured < bound),
    (">", |measured, bound| measured > bound),
];

type Operator = fn(f64, f64) -> bool;

/// A bound on a metric.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// As the user wrote it.
    text: String,
    metric: Metric,
    holds: Operator,
    bound: f64,
}

/// The name of a latency and how it is read.
#[derive(Clone, Copy, Debug)]
struct Latency(&'static str, fn(&Quantiles) -> Option<f64>);

#[derive(Clone, Copy, Debug)]
enum Metric {
    Latency(Latency),
    Errors,
    Rate,
}

/// Why a text is no threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// There is no operator in it.
    #[error("expected a metric, one of `<`, `<=`, `>`, `>=`, and a value, such as `p99<5ms`")]
    NoOperator,
    /// There is no such metric.
    #[error("there is no metric `{name}`: {}", meant(.name))]
    UnknownMetric {
        /// What was written.
        name: String,
    },
    /// The bound of a latency is no duration.
    #[error("`{value}` is no latency: {problem}")]
    NoDuration {
        /// What was written.
        value: String,
        /// Why.
        problem: DurationError,
    },
    /// The bound of the errors is no share.
    #[error("`{0}` is no share of calls such as `0.1%`")]
    NoShare(String),
    /// The bound of the rate is no number.
    #[error("`{0}` is no number of calls a second such as `1000`")]
    NoRate(String),
}

fn names() -> impl Iterator<Item = &'static str> {
    let latencies = LATENCIES.iter().map(|latency| latency.0);
    latencies.chain([ERRORS, RATE])
}

fn meant(name: &str) -> String {
    did_you_mean(&similar(name, names())).unwrap_or_else(|| {
        let names: Vec<String> = names().map(|name| format!("`{name}`")).collect();
        format!("there are {}", names.join(", "))
    })
}

impl Threshold {
    /// Whether it is on the rate, and not on what becomes of each call.
    pub fn is_of_the_rate(&self) -> bool {
        matches!(self.metric, Metric::Rate)
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let operator = text.find(['<', '>']).ok_or(ThresholdError::NoOperator)?;
        let (name, rest) = (text[..operator].trim(), &text[operator..]);
        let (symbol, holds) = OPERATORS
            .into_iter()
            .find(|(symbol, _)| rest.starts_with(symbol))
            .ok_or(ThresholdError::NoOperator)?;
        let value = rest[symbol.len()..].trim();
        let latency = LATENCIES.iter().find(|latency| latency.0 == name);
        let (metric, bound) = match (latency, name) {
            (Some(latency), _) => (Metric::Latency(*latency), microseconds(value)?),
            (None, ERRORS) => (Metric::Errors, percent(value)?),
            (None, RATE) => (Metric::Rate, per_second(value)?),
            (None, _) => {
                let name = name.to_owned();
                return Err(ThresholdError::UnknownMetric { name });
            }
        };
        Ok(Self {
            text: text.to_owned(),
            metric,
            holds,
            bound,
        })
    }
}

fn microseconds(value: &str) -> Result<f64, ThresholdError> {
    match duration::parse(value) {
        Ok(duration) => Ok(duration.as_nanos() as f64 / 1e3),
        Err(problem) => Err(ThresholdError::NoDuration {
            value: value.to_owned(),
            problem,
        }),
    }
}

fn percent(value: &str) -> Result<f64, ThresholdError> {
    let number = value.strip_suffix('%').map(str::trim_end);
    number
        .and_then(|number| number.parse().ok())
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| ThresholdError::NoShare(value.to_owned()))
}

fn per_second(value: &str) -> Result<f64, ThresholdError> {
    let rate = value.strip_suffix("/s").unwrap_or(value).parse().ok();
    rate.filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
        .ok_or_else(|| ThresholdError::NoRate(value.to_owned()))
}

/// What a threshold came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The threshold as the user wrote it.
    pub threshold: String,
    /// What was measured; null when there were too few calls to tell.
    pub measured: Option<f64>,
    /// What `measured` counts.
    pub unit: Unit,
    /// Whether the threshold was held.
    pub verdict: Verdict,
}

/// What a measured value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Us,
    /// Of 100 calls.
    Percent,
    /// Calls a second.
    CallsPerSecond,
}

/// Whether a threshold was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was.
    Held,
    /// It was not.
    Breached,
    /// There were too few calls to tell.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Held => "held",
            Self::Breached => "breached",
            Self::Unknown => "unknown",
        })
    }
}

impl Judged {
    /// What was measured, for people.
    pub fn shown(&self) -> String {
        match (self.measured, self.unit) {
            (None, _) => "too few calls to tell".to_owned(),
            (Some(value), Unit::Us) => {
                duration::human(Duration::from_nanos((value * 1e3).round() as u64))
            }
            (Some(value), Unit::Percent) => format!("{value:.3} %"),
            (Some(value), Unit::CallsPerSecond) => format!("{value:.1} calls/s"),
        }
    }
}

/// Holds a report against a threshold.
pub fn judge(threshold: &Threshold, report: &Report) -> Judged {
    let calls = &report.calls;
    let (measured, unit) = match threshold.metric {
        Metric::Latency(Latency(_, read)) => (read(&report.latency), Unit::Us),
        Metric::Errors => {
            let percent = calls.failed as f64 * 100.0 / calls.completed as f64;
            ((calls.completed > 0).then_some(percent), Unit::Percent)
        }
        Metric::Rate => (
            (calls.completed > 0).then_some(report.calls_per_second),
            Unit::CallsPerSecond,
        ),
    };
    let verdict = match measured {
        None => Verdict::Unknown,
        Some(value) if (threshold.holds)(value, threshold.bound) => Verdict::Held,
        Some(_) => Verdict::Breached,
    };
    Judged {
        threshold: threshold.text.clone(),
        measured,
        unit,
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::open_report;

    fn problem(text: &str) -> String {
        text.parse::<Threshold>()
            .expect_err("no threshold")
            .to_string()
    }

    fn verdict(text: &str) -> (Verdict, String) {
        let threshold: Threshold = text.parse().expect("a threshold");
        let judged = judge(&threshold, &open_report());
        assert_eq!(judged.threshold, text);
        (judged.verdict, judged.shown())
    }

    #[test]
    fn thresholds_are_held_against_what_was_measured() {
        use Verdict::{Breached, Held};
        for (text, expected, shown) in [
            ("p99<12ms", Held, "12.0 ms"),
            ("p99 < 11.9ms", Breached, "12.0 ms"),
            ("min<=100us", Held, "100 µs"),
            ("min<100us", Breached, "100 µs"),
            ("max<1s", Held, "12.1 ms"),
            ("p99.9<=12ms", Breached, "12.1 ms"),
            ("errors<=0.1%", Held, "0.100 %"),
            ("errors < 0.1 %", Breached, "0.100 %"),
            ("rate>1000", Held, "1200.0 calls/s"),
            ("rate>=1201/s", Breached, "1200.0 calls/s"),
        ] {
            assert_eq!(verdict(text), (expected, shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_too_few_calls_tell_is_unknown() {
        let mut report = open_report();
        report.latency.p99_99_us = None;
        let threshold: Threshold = "p99.99<1s".parse().expect("a threshold");
        let judged = judge(&threshold, &report);
        assert_eq!(
            serde_json::to_value(&judged).expect("serializes"),
            serde_json::json!({
                "threshold": "p99.99<1s", "measured": null, "unit": "us", "verdict": "unknown"
            })
        );
        assert_eq!(judged.shown(), "too few calls to tell");
    }

    #[test]
    fn what_is_wrong_with_a_threshold_is_told() {
        insta::assert_snapshot!(problem("p99"), @"expected a metric, one of `<`, `<=`, `>`, `>=`, and a value, such as `p99<5ms`");
        insta::assert_snapshot!(problem("error<1%"), @"there is no metric `error`: did you mean `errors`?");
        insta::assert_snapshot!(problem("latency<1ms"), @"there is no metric `latency`: there are `min`, `p50`, `p75`, `p90`, `p95`, `p99`, `p99.9`, `p99.99`, `p99.999`, `max`, `mean`, `errors`, `rate`");
        insta::assert_snapshot!(problem("p99<5"), @"`5` is no latency: a unit is missing: `5s` or `5ms`?");
        insta::assert_snapshot!(problem("p99<=fast"), @"`fast` is no latency: not a duration such as `500ms`, `10s` or `1m30s`");
        insta::assert_snapshot!(problem("errors<1"), @"`1` is no share of calls such as `0.1%`");
        insta::assert_snapshot!(problem("errors<101%"), @"`101%` is no share of calls such as `0.1%`");
        insta::assert_snapshot!(problem("rate>many"), @"`many` is no number of calls a second such as `1000`");
    }
}
