//! A bench against an earlier one: is it another, and by how much?
//!
//! Calls that follow each other are alike: a pause of the server delays hundreds of them. So what is
//! resampled is not calls but blocks of time (Künsch: "The Jackknife and the Bootstrap for General
//! Stationary Observations", Annals of Statistics 17, 1989): as many blocks as there are, drawn with
//! replacement from each bench, a thousand times. The middle 95 % of the changes that come of that are the
//! interval. It tells what may happen within benches such as these two; that a machine is another one
//! tomorrow, it cannot tell.
//!
//! Pure: two reports in, verdicts out.

mod blocks;
mod earlier;

use serde::Serialize;

use self::blocks::{Slices, Sum, blocks, rounds};
use crate::bench::report::{Point, Report, Reports};
use crate::bench::timeline::quantile_of;

pub use earlier::{Baseline, BaselineError};

/// The share of the changes that the interval leaves out at each end.
const TAIL: f64 = 0.025;
/// A change of the share of errors by less than this is none, in percentage points.
const ERRORS_LIMIT: f64 = 0.1;
/// What stands for a bound that is not known.
pub const NO_BOUND: f64 = 1e9;
/// A quantile is told of so many calls beyond it.
const BEYOND: f64 = 10.0;

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Where the earlier report stands.
    pub baseline: String,
    /// A change by no more than this is none, in percent.
    pub limit_percent: f64,
    /// What was compared.
    pub metrics: Vec<Change>,
    /// The quantiles of the earlier bench.
    pub quantile_curve: Vec<Point>,
}

/// A metric of both benches.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Its name.
    pub metric: &'static str,
    /// What `before` and `now` count.
    pub unit: &'static str,
    /// In the earlier bench.
    pub before: f64,
    /// In this one.
    pub now: f64,
    /// By how much it changed: in percent of what it was, errors in percentage points.
    pub change: f64,
    /// The interval of that, from here …
    pub from: f64,
    /// … to here.
    pub to: f64,
    /// What that means.
    pub verdict: Verdict,
}

/// What a change means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It became better: the interval excludes no change, and the change exceeds the limit.
    Better,
    /// It became worse in the same way.
    Worse,
    /// It is the same: whatever changed is within the limit.
    Same,
    /// The interval includes both no change and one beyond the limit.
    Inconclusive,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What is computed of blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Quantile(&'static str, f64),
    Rate,
    Errors,
}

/// Compares the reports of a bench with those of an earlier one, which stand at `path`: each method with itself.
///
/// # Errors
/// As [`compare`], and when the methods are others.
pub fn compare_all(
    baselines: &[Baseline],
    reports: &mut Reports,
    path: &str,
    limit_percent: f64,
) -> Result<(), BaselineError> {
    let shown = |names: Vec<&str>| names.join(", ");
    let before = baselines.iter().filter_map(|one| one.name.as_deref());
    let now = reports.parts().iter();
    let now = now.filter_map(|one| one.subject.name.as_deref());
    let (before, now) = (shown(before.collect()), shown(now.collect()));
    if before != now {
        let name = "calls";
        return Err(BaselineError::OtherLoad { name, before, now });
    }
    for (baseline, report) in baselines.iter().zip(reports.parts_mut()) {
        report.comparison = Some(compare(baseline, report, path, limit_percent)?);
    }
    Ok(())
}

/// Compares a report with an earlier one, which stands at `path`; a change by no more than the limit, in
/// percent, is none.
///
/// # Errors
/// [`BaselineError`] when the earlier one is of another load, or invalid.
pub fn compare(
    baseline: &Baseline,
    report: &Report,
    path: &str,
    limit_percent: f64,
) -> Result<Comparison, BaselineError> {
    baseline.check(report)?;
    let before = blocks(&baseline.timeline);
    let now = blocks(&Slices::from(&report.timeline));
    let mut metrics = vec![
        Metric::Quantile("p50", 0.5),
        Metric::Quantile("p90", 0.9),
        Metric::Quantile("p99", 0.99),
        Metric::Errors,
    ];
    if matches!(report.model, crate::bench::load::Model::Closed { .. }) {
        metrics.push(Metric::Rate);
    }
    let rounds = rounds(&before, &now);
    let whole = (Sum::of(before.iter()), Sum::of(now.iter()));
    let changes = metrics
        .into_iter()
        .filter_map(|metric| change(metric, &whole, &rounds, limit_percent));
    Ok(Comparison {
        baseline: path.to_owned(),
        limit_percent,
        metrics: changes.collect(),
        quantile_curve: baseline.quantile_curve.clone(),
    })
}

fn change(
    metric: Metric,
    (before, now): &(Sum, Sum),
    rounds: &[(Sum, Sum)],
    limit_percent: f64,
) -> Option<Change> {
    let (was, is) = (metric.of(before)?, metric.of(now)?);
    let (metric_name, unit, limit) = match metric {
        Metric::Quantile(name, _) => (name, "us", limit_percent),
        Metric::Rate => ("rate", "calls_per_second", limit_percent),
        Metric::Errors => ("errors", "percent", ERRORS_LIMIT),
    };
    let change = metric.change(was, is);
    let unknown = (f64::NEG_INFINITY, f64::INFINITY);
    let (from, to) = interval(metric, rounds).unwrap_or(unknown);
    // More calls a second are better, more of all else is worse.
    let worse = match metric {
        Metric::Rate => (-to, -from, -change),
        Metric::Quantile(..) | Metric::Errors => (from, to, change),
    };
    Some(Change {
        metric: metric_name,
        unit,
        before: round(was),
        now: round(is),
        change: round(change),
        from: round(from.max(-NO_BOUND)),
        to: round(to.min(NO_BOUND)),
        verdict: verdict(worse, limit),
    })
}

/// What an interval of changes for the worse means.
fn verdict((from, to, change): (f64, f64, f64), limit: f64) -> Verdict {
    let excludes_none = from > 0.0 || to < 0.0;
    match () {
        () if excludes_none && change > limit => Verdict::Worse,
        () if excludes_none && change < -limit => Verdict::Better,
        () if excludes_none || (from >= -limit && to <= limit) => Verdict::Same,
        () => Verdict::Inconclusive,
    }
}

fn interval(metric: Metric, rounds: &[(Sum, Sum)]) -> Option<(f64, f64)> {
    let mut changes: Vec<f64> = rounds
        .iter()
        .filter_map(|(before, now)| Some(metric.change(metric.of(before)?, metric.of(now)?)))
        .collect();
    changes.sort_by(f64::total_cmp);
    let at = |share: f64| changes.get((share * (changes.len() as f64 - 1.0)).round() as usize);
    Some((*at(TAIL)?, *at(1.0 - TAIL)?))
}

impl Metric {
    fn of(self, sum: &Sum) -> Option<f64> {
        let completed = sum.completed as f64;
        match self {
            Self::Quantile(_, quantile) => {
                let is_told = completed * (1.0 - quantile) >= BEYOND;
                let bins = sum.bins.iter().copied().enumerate();
                let bins = bins.filter(|(_, count)| *count > 0);
                is_told.then(|| quantile_of(bins, sum.completed, quantile))?
            }
            Self::Rate => (completed > 0.0).then(|| completed / sum.seconds),
            Self::Errors => (completed > 0.0).then(|| sum.failed as f64 * 100.0 / completed),
        }
    }

    fn change(self, was: f64, is: f64) -> f64 {
        match self {
            Self::Errors => is - was,
            Self::Quantile(..) | Self::Rate => (is / was - 1.0) * 100.0,
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::SCHEMA;
    use crate::bench::report::tests::timed_report;

    /// Compares a bench with an earlier one whose latencies were `factor` times as long; `noise` is by how
    /// much slices differ.
    fn compared(factor: f64, noise: f64) -> Comparison {
        let before = timed_report(1, 1.0, noise);
        let json = crate::bench::report::json(&Reports::one(before.clone()));
        let baseline = Baseline::read(&json).expect("a report");
        let now = timed_report(2, factor, noise);
        compare(&baseline, &now, "before.json", 5.0).expect("comparable")
    }

    fn verdicts(comparison: &Comparison) -> Vec<(&'static str, Verdict)> {
        let metrics = comparison.metrics.iter();
        metrics
            .map(|change| (change.metric, change.verdict))
            .collect()
    }

    #[test]
    fn a_change_beyond_the_limit_is_told_and_one_within_it_is_none() {
        use Verdict::{Better, Same, Worse};
        for (factor, expected) in [(1.0, Same), (1.03, Same), (1.2, Worse), (0.8, Better)] {
            let comparison = compared(factor, 0.02);
            assert_eq!(
                verdicts(&comparison)[..3],
                [("p50", expected), ("p90", expected), ("p99", expected)],
                "{factor}: {comparison:?}"
            );
            let p50 = &comparison.metrics[0];
            let expected = (factor - 1.0) * 100.0;
            assert!((p50.change - expected).abs() < 2.0, "{p50:?}");
            assert!(p50.from <= p50.change && p50.change <= p50.to, "{p50:?}");
        }
    }

    #[test]
    fn what_noise_may_have_done_is_inconclusive() {
        let comparison = compared(1.02, 2.0);
        let p50 = &comparison.metrics[0];
        assert_eq!(p50.verdict, Verdict::Inconclusive, "{p50:?}");
        assert!(p50.from < 0.0 && p50.to > 5.0, "{p50:?}");
    }

    #[test]
    fn intervals_hold_what_is_true_about_as_often_as_they_say() {
        const BENCHES: u64 = 40;
        let mut held = 0;
        for number in 0..BENCHES {
            let before = timed_report(1_000 + number, 1.0, 0.3);
            let baseline =
                Baseline::read(&crate::bench::report::json(&Reports::one(before.clone())))
                    .expect("a report");
            let now = timed_report(2_000 + number, 1.0, 0.3);
            let comparison = compare(&baseline, &now, "before.json", 5.0).expect("comparable");
            let p50 = &comparison.metrics[0];
            held += u32::from(p50.from <= 0.0 && 0.0 <= p50.to);
        }
        // Of 40, 38 are expected; fewer than 33 would come of intervals of 95 % once in a thousand times.
        assert!(held >= 33, "{held} of {BENCHES}");
    }

    #[test]
    fn verdicts_follow_from_the_interval_and_the_limit() {
        use Verdict::{Better, Inconclusive, Same, Worse};
        for (from, to, change, expected) in [
            (6.0, 9.0, 7.0, Worse),
            (1.0, 9.0, 6.0, Worse),
            (1.0, 9.0, 4.0, Same),
            (-1.0, 9.0, 6.0, Inconclusive),
            (-4.0, 4.0, 0.0, Same),
            (-9.0, 1.0, -6.0, Inconclusive),
            (-9.0, -1.0, -6.0, Better),
            (f64::NEG_INFINITY, f64::INFINITY, 50.0, Inconclusive),
        ] {
            assert_eq!(verdict((from, to, change), 5.0), expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_report_of_another_load_is_not_compared() {
        let before = timed_report(1, 1.0, 0.0);
        let json = crate::bench::report::json(&Reports::one(before.clone()));
        let baseline = Baseline::read(&json).expect("a report");
        let mut now = before.clone();
        now.connections = 7;
        let problem = compare(&baseline, &now, "b", 5.0)
            .expect_err("another")
            .to_string();
        assert_eq!(
            problem,
            "it is of another bench: its `connections` is 1, not 7"
        );
        let read = |json: &str| Baseline::read(json).expect_err("none").to_string();
        assert_eq!(read("{}"), "it is no report of a bench: it has no `schema`");
        let old = json.replace(SCHEMA, "msvc.bench/2");
        assert_eq!(
            read(&old),
            format!("it is a report of `msvc.bench/2`, not of `{SCHEMA}`")
        );
    }
}
