//! The report as people read it.

use super::*;

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
    let text = shown(&report);
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
    assert!(shown(&report).contains(line), "{}", shown(&report));
    let json: serde_json::Value =
        serde_json::from_str(&json(&Reports::one(report.clone()))).expect("JSON");
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
    insta::assert_snapshot!(shown(&report), @r"
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
      p99.999              –             –             –
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
    insta::assert_snapshot!(shown(&report), @r"
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
      p99.999              –
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
    insta::assert_snapshot!(shown(&report), @r"
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
