//! What to know of a measurement before believing any of it, in words.

use super::{Report, grouped};
use crate::bench::load::GIVE_UP;
use crate::bench::validity::BUSY_PERCENT;

/// The notes of a report.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &report.vanished {
        notes.push(format!(
            "ended early: the server went away and did not come back within {} ({why})",
            crate::duration::exact(GIVE_UP)
        ));
    }
    if report.interrupted {
        notes.push("ended early: interrupted".to_owned());
    }
    if report.client.busiest_thread_percent > BUSY_PERCENT {
        notes.push(format!(
            "the client was the limit: its busiest thread was {:.0} % busy; on a machine with idle cores add \
             `--threads N --connections N`",
            report.client.busiest_thread_percent
        ));
    }
    let completed = report.calls.completed;
    if let Some(pacing) = &report.pacing {
        let kept = completed.saturating_sub(pacing.held_back);
        // One call in a hundred is what p99 shows.
        if pacing.late * 100 > kept {
            notes.push(format!(
                "the client was late: {} calls were sent more than 1 ms after they were due; it or the \
                 machine was too busy",
                grouped(pacing.late)
            ));
        }
        let held_back = pacing.held_back - report.calls.limited;
        if held_back > 0 {
            notes.push(format!(
                "{} calls waited to be sent because too many were in flight (`--max-in-flight`); their \
                 latency counts from when they were due",
                grouped(held_back)
            ));
        }
    }
    if report.calls.limited > 0 {
        notes.push(format!(
            "{} calls waited to be sent because the server allows no more at a time on a connection \
             (SETTINGS_MAX_CONCURRENT_STREAMS); add `--connections N`",
            grouped(report.calls.limited)
        ));
    }
    // What a bench that was broken off did not come to says nothing of the server.
    if report.calls.unsent > 0 && !report.interrupted && report.vanished.is_none() {
        notes.push(format!(
            "{} calls were due and never sent: the server did not keep up with the rate, and latencies \
             would be longer with them",
            grouped(report.calls.unsent)
        ));
    }
    if report.calls.abandoned > 0 {
        notes.push(format!(
            "{} calls were still in flight at the end; they are in none of the figures",
            grouped(report.calls.abandoned)
        ));
    }
    if report.calls.connections_lost > 0 {
        notes.push(format!(
            "connections that ended during the bench: {}; calls sent again because the server had not taken \
             them: {}",
            grouped(report.calls.connections_lost),
            grouped(report.calls.resent)
        ));
    }
    notes
}
