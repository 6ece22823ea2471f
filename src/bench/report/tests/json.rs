//! The JSON.

use super::*;

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
      "name": null,
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
        "p99_999_us": null,
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
        "p99_999_us": null,
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
        "p99_999_us": null,
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
