//! What it was that limited a bench.
//!
//! Pure: a report in, a verdict out.

use serde::Serialize;

use crate::bench::load::Model;
use crate::bench::report::{Report, grouped};
use crate::bench::threshold;
use crate::bench::validity;

/// A host that takes more than this share of the probe's time away is noisy, in percent.
const NOISY_PERCENT: f64 = 5.0;
/// The probe must have spun for so long before it tells anything, in seconds.
const LEAST_SPUN: f64 = 0.01;
/// A service that does less than this share of the calls of a rate does not keep up with it.
pub const KEPT_UP: f64 = 0.95;

/// What limited a bench, and why that is thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What.
    pub kind: Limit,
    /// Why, in words.
    pub why: String,
}

/// What limits a bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The service, or what is between it and us.
    ServerBound,
    /// The load generator.
    ClientBound,
    /// Others on the machine.
    HostNoisy,
    /// What the user asks for.
    SloBound,
    /// Nothing: the service did all that was asked of it.
    KeptUp,
    /// It cannot be told.
    Inconclusive,
}

impl Limit {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerBound => "server-bound",
            Self::ClientBound => "client-bound",
            Self::HostNoisy => "host-noisy",
            Self::SloBound => "SLO-bound",
            Self::KeptUp => "kept up",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What limited a bench: what makes the measurement worthless comes first, then what makes it doubtful.
pub fn verdict(report: &Report) -> Verdict {
    let as_kind = |kind| move |why| Verdict { kind, why };
    client(report)
        .map(as_kind(Limit::ClientBound))
        .or_else(|| nothing(report).map(as_kind(Limit::Inconclusive)))
        .or_else(|| noise(report).map(as_kind(Limit::HostNoisy)))
        .or_else(|| thresholds(report).map(as_kind(Limit::SloBound)))
        .or_else(|| server(report).map(as_kind(Limit::ServerBound)))
        .unwrap_or_else(|| Verdict {
            kind: Limit::KeptUp,
            why: format!(
                "all {} calls a second that were asked for were done{}",
                grouped(report.calls_per_second.round() as u64),
                of_server(report)
            ),
        })
}

fn client(report: &Report) -> Option<String> {
    validity::client_limit(report)
}

fn nothing(report: &Report) -> Option<String> {
    let reasons = validity::reasons(report);
    if !reasons.is_empty() {
        return Some(reasons.join("; "));
    }
    report
        .interrupted
        .then(|| "it was interrupted before it had reached what was asked for".to_owned())
}

fn noise(report: &Report) -> Option<String> {
    let host = report.host.as_ref()?;
    if host
        .steal_percent
        .is_some_and(|percent| percent > NOISY_PERCENT)
    {
        let percent = host.steal_percent.unwrap_or_default();
        return Some(format!(
            "the hypervisor says that it gave {percent:.0} % of the processor time to others"
        ));
    }
    let is_told = host.spun_seconds >= LEAST_SPUN;
    (is_told && host.stolen_percent > NOISY_PERCENT).then(|| {
        format!(
            "a probe that did nothing but look at the clock lost {:.0} % of its time while the system took it \
             to be running: others on the host have it",
            host.stolen_percent
        )
    })
}

fn thresholds(report: &Report) -> Option<String> {
    let breached: Vec<String> = report
        .thresholds
        .iter()
        .filter(|judged| judged.verdict == threshold::Verdict::Breached)
        .map(|judged| format!("`{}` ({})", judged.threshold, judged.shown()))
        .collect();
    (!breached.is_empty()).then(|| format!("breached: {}", breached.join(", ")))
}

fn server(report: &Report) -> Option<String> {
    let busy = report.client.busiest_thread_percent;
    let of_server = of_server(report);
    match report.model {
        Model::Open {
            rate_per_second, ..
        } => {
            let did = report.calls_per_second;
            let is_behind = report.calls.unsent > 0 || did < rate_per_second * KEPT_UP;
            is_behind.then(|| {
                format!(
                    "{} of {} calls a second were done, and the client was {busy:.0} % busy{of_server}",
                    grouped(did.round() as u64),
                    grouped(rate_per_second.round() as u64)
                )
            })
        }
        Model::Closed { .. } if report.calls.limited > 0 => Some(format!(
            "it allows no more calls at a time on a connection; the client was {busy:.0} % busy{of_server}"
        )),
        Model::Closed { concurrency } => Some(format!(
            "{} at a time waited for their answers, and the client was {busy:.0} % busy{of_server}",
            match concurrency {
                1 => "1 call".to_owned(),
                more => format!("{} calls", grouped(more as u64)),
            }
        )),
    }
}

/// What is known of the server's processor time.
fn of_server(report: &Report) -> String {
    match &report.server {
        Some(server) => format!("; the server took {:.2} cores", server.cores),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::tests::{open_report, timed_report};
    use crate::bench::report::{Host, Server};
    use crate::bench::threshold::judge;

    fn shown(report: &Report) -> String {
        let Verdict { kind, why } = verdict(report);
        format!("{}: {why}", kind.name())
    }

    fn quiet() -> Host {
        Host {
            spun_seconds: 0.4,
            stolen_percent: 0.1,
            preempted_percent: 20.0,
            steal_percent: Some(0.0),
        }
    }

    #[test]
    fn each_limit_is_told_with_its_reason() {
        let mut report = timed_report(1, 1.0, 0.0);
        report.host = Some(quiet());
        report.server = Some(Server {
            processes: vec![7],
            cores: 1.25,
            cpu_seconds_per_million_calls: Some(625.0),
        });
        insta::assert_snapshot!(shown(&report), @"server-bound: 2 calls at a time waited for their answers, and the client was 0 % busy; the server took 1.25 cores");
        report.thresholds = vec![judge(&"p99<1us".parse().expect("a threshold"), &report)];
        insta::assert_snapshot!(shown(&report), @"SLO-bound: breached: `p99<1us` (1.49 ms)");
        report.host = Some(Host {
            stolen_percent: 12.0,
            ..quiet()
        });
        insta::assert_snapshot!(shown(&report), @"host-noisy: a probe that did nothing but look at the clock lost 12 % of its time while the system took it to be running: others on the host have it");
        report.host = Some(Host {
            steal_percent: Some(30.0),
            ..quiet()
        });
        insta::assert_snapshot!(shown(&report), @"host-noisy: the hypervisor says that it gave 30 % of the processor time to others");
        report.interrupted = true;
        insta::assert_snapshot!(shown(&report), @"inconclusive: it was interrupted before it had reached what was asked for");
        report.client.busiest_thread_percent = 99.0;
        insta::assert_snapshot!(shown(&report), @"client-bound: the client was the limit: its busiest thread was 99 % busy");
    }

    #[test]
    fn an_open_loop_is_kept_up_with_or_not() {
        let mut report = open_report();
        report.client.busiest_thread_percent = 10.0;
        insta::assert_snapshot!(shown(&report), @"kept up: all 1,200 calls a second that were asked for were done");
        report.calls.unsent = 1;
        insta::assert_snapshot!(shown(&report), @"server-bound: 1,200 of 1,200 calls a second were done, and the client was 10 % busy");
        report.calls.ok = 0;
        insta::assert_snapshot!(shown(&report), @"inconclusive: not one of 12,000 calls succeeded");
    }
}
