//! What was found of several methods at once.

use super::*;
use crate::bench::threshold::Verdict;

/// Two methods, 900 and 300 calls a second of which were asked for: 12,000 calls ended of the first and 200 of
/// the second, which were slower.
fn mixed(thresholds: &[&str]) -> Reports {
    let read = |text: &str| text.parse().expect("a threshold");
    let part = |name: &str, number, rate_per_second, recorder| Part {
        subject: Subject {
            name: Some(name.to_owned()),
            ..subject()
        },
        plan: Plan {
            number,
            ..plan(Model::Open {
                rate_per_second,
                max_in_flight: 100,
            })
        },
        outcome: Outcome {
            recorder,
            elapsed: Duration::from_secs(10),
            end: End::Planned,
        },
        thresholds: vec![read("p99<20ms")],
    };
    let mut slow = Recorder::default();
    for index in 0..200 {
        let ended = Ended {
            code: Code::OK,
            message: String::new(),
            messages: 1,
            bytes: 20,
        };
        let latency = Duration::from_millis(100 + index);
        slow.record(latency, &ended);
        slow.service.record(latency);
        slow.timeline.record(Duration::from_secs(1), latency, false);
    }
    slow.window = Duration::from_secs(10);
    slow.ended_in_window = 200;
    let mut fast = recorder();
    fast.busiest = 0.1;
    let parts = vec![
        part("get", 0, 900.0, fast),
        part("say \"<it>\"", 1, 300.0, slow),
    ];
    let profile = "ramp:0..2400/10s".parse().expect("a profile");
    let thresholds: Vec<_> = thresholds.iter().map(|text| read(text)).collect();
    Reports::mixed(parts, Some(profile), &thresholds)
}

#[test]
fn all_calls_of_a_mix_are_those_of_its_methods() {
    let reports = mixed(&["rate>1000"]);
    let whole = reports.whole();
    assert_eq!(whole.calls.completed, 12_200);
    assert_eq!(whole.latency.count, 12_200);
    assert_eq!(whole.latency.max_us, Some(299_000.0));
    assert_eq!(whole.calls_per_second, 1_220.0);
    assert_eq!((whole.connections, whole.threads), (2, 2));
    let both = Model::Open {
        rate_per_second: 1_200.0,
        max_in_flight: 200,
    };
    assert_eq!(whole.model, both);
    assert_eq!(whole.timeline.slices[10].completed, 200);
    assert_eq!(whole.thresholds[0].verdict, Verdict::Held);
    let breached = reports.parts()[1].thresholds[0].verdict;
    assert_eq!(breached, Verdict::Breached);
}

#[test]
fn what_limits_a_method_limits_the_mix_and_what_the_server_took_is_that_of_all() {
    let mut reports = mixed(&[]);
    let server = Server {
        processes: vec![7],
        cores: 1.5,
        cpu_seconds_per_million_calls: Some(90.0),
    };
    reports.note(None, Some(server.clone()));
    let whole = reports.whole();
    assert_eq!(whole.verdict.kind.name(), "SLO-bound");
    assert!(
        whole.verdict.why.starts_with("say \"<it>\": "),
        "{}",
        whole.verdict.why
    );
    assert_eq!(whole.server, Some(server));
    assert!(reports.parts().iter().all(|part| part.server.is_none()));
}

#[test]
fn text_has_a_row_for_each_method_above_the_quantiles_of_all_calls() {
    let mut reports = mixed(&["rate>1000"]);
    reports.note(None, None);
    let text = text(&reports);
    let heads: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" at user-s"))
        .collect();
    assert_eq!(
        heads,
        [
            "get (user.v1.UserService/GetUser) at user-service (127.0.0.1:50051)",
            "say \"<it>\" (user.v1.UserService/GetUser) at user-service (127.0.0.1:50051)",
            "all calls of 2 methods at user-service (127.0.0.1:50051)",
        ]
    );
    let rows = text.lines().map(str::trim);
    let rows = rows.skip_while(|line| !line.starts_with("calls/s "));
    let rows: Vec<&str> = rows.take(3).collect();
    assert_eq!(
        rows,
        [
            "calls/s     calls    failed       p50       p90       p99       max",
            "get            1,200    12,000        12   6.10 ms   10.9 ms   12.0 ms   12.1 ms",
            "say \"<it>\"        20       200         0    199 ms    279 ms    297 ms    299 ms",
        ]
    );
    assert!(
        text.ends_with("  threshold  rate>1000          held       1220.0 calls/s\n"),
        "{text}"
    );
}

#[test]
fn each_form_has_all_methods() {
    let reports = mixed(&["rate>1000"]);
    let json: serde_json::Value = serde_json::from_str(&json(&reports)).expect("JSON");
    assert_eq!(json["schema"], MIXED_SCHEMA);
    assert_eq!(json["calls_per_second"], 1_220.0);
    assert_eq!(json["whole"]["messages_per_call"], serde_json::Value::Null);
    assert_eq!(json["reports"][1]["name"], "say \"<it>\"");
    let csv = csv(&reports);
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows.len(), 3, "{csv}");
    assert!(rows[2].starts_with("user-service,user.v1.UserService/GetUser,\"say \"\"<it>\"\"\","));
    let junit = junit(&reports);
    let suites = junit.matches("<testsuite ").count();
    assert_eq!(
        (suites, junit.matches("<failure ").count()),
        (3, 1),
        "{junit}"
    );
    let prometheus = prometheus(&reports);
    assert_eq!(
        prometheus.matches("# TYPE msvc_bench_calls gauge").count(),
        1
    );
    let samples = prometheus
        .lines()
        .filter(|line| line.starts_with("msvc_bench_valid{"));
    assert_eq!(
        samples.collect::<Vec<_>>(),
        [
            "msvc_bench_valid{target=\"user-service\",method=\"user.v1.UserService/GetUser\",call=\"get\"} 1",
            "msvc_bench_valid{target=\"user-service\",method=\"user.v1.UserService/GetUser\",call=\"say \\\"<it>\\\"\"} 1",
        ]
    );
    let page = html(&reports);
    for shown in [
        "<h1>all calls of 2 methods</h1>",
        "<a href=\"#method-1\">get</a>",
        "id=\"method-2\">say &quot;&lt;it&gt;&quot; (user.v1",
    ] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    assert_eq!(page.matches("<h3>Heat map</h3>").count(), 3);
}
