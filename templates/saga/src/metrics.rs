//! Sagas and their steps.

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::Status;
use crate::machine::Doing;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SagaLabels {
    saga: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    saga: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    saga: &'static str,
    step: &'static str,
    part: &'static str,
    outcome: &'static str,
}

struct Families {
    started: Family<SagaLabels, Counter>,
    resumed: Family<SagaLabels, Counter>,
    lost: Family<SagaLabels, Counter>,
    ended: Family<EndLabels, Counter>,
    running: Family<SagaLabels, Gauge>,
    steps: Family<StepLabels, Histogram, fn() -> Histogram>,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| {
    let histogram: fn() -> Histogram =
        || Histogram::new(chassis::metrics::buckets().iter().copied());
    let families = Families {
        started: Family::default(),
        resumed: Family::default(),
        lost: Family::default(),
        ended: Family::default(),
        running: Family::default(),
        steps: Family::new_with_constructor(histogram),
    };
    let register = chassis::metrics::register;
    register(
        "sagas_started",
        "Sagas that were started",
        families.started.clone(),
    );
    let help = "Sagas that were taken up after another process had begun with them";
    chassis::metrics::register("sagas_resumed", help, families.resumed.clone());
    let help = "Sagas that another process took over from this one, or may have";
    chassis::metrics::register("sagas_lost", help, families.lost.clone());
    let help = "Sagas that have ended, by how";
    chassis::metrics::register("sagas_ended", help, families.ended.clone());
    let help = "Sagas that this process works on";
    chassis::metrics::register("sagas_running", help, families.running.clone());
    let help = "The time that steps took, by part (action, compensation) and outcome";
    chassis::metrics::register("saga_step_duration_seconds", help, families.steps.clone());
    families
});

pub(crate) fn started(saga: &'static str) {
    FAMILIES.started.get_or_create(&SagaLabels { saga }).inc();
}

pub(crate) fn resumed(saga: &'static str) {
    FAMILIES.resumed.get_or_create(&SagaLabels { saga }).inc();
}

pub(crate) fn lost(saga: &'static str) {
    FAMILIES.lost.get_or_create(&SagaLabels { saga }).inc();
}

pub(crate) fn ended(saga: &'static str, status: Status) {
    let status = status.name();
    FAMILIES
        .ended
        .get_or_create(&EndLabels { saga, status })
        .inc();
}

pub(crate) fn step(
    saga: &'static str,
    step: &'static str,
    doing: Doing,
    outcome: &'static str,
    took: Duration,
) {
    let labels = StepLabels {
        saga,
        step,
        part: doing.name(),
        outcome,
    };
    let series = FAMILIES.steps.get_or_create(&labels);
    series.observe(took.as_secs_f64());
}

/// A saga that is worked on, until this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Gauge);

impl Running {
    pub(crate) fn of(saga: &'static str) -> Self {
        let gauge = FAMILIES.running.get_or_create(&SagaLabels { saga }).clone();
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
