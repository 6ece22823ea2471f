//! What is concluded from what was counted.

use super::*;

#[test]
fn the_quantile_curve_leads_from_the_shortest_to_the_longest_call() {
    let report = open_report();
    let curve = &report.quantile_curve;
    assert!(
        curve
            .windows(2)
            .all(|pair| pair[0].quantile < pair[1].quantile && pair[0].us <= pair[1].us)
    );
    assert_eq!(curve[0].us, 100.0);
    assert_eq!(curve.last().map(|point| point.us), report.latency.max_us);
    let median = curve.iter().find(|point| point.quantile == 0.5);
    assert_eq!(median.map(|point| point.us), report.latency.p50_us);
}

#[test]
fn a_bench_that_was_broken_off_does_not_blame_the_server_for_calls_not_sent() {
    for end in [End::Interrupted, End::Vanished("reset".to_owned())] {
        let mut recorder = recorder();
        recorder.unsent = 3;
        recorder.lateness = Latencies::default();
        recorder.busiest = 0.1;
        let model = Model::Open {
            rate_per_second: 1_200.0,
            max_in_flight: 10_000,
        };
        let early = match &end {
            End::Interrupted => "ended early: interrupted".to_owned(),
            _ => "ended early: the server went away and did not come back within 10s (reset)"
                .to_owned(),
        };
        let outcome = Outcome {
            recorder,
            elapsed: Duration::from_secs(10),
            end,
        };
        let report = conclude(subject(), &plan(model), &outcome, &[]);
        assert_eq!(report.notes, [early]);
        assert_eq!(report.calls.unsent, 3);
    }
}

#[test]
fn a_straggler_changes_neither_the_rate_nor_how_busy_the_client_was() {
    for (ended, elapsed, expected) in [
        (11_950, 10, (1_195.0, RateOver::Sending)),
        (11_950, 40, (1_195.0, RateOver::Sending)),
        // Calls of the warm-up that ended in the window make up for those that ended after it.
        (12_100, 12, (1_210.0, RateOver::Sending)),
        // Of so few none is typical.
        (6_000, 20, (600.0, RateOver::Elapsed)),
        (0, 20, (600.0, RateOver::Elapsed)),
    ] {
        let mut recorder = recorder();
        recorder.ended_in_window = ended;
        let outcome = Outcome {
            recorder,
            elapsed: Duration::from_secs(elapsed),
            end: End::Planned,
        };
        let model = Model::Closed { concurrency: 50 };
        let report = conclude(subject(), &plan(model), &outcome, &[]);
        assert_eq!((report.calls_per_second, report.rate_over), expected);
        assert_eq!(
            report.invalid,
            ["the client was the limit: its busiest thread was 95 % busy"]
        );
    }
}

#[test]
fn the_histogram_has_every_call_once() {
    let outcome = Outcome {
        recorder: recorder(),
        elapsed: Duration::from_secs(10),
        end: End::Planned,
    };
    let report = conclude(
        subject(),
        &plan(Model::Closed { concurrency: 1 }),
        &outcome,
        &[],
    );
    let counted: u64 = report.histogram.iter().map(|bar| bar.count).sum();
    assert_eq!(counted, 12_000);
    for pair in report.histogram.windows(2) {
        assert_eq!(pair[0].up_to_us, pair[1].above_us);
    }
}
