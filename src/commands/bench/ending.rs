//! How a bench ends that was made, and why that is a failure.

use std::path::PathBuf;

use crate::bench::baseline::{self, BaselineError, Comparison};
use crate::bench::load::ProfileError;
use crate::bench::report::{Report, Reports, Subject};
use crate::bench::responses::PathError;
use crate::bench::threshold::Verdict;
use crate::context::Context;
use crate::error::{Diagnostic, Exit, Result, Silent};

/// Why a bench that was made is a failure.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchError {
    #[error("the measurement is invalid: {}", .reasons.join("; "))]
    Invalid {
        reasons: Vec<String>,
        hint: Option<String>,
    },
    #[error("thresholds breached: {}", .0.join(", "))]
    Breached(Vec<String>),
    #[error("`{}` cannot be compared with", .path.display())]
    Baseline {
        path: PathBuf,
        #[source]
        source: BaselineError,
    },
    #[error("it became worse: {}", .0.join(", "))]
    Worse(Vec<String>),
    #[error("it cannot be told whether it became worse: {}; a longer bench may tell", .0.join(", "))]
    Untold(Vec<String>),
    #[error("responses of {failed} of {sampled} calls are not what was expected: {}", .unmet.join(", "))]
    Unexpected {
        failed: u64,
        sampled: u64,
        unmet: Vec<String>,
    },
    #[error("`{given}` cannot be found in responses")]
    Path {
        given: String,
        #[source]
        source: PathError,
    },
    #[error("{name}: {error}")]
    Of {
        /// The call of a mix.
        name: String,
        error: Box<BenchError>,
    },
    #[error("there is no rate at which they hold: not even {0} calls/s")]
    NoRate(f64),
    #[error("the search ended at {rate} calls/s: {why}")]
    Ended { rate: f64, why: String },
    #[error("`{}` is no profile", .path.display())]
    Profile {
        path: PathBuf,
        #[source]
        source: ProfileError,
    },
}

impl Diagnostic for BenchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. } => hint.clone(),
            Self::Of { error, .. } => error.hint(),
            Self::Breached(_)
            | Self::Baseline { .. }
            | Self::Worse(_)
            | Self::Untold(_)
            | Self::Unexpected { .. }
            | Self::Path { .. }
            | Self::NoRate(_)
            | Self::Ended { .. }
            | Self::Profile { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Of { error, .. } => error.exit(),
            Self::Invalid { .. } => Exit::Inconclusive,
            Self::Ended { .. } | Self::Untold(_) => Exit::Inconclusive,
            Self::Breached(_) | Self::Worse(_) | Self::Unexpected { .. } | Self::NoRate(_) => {
                Exit::Failed
            }
            Self::Profile { .. } | Self::Path { .. } | Self::Baseline { .. } => Exit::Usage,
        }
    }
}

/// How a bench that was reported ends: as the first of its methods that failed, or else as all of them
/// together.
pub(super) fn end(context: &Context, reports: &Reports) -> Result {
    let whole = reports.whole();
    if whole.interrupted && whole.calls.completed > 0 {
        return Err(Silent(Exit::Interrupted).into());
    }
    let is_mixed = reports.is_mixed();
    let parts = reports.parts().iter().filter_map(|report| {
        let error = problem(report)?;
        let name = report.subject.title().to_owned();
        Some(match is_mixed {
            true => BenchError::Of {
                name,
                error: Box::new(error),
            },
            false => error,
        })
    });
    let whole = is_mixed.then(|| problem(whole)).flatten();
    let Some(error) = parts.chain(whole).next() else {
        return Ok(());
    };
    if context.printer.is_json() {
        // There is one document on stdout, and it has said it.
        return Err(Silent(error.exit()).into());
    }
    Err(error.into())
}

/// Why a bench that was made is a failure, if it is.
fn problem(report: &Report) -> Option<BenchError> {
    let breached = report
        .thresholds
        .iter()
        .filter(|judged| judged.verdict == Verdict::Breached);
    let breached: Vec<String> = breached
        .map(|judged| format!("`{}` ({})", judged.threshold, judged.shown()))
        .collect();
    if !report.invalid.is_empty() {
        return Some(BenchError::Invalid {
            reasons: report.invalid.clone(),
            hint: (report.calls.completed > 0 && report.calls.ok == 0).then(|| {
                let Subject { target, method, .. } = &report.subject;
                format!("`msvc call {target} {method} -d …` shows what is wrong with one of them")
            }),
        });
    }
    if !breached.is_empty() {
        return Some(BenchError::Breached(breached));
    }
    let unexpected = report.responses.as_ref().filter(|found| found.failed > 0);
    if let Some(responses) = unexpected {
        let unmet = responses.unmet.iter();
        let unmet = unmet.map(|unmet| format!("`{}`", unmet.expectation));
        return Some(BenchError::Unexpected {
            failed: responses.failed,
            sampled: responses.sampled,
            unmet: unmet.collect(),
        });
    }
    report.comparison.as_ref().and_then(regression)
}

/// What a comparison fails with: what became worse, or else what cannot be told.
fn regression(comparison: &Comparison) -> Option<BenchError> {
    let named = |wanted: baseline::Verdict| -> Vec<String> {
        let metrics = comparison.metrics.iter();
        let found = metrics.filter(|change| change.verdict == wanted);
        let shown =
            |change: &baseline::Change| format!("{} by {:+.1}", change.metric, change.change);
        found.map(shown).collect()
    };
    let worse = named(baseline::Verdict::Worse);
    let untold = named(baseline::Verdict::Inconclusive);
    match (worse.is_empty(), untold.is_empty()) {
        (false, _) => Some(BenchError::Worse(worse)),
        (true, false) => Some(BenchError::Untold(untold)),
        (true, true) => None,
    }
}
