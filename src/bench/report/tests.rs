use std::time::Duration;

use super::*;
use crate::bench::load::Plan;
use crate::bench::random::SplitMix;
use crate::bench::stats::{End, Ended, Latencies, Outcome, Recorder};
use crate::bench::threshold::judge;
use crate::code::Code;

fn subject() -> Subject {
    Subject {
        target: "user-service".to_owned(),
        endpoints: vec!["127.0.0.1:50051".to_owned()],
        method: "user.v1.UserService/GetUser".to_owned(),
        messages_per_call: 1,
        messages: Talk::AtOnce,
        bytes_per_call: Some(7),
        seed: None,
    }
}

fn plan(model: Model) -> Plan {
    Plan {
        model,
        profile: None,
        arrivals: Arrivals::default(),
        connections: 1,
        threads: 1,
        warm_up: Duration::from_secs(1),
        duration: Some(Duration::from_secs(10)),
        calls: None,
        timeout: Duration::from_secs(10),
    }
}

/// 12,000 calls from 100 µs to 12.1 ms, every 1,000th of which fails.
fn recorder() -> Recorder {
    let mut recorder = Recorder::default();
    for index in 0..12_000u64 {
        let ended = Ended {
            code: if index % 1_000 == 999 {
                Code::UNAVAILABLE
            } else {
                Code::OK
            },
            message: "the connection was lost".to_owned(),
            messages: 1,
            bytes: 20,
        };
        let latency = Duration::from_micros(100 + index);
        recorder.record(latency, &ended);
        let failed = ended.code != Code::OK;
        recorder.timeline.record(Duration::ZERO, latency, failed);
        recorder.service.record(latency / 2);
        recorder.lateness.record(Duration::from_micros(index / 10));
    }
    recorder.messages_sent = 12_000;
    recorder.bytes_sent = 12_000 * 7;
    recorder.cpu = Duration::from_millis(9_500);
    recorder.window = Duration::from_secs(10);
    recorder.ended_in_window = 12_000;
    recorder.busiest = 0.95;
    recorder
}

/// A bench of 20 seconds, 2,000 calls each, whose latencies are about `factor` milliseconds; `noise` is by how
/// much those of a slice of time may differ from those of others.
pub(in crate::bench) fn timed_report(seed: u64, factor: f64, noise: f64) -> Report {
    let mut random = SplitMix::new(seed);
    let mut uniform = move || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
    let mut recorder = Recorder::default();
    for slice in 0..200u32 {
        let shift = 1.0 + noise * (uniform() - 0.5);
        for call in 0..200u32 {
            let at = Duration::from_millis(100) * slice + Duration::from_micros(500) * call;
            let latency = Duration::from_secs_f64(factor * shift * (0.5 + uniform()) / 1e3);
            let is_failed = call == 7 && slice % 10 == 0;
            let ended = Ended {
                code: if is_failed {
                    Code::UNAVAILABLE
                } else {
                    Code::OK
                },
                message: "it is <down>".to_owned(),
                messages: 1,
                bytes: 20,
            };
            recorder.record(latency, &ended);
            recorder.timeline.record(at, latency, is_failed);
        }
    }
    recorder.window = Duration::from_secs(20);
    recorder.ended_in_window = 40_000;
    let outcome = Outcome {
        recorder,
        elapsed: Duration::from_secs(20),
        end: End::Planned,
    };
    let model = Model::Closed { concurrency: 2 };
    conclude(subject(), &plan(model), &outcome, &[])
}

#[test]
fn the_page_needs_nothing_beside_itself_and_shows_all_charts() {
    let mut report = timed_report(1, 1.0, 0.3);
    report.thresholds = vec![judge(&"p99<1us".parse().expect("a threshold"), &report)];
    let page = html(&report);
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    for shown in [
        "<title>user.v1.UserService/GetUser · msvc bench</title>",
        "<h2>Latency over time</h2>",
        "<h2>Calls a second</h2>",
        "<h2>Quantiles</h2>",
        "<h2>Heat map</h2>",
        "it is &lt;down&gt; (20 times)",
        "<td class=\"breached\">breached</td>",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    // What the page was made of stands in it.
    let (_, data) = page.split_once("id=\"report\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("an end");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data, serde_json::to_value(&report).expect("serializes"));
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}

#[test]
fn a_page_without_calls_has_no_charts() {
    let outcome = Outcome {
        recorder: Recorder::default(),
        elapsed: Duration::ZERO,
        end: End::Interrupted,
    };
    let model = Model::Closed { concurrency: 1 };
    let page = html(&conclude(subject(), &plan(model), &outcome, &[]));
    assert!(!page.contains("class=\"plot\""), "{page}");
    assert!(page.contains("Invalid: it was interrupted before a measured call ended"));
}

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

/// Of the calls of [`recorder`], 1,200 a second of them.
pub(in crate::bench) fn open_report() -> Report {
    let model = Model::Open {
        rate_per_second: 1_200.0,
        max_in_flight: 10_000,
    };
    let outcome = Outcome {
        recorder: recorder(),
        elapsed: Duration::from_secs(10),
        end: End::Planned,
    };
    conclude(subject(), &plan(model), &outcome, &[])
}

#[test]
fn thresholds_stand_below_the_notes() {
    let outcome = Outcome {
        recorder: recorder(),
        elapsed: Duration::from_secs(10),
        end: End::Planned,
    };
    let thresholds =
        ["p99<5ms", "errors<1%", "rate>1e9"].map(|text| text.parse().expect("a threshold"));
    let model = Model::Closed { concurrency: 1 };
    let report = conclude(subject(), &plan(model), &outcome, &thresholds);
    let text = text(&report);
    let (_, end) = text.split_once("(12 times)\n\n").expect("codes");
    insta::assert_snapshot!(end, @r"
    client-bound: the client was the limit: its busiest thread was 95 % busy

    note: the client was the limit: its busiest thread was 95 % busy; on a machine with idle cores add `--threads N --connections N`

    threshold  p99<5ms            breached   12.0 ms
    threshold  errors<1%          held       0.100 %
    threshold  rate>1e9           breached   1200.0 calls/s

    invalid: the client was the limit: its busiest thread was 95 % busy
    ");
}

#[test]
fn what_is_not_constant_about_the_load_is_said() {
    let model = Model::Open {
        rate_per_second: 300.0,
        max_in_flight: 10_000,
    };
    let mut plan = plan(model);
    plan.profile = Some("ramp:100..500/10s".parse().expect("a profile"));
    plan.arrivals = Arrivals::Poisson;
    let outcome = Outcome {
        recorder: recorder(),
        elapsed: Duration::from_secs(10),
        end: End::Planned,
    };
    let report = conclude(subject(), &plan, &outcome, &[]);
    let line = "open loop: 300 calls/s on average (ramp:100..500/10s), poisson for 10s after a warm-up of 1s";
    assert!(text(&report).contains(line), "{}", text(&report));
    let json: serde_json::Value = serde_json::from_str(&json(&report)).expect("JSON");
    assert_eq!(json["profile"], "ramp:100..500/10s");
    assert_eq!(json["arrivals"], "poisson");
}

#[test]
fn an_open_loop_is_reported_with_both_times() {
    let mut recorder = recorder();
    recorder.held_back = 5;
    recorder.limited = 2;
    recorder.unsent = 3;
    recorder.connections_lost = 1;
    recorder.resent = 2;
    let model = Model::Open {
        rate_per_second: 1_200.0,
        max_in_flight: 10_000,
    };
    let outcome = Outcome {
        recorder,
        elapsed: Duration::from_millis(10_005),
        end: End::Planned,
    };
    let report = conclude(subject(), &plan(model), &outcome, &[]);
    insta::assert_snapshot!(text(&report), @r"
    user.v1.UserService/GetUser at user-service (127.0.0.1:50051)
    open loop: 1,200 calls/s for 10s after a warm-up of 1s, on 1 connection by 1 thread

      calls      12,000 in 10.0 s, 12 failed (0.10 %)
      rate       1,200 calls/s over the 10.0 s in which calls were sent
      sent       12,000 messages, 84.0 kB (8.4 kB/s)
      received   12,000 messages, 240 kB (24.0 kB/s)
      client     9.50 CPU-s, 791.67 for a million calls; busiest thread 95 % busy

                     latency   of OK calls  service time
      min             100 µs        100 µs       50.0 µs
      p50            6.10 ms       6.10 ms       3.05 ms
      p75            9.10 ms       9.10 ms       4.55 ms
      p90            10.9 ms       10.9 ms       5.45 ms
      p95            11.5 ms       11.5 ms       5.75 ms
      p99            12.0 ms       12.0 ms       5.99 ms
      p99.9          12.1 ms       12.1 ms       6.05 ms
      p99.99         12.1 ms       12.1 ms       6.05 ms
      max            12.1 ms       12.1 ms       6.05 ms
      mean           6.10 ms       6.10 ms       3.05 ms
                   ± 3.46 ms     ± 3.46 ms     ± 1.73 ms
      latency counts from the intended start of a call, service time from its sending

      ≤ 100 µs  ▏                                                   1    0.01 %
      ≤ 200 µs  ▊                                                 100    0.83 %
      ≤ 500 µs  ██▍                                               300    2.50 %
      ≤   1 ms  ████                                              500    4.17 %
      ≤   2 ms  ████████                                        1,000    8.33 %
      ≤   5 ms  ████████████████████████                        3,001   25.01 %
      ≤  10 ms  ████████████████████████████████████████        5,001   41.67 %
      ≤  20 ms  ████████████████▊                               2,097   17.48 %

      OK (0)                         11,988
      UNAVAILABLE (14)                   12
          the connection was lost (12 times)

      client-bound: the client was the limit: its busiest thread was 95 % busy

      note: the client was the limit: its busiest thread was 95 % busy; on a machine with idle cores add `--threads N --connections N`
      note: the client was late: 1,990 calls were sent more than 1 ms after they were due; it or the machine was too busy
      note: 3 calls waited to be sent because too many were in flight (`--max-in-flight`); their latency counts from when they were due
      note: 2 calls waited to be sent because the server allows no more at a time on a connection (SETTINGS_MAX_CONCURRENT_STREAMS); add `--connections N`
      note: 3 calls were due and never sent: the server did not keep up with the rate, and latencies would be longer with them
      note: connections that ended during the bench: 1; calls sent again because the server had not taken them: 2

      invalid: the client was the limit: its busiest thread was 95 % busy
    ");
}

#[test]
fn a_closed_loop_says_what_its_latency_leaves_out() {
    let mut recorder = Recorder::default();
    for index in 0..200 {
        let ended = Ended {
            code: Code::OK,
            message: String::new(),
            messages: 1,
            bytes: 20,
        };
        recorder.record(Duration::from_nanos(90_000 + index * 500), &ended);
    }
    recorder.messages_sent = 200;
    recorder.bytes_sent = 200 * 7;
    let outcome = Outcome {
        recorder,
        elapsed: Duration::from_secs(2),
        end: End::Interrupted,
    };
    let report = conclude(
        subject(),
        &plan(Model::Closed { concurrency: 50 }),
        &outcome,
        &[],
    );
    insta::assert_snapshot!(text(&report), @r"
    user.v1.UserService/GetUser at user-service (127.0.0.1:50051)
    closed loop: 50 calls at a time for 10s after a warm-up of 1s, on 1 connection by 1 thread

      calls      200 in 2.00 s
      rate       100 calls/s
      sent       200 messages, 1.4 kB (700 B/s)
      received   200 messages, 4.0 kB (2.0 kB/s)
      client     0.00 CPU-s, 0.00 for a million calls; busiest thread 0 % busy

                    latency*
      min            90.0 µs
      p50             140 µs
      p75             165 µs
      p90             180 µs
      p95             185 µs
      p99             189 µs
      p99.9                –
      p99.99               –
      max             190 µs
      mean            140 µs
                   ± 28.9 µs
      * closed loop: latency excludes queueing, for a slow server is asked less

      ≤ 100 µs  ████▊                                              21   10.50 %
      ≤ 200 µs  ████████████████████████████████████████          179   89.50 %

      OK (0)                            200

      inconclusive: it was interrupted before it had reached what was asked for

      note: ended early: interrupted
    ");
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
fn a_bench_without_an_answer_has_no_table() {
    let outcome = Outcome {
        recorder: Recorder::default(),
        elapsed: Duration::ZERO,
        end: End::Vanished("cannot connect to 127.0.0.1:50051: Connection refused".to_owned()),
    };
    let report = conclude(
        subject(),
        &plan(Model::Closed { concurrency: 1 }),
        &outcome,
        &[],
    );
    insta::assert_snapshot!(text(&report), @r"
    user.v1.UserService/GetUser at user-service (127.0.0.1:50051)
    closed loop: 1 call at a time for 10s after a warm-up of 1s, on 1 connection by 1 thread

      calls      0 in 0 ns
      rate       0 calls/s
      sent       0 messages, 0 B (0 B/s)
      received   0 messages, 0 B (0 B/s)
      client     0.00 CPU-s; busiest thread 0 % busy

      inconclusive: the server was lost (cannot connect to 127.0.0.1:50051: Connection refused); no measured call ended

      note: ended early: the server went away and did not come back within 10s (cannot connect to 127.0.0.1:50051: Connection refused)

      invalid: the server was lost (cannot connect to 127.0.0.1:50051: Connection refused)
      invalid: no measured call ended
    ");
}

#[test]
fn the_json_has_everything_with_its_unit() {
    let mut report = open_report();
    report.histogram.truncate(2);
    report.quantile_curve.truncate(1);
    report.timeline.slices.truncate(1);
    report.timeline.slices[0].bins.truncate(1);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).expect("serializes"), @r#"
    {
      "schema": "msvc.bench/3",
      "target": "user-service",
      "endpoints": [
        "127.0.0.1:50051"
      ],
      "method": "user.v1.UserService/GetUser",
      "messages_per_call": 1,
      "messages": {
        "kind": "at_once"
      },
      "bytes_per_call": 7,
      "seed": null,
      "model": {
        "kind": "open",
        "rate_per_second": 1200.0,
        "max_in_flight": 10000
      },
      "profile": null,
      "arrivals": "constant",
      "connections": 1,
      "threads": 1,
      "warm_up_seconds": 1.0,
      "duration_seconds": 10.0,
      "timeout_seconds": 10.0,
      "elapsed_seconds": 10.0,
      "sending_seconds": 10.0,
      "interrupted": false,
      "vanished": null,
      "calls": {
        "completed": 12000,
        "ok": 11988,
        "failed": 12,
        "unsent": 0,
        "abandoned": 0,
        "resent": 0,
        "connections_lost": 0,
        "limited": 0
      },
      "calls_per_second": 1200.0,
      "rate_over": "sending",
      "traffic": {
        "messages_sent": 12000,
        "messages_received": 12000,
        "bytes_sent": 84000,
        "bytes_received": 240000
      },
      "latency": {
        "count": 12000,
        "min_us": 100.0,
        "p50_us": 6103.039,
        "p75_us": 9101.311,
        "p90_us": 10903.551,
        "p95_us": 11501.567,
        "p99_us": 11984.895,
        "p99_9_us": 12091.391,
        "p99_99_us": 12099.0,
        "max_us": 12099.0,
        "mean_us": 6099.5,
        "deviation_us": 3464.102
      },
      "latency_ok": {
        "count": 11988,
        "min_us": 100.0,
        "p50_us": 6098.943,
        "p75_us": 9101.311,
        "p90_us": 10903.551,
        "p95_us": 11501.567,
        "p99_us": 11984.895,
        "p99_9_us": 12091.391,
        "p99_99_us": 12098.0,
        "max_us": 12098.0,
        "mean_us": 6099.0,
        "deviation_us": 3464.078
      },
      "service_time": {
        "count": 12000,
        "min_us": 50.0,
        "p50_us": 3051.519,
        "p75_us": 4550.655,
        "p90_us": 5451.775,
        "p95_us": 5750.783,
        "p99_us": 5992.447,
        "p99_9_us": 6045.695,
        "p99_99_us": 6049.5,
        "max_us": 6049.5,
        "mean_us": 3049.75,
        "deviation_us": 1732.051
      },
      "streams": null,
      "histogram": [
        {
          "above_us": 50.0,
          "up_to_us": 100.0,
          "count": 1
        },
        {
          "above_us": 100.0,
          "up_to_us": 200.0,
          "count": 100
        }
      ],
      "quantile_curve": [
        {
          "quantile": 0.0,
          "us": 100.0
        }
      ],
      "timeline": {
        "slice_seconds": 0.1,
        "slices": [
          {
            "at_seconds": 0.0,
            "completed": 12000,
            "failed": 12,
            "mean_us": 6099.5,
            "p50_us": 6100.0,
            "p90_us": 10900.0,
            "p99_us": 12098.37,
            "max_us": 12099.0,
            "bins": [
              [
                106,
                4
              ]
            ]
          }
        ]
      },
      "codes": [
        {
          "code": 0,
          "name": "OK",
          "count": 11988,
          "samples": []
        },
        {
          "code": 14,
          "name": "UNAVAILABLE",
          "count": 12,
          "samples": [
            {
              "message": "the connection was lost",
              "count": 12
            }
          ]
        }
      ],
      "pacing": {
        "late": 1990,
        "lateness_p50_us": 599.039,
        "lateness_p99_us": 1187.839,
        "lateness_max_us": 1199.0,
        "held_back": 0
      },
      "responses": null,
      "client": {
        "cpu_seconds": 9.5,
        "cpu_seconds_per_million_calls": 791.667,
        "busiest_thread_percent": 95.0
      },
      "server": null,
      "host": null,
      "verdict": {
        "kind": "client_bound",
        "why": "the client was the limit: its busiest thread was 95 % busy"
      },
      "notes": [
        "the client was the limit: its busiest thread was 95 % busy; on a machine with idle cores add `--threads N --connections N`",
        "the client was late: 1,990 calls were sent more than 1 ms after they were due; it or the machine was too busy"
      ],
      "thresholds": [],
      "comparison": null,
      "invalid": [
        "the client was the limit: its busiest thread was 95 % busy"
      ]
    }
    "#);
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
