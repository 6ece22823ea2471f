//! How a bench goes, while it does: a line that is redrawn on a terminal, else a line every few seconds.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::bench::engine::{Phase, Progress as Now};
use crate::bench::load::Plan;
use crate::bench::report::grouped;
use crate::bench::stats::Latencies;
use crate::context::Context;
use crate::duration;
use crate::printer::Printer;

/// How often a line is redrawn.
const REDRAW: Duration = Duration::from_millis(500);
/// How often a line is printed where none can be redrawn.
const REPRINT: Duration = Duration::from_secs(5);

/// The progress of a bench.
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    bar: ProgressBar,
    plan: &'a Plan,
    /// Of the calls since the last line.
    latencies: Latencies,
    failures: u64,
    /// When the last line was shown.
    shown: Instant,
    /// The time that the calls since then were counted in.
    from: Instant,
    until: Instant,
}

impl<'a> Progress<'a> {
    pub(super) fn new(context: &'a Context, title: &str, plan: &'a Plan) -> Self {
        let now = Instant::now();
        let printer = &context.printer;
        let bar = printer.progress("Benching", 0);
        bar.set_message(title.to_owned());
        Self {
            printer,
            bar,
            plan,
            latencies: Latencies::default(),
            failures: 0,
            shown: now,
            from: now,
            until: now,
        }
    }

    pub(super) fn show(&mut self, now: &Now<'_>) {
        self.latencies.add(&now.interval.latencies);
        self.failures += now.interval.failures;
        let pause = if self.printer.is_live() {
            REDRAW
        } else {
            REPRINT
        };
        self.until = now.interval.until.unwrap_or(self.until);
        if self.shown.elapsed() < pause {
            return;
        }
        let line = self.line(now);
        if self.printer.is_live() {
            self.bar.set_message(line);
        } else {
            self.printer.line(line);
        }
        self.latencies.clear();
        self.shown = Instant::now();
        self.from = self.until;
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, now: &Now<'_>) -> String {
        let at = |quantile| match self.latencies.quantile(quantile) {
            Some(latency) => duration::human(latency),
            None => "–".to_owned(),
        };
        let seconds = (self.until - self.from).as_secs_f64();
        let rate = if seconds > 0.0 {
            (self.latencies.count() as f64 / seconds).round() as u64
        } else {
            0
        };
        // Narrow terminals cut the end: what matters most comes first.
        let failed = match self.failures {
            0 => String::new(),
            failures => format!("{} failed  ", grouped(failures)),
        };
        format!(
            "{}  {} calls/s  {failed}p50 {}  p99 {}  {} in flight",
            self.stage(now),
            grouped(rate),
            at(0.5),
            at(0.99),
            grouped(now.in_flight as u64),
        )
    }

    fn stage(&self, now: &Now<'_>) -> String {
        let seconds = now.elapsed.as_secs();
        let of = |whole: Option<Duration>| match whole {
            Some(whole) => format!("{seconds}/{}", duration::exact(whole)),
            None => format!("{seconds}s"),
        };
        match now.phase {
            Phase::Connecting => "connecting".to_owned(),
            Phase::WarmUp => format!("warm-up {}", of(Some(self.plan.warm_up))),
            Phase::Measuring => of(self.plan.duration),
            Phase::Draining => "waiting for the last answers".to_owned(),
        }
    }
}
