//! Making the calls of a bench, and concluding from what came of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::progress::Progress;
use crate::bench::engine::{self, EngineError, Job, Phase, Wish};
use crate::bench::host::Watch;
use crate::bench::load::{Model, Profile};
use crate::bench::report::{Part, Reports, Subject, conclude};
use crate::bench::threshold::Threshold;
use crate::context::Context;
use crate::error::Result;

/// What is benched.
pub(super) struct Bench {
    /// Each of the methods.
    pub(super) loads: Vec<Load>,
    /// What there is to know of a mix; none of a single method.
    pub(super) mix: Option<Mix>,
}

/// A method, and its load.
pub(super) struct Load {
    pub(super) job: Job,
    pub(super) subject: Subject,
    /// What must hold of it.
    pub(super) thresholds: Vec<Threshold>,
    /// Its share of the whole load, from 0 to 1.
    pub(super) share: f64,
}

/// What holds of all calls of a mix together.
pub(super) struct Mix {
    /// The profile of all calls.
    pub(super) profile: Option<Profile>,
    /// What must hold of them.
    pub(super) thresholds: Vec<Threshold>,
}

impl Bench {
    /// One method.
    pub(super) fn of_one((job, subject): (Job, Subject), thresholds: &[Threshold]) -> Self {
        let load = Load {
            job,
            subject,
            thresholds: thresholds.to_vec(),
            share: 1.0,
        };
        Self {
            loads: vec![load],
            mix: None,
        }
    }

    /// Has one method made by as many threads as it needs; those of a mix have one each.
    ///
    /// # Errors
    /// [`EngineError`] when no connection can be opened.
    pub(super) fn choose_threads(&mut self, interrupts: &AtomicUsize) -> Result<(), EngineError> {
        if let (None, [load]) = (&self.mix, &mut self.loads[..]) {
            load.job = engine::choose_threads(load.job.clone(), |_| wish(interrupts))?;
        }
        Ok(())
    }

    /// The calls a second of all methods; none in a closed loop.
    pub(super) fn rate(&self) -> Option<f64> {
        let rates = self.loads.iter().map(|load| match load.job.plan.model {
            Model::Open {
                rate_per_second, ..
            } => Some(rate_per_second),
            Model::Closed { .. } => None,
        });
        let sum: Option<f64> = rates.sum();
        sum.map(|rate| (rate * 1e6).round() / 1e6)
    }

    /// Has all methods make so many calls a second, each its share.
    pub(super) fn set_rate(&mut self, all: f64) {
        for Load { job, share, .. } in &mut self.loads {
            if let Model::Open {
                rate_per_second, ..
            } = &mut job.plan.model
            {
                *rate_per_second = all * *share;
            }
        }
    }

    fn title(&self) -> String {
        match &self.loads[..] {
            [load] => load.subject.method.clone(),
            loads => format!("{} methods", loads.len()),
        }
    }

    /// The processes of all servers.
    fn server_processes(&self) -> Vec<u32> {
        let all = self.loads.iter().map(|load| &load.job.server_processes);
        let mut all: Vec<u32> = all.flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Makes the calls and concludes.
pub(super) fn measure(
    context: &Context,
    bench: &mut Bench,
    interrupts: &AtomicUsize,
) -> Result<Reports> {
    let mut watch = Watch::start(bench.server_processes());
    let jobs: Vec<Job> = bench.loads.iter().map(|load| load.job.clone()).collect();
    let plan = jobs[0].plan.clone();
    let mut progress = Progress::new(context, &bench.title(), &plan);
    let outcomes = engine::run_together(jobs, |now| {
        watch.tick(now.phase == Phase::Measuring);
        progress.show(now);
        wish(interrupts)
    });
    progress.clear();
    let mut parts = Vec::new();
    let mut responses = Vec::new();
    for (load, outcome) in bench.loads.iter_mut().zip(outcomes?) {
        // Another bench makes other requests.
        load.job.first_number = outcome.recorder.next_number.max(load.job.first_number);
        let checks = load.job.checks.as_ref();
        responses.push(checks.map(|checks| outcome.recorder.findings.conclude(checks.every)));
        parts.push(Part {
            subject: load.subject.clone(),
            plan: load.job.plan.clone(),
            outcome,
            thresholds: load.thresholds.clone(),
        });
    }
    let mut reports = match (&bench.mix, &parts[..]) {
        (None, [part]) => Reports::one(conclude(
            part.subject.clone(),
            &part.plan,
            &part.outcome,
            &part.thresholds,
        )),
        (None, _) => unreachable!("several methods are a mix"),
        (Some(mix), _) => Reports::mixed(parts, mix.profile.clone(), &mix.thresholds),
    };
    for (report, found) in reports.parts_mut().iter_mut().zip(responses) {
        report.responses = found;
    }
    let (host, server) = watch.finish(reports.whole().calls_per_second);
    reports.note(host, server);
    Ok(reports)
}

/// What the user wishes, by how often there was a Ctrl-C.
fn wish(interrupts: &AtomicUsize) -> Wish {
    match interrupts.load(Ordering::Relaxed) {
        0 => Wish::GoOn,
        1 => Wish::Stop,
        _ => Wish::Abort,
    }
}

/// Counts Ctrl-C from now on; they no longer end the process.
pub(super) fn count_interrupts() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let listen = async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    // Without a thread to listen, Ctrl-C ends the process as it always does.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        std::thread::spawn(move || runtime.block_on(listen));
    }
    count
}
