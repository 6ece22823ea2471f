//! Several methods at once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{HELLO, bench, codes, number, output, report, report_with_protos};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;
use crate::support::http2::{Answer, Http2Server, Manners};

const MIX: &str = r#"
[[call]]
method = "SendMessage"
weight = 3
data = '{"message": {"room": "r{{seq}}", "author": "ada", "text": "hello"}}'

[[call]]
method = "WatchRoom"
data = '{"room": "lobby", "limit": 2}'
"#;

/// A place with this mix as `mix.toml`, and a server.
fn mix(text: &str) -> (Sandbox, ChatServer) {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    std::fs::write(sandbox.path().join("mix.toml"), text).expect("writable");
    (sandbox, server)
}

fn reports(mixed: &Value) -> &[Value] {
    mixed["reports"].as_array().expect("reports")
}

#[test]
fn each_method_has_its_share_of_the_load_and_its_report() {
    let (sandbox, server) = mix(MIX);
    let load = ["@mix.toml", "--rate", "400", "--duration", "2s"];
    let load = [&load[..], &["--warm-up", "500ms"]].concat();
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 0, "{mixed:#}");
    assert_eq!(mixed["schema"], "msvc.bench.mixed/1");
    let found: Vec<_> = reports(&mixed)
        .iter()
        .map(|report| {
            json!([
                report["name"],
                report["method"],
                report["model"]["rate_per_second"],
                codes(report)
            ])
        })
        .collect();
    assert_eq!(
        json!(found),
        json!([
            [
                "SendMessage",
                "chat.v1.ChatService/SendMessage",
                300.0,
                [["OK", 600, []]]
            ],
            [
                "WatchRoom",
                "chat.v1.ChatService/WatchRoom",
                100.0,
                [["OK", 200, []]]
            ],
        ])
    );
    let whole = &mixed["whole"];
    assert_eq!(codes(whole), json!([["OK", 800, []]]));
    assert_eq!(whole["model"]["rate_per_second"], 400.0);
    assert_eq!(whole["warm_up_seconds"], 0.5);
    assert_eq!(mixed["calls_per_second"], whole["calls_per_second"]);
    assert!(number(&mixed["calls_per_second"]) > 360.0, "{mixed:#}");
    // Callers and calls are shared as well. What must hold of calls must of those of each method, and what
    // must hold of the rate of all together.
    let load = ["@mix.toml", "-c", "8", "-n", "400"];
    let thresholds = ["--threshold", "rate>1e12", "--threshold", "p50<10s"];
    let load = [&load[..], &thresholds].concat();
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 1);
    let [first, second] = reports(&mixed) else {
        panic!("{mixed:#}");
    };
    assert_eq!(first["model"]["concurrency"], 6);
    assert_eq!(second["model"]["concurrency"], 2);
    assert_eq!(codes(first), json!([["OK", 300, []]]));
    assert_eq!(codes(second), json!([["OK", 100, []]]));
    let judged = |report: &Value| -> Value {
        let all = report["thresholds"].as_array().expect("thresholds").iter();
        all.map(|judged| json!([judged["threshold"], judged["verdict"]]))
            .collect()
    };
    assert_eq!(judged(first), json!([["p50<10s", "held"]]));
    assert_eq!(judged(second), json!([["p50<10s", "held"]]));
    assert_eq!(judged(&mixed["whole"]), json!([["rate>1e12", "breached"]]));
    let shown = bench(&sandbox, &server.address(), &["@mix.toml", "-n", "40"]);
    let head = "\nall calls of 2 methods at [SERVER]\nclosed loop: 50 calls at a time, ";
    assert!(shown.contains(head), "{shown}");
    assert!(shown.contains(" calls/s     calls    failed"), "{shown}");
}

#[test]
fn the_load_of_a_mix_follows_a_profile() {
    let (sandbox, server) = mix(MIX);
    let load = ["@mix.toml", "--profile", "step:40,80/500ms"];
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 0, "{mixed:#}");
    let [first, second] = reports(&mixed) else {
        panic!("{mixed:#}");
    };
    assert_eq!(codes(first), json!([["OK", 45, []]]));
    assert_eq!(codes(second), json!([["OK", 15, []]]));
    assert_eq!(first["profile"], "step:40,80/500ms × 0.75");
    assert_eq!(mixed["whole"]["profile"], "step:40,80/500ms");
    let load = ["@mix.toml", "-c", "ramp:4..8/500ms"];
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 0, "{mixed:#}");
    let most = reports(&mixed)
        .iter()
        .map(|report| &report["model"]["concurrency"]);
    assert_eq!(most.collect::<Vec<_>>(), [6, 2]);
    assert_eq!(mixed["whole"]["model"]["concurrency"], 8);
}

#[test]
fn calls_of_a_mix_have_options_of_their_own() {
    let (sandbox, server) = mix(r#"
[[call]]
name = "hello"
method = "SendMessage"
data = '{"message": {"room": "lobby", "author": "ada", "text": "hello"}}'
headers = ["x-request-id: {{uuid}}"]
expect = ["message.room==lobby"]
extract = ["room=message.room"]
threshold = ["errors<1%"]

[[call]]
name = "wrong"
method = "SendMessage"
data = '{"message": {"room": "lobby", "author": "ada", "text": "hello"}}'
expect = ["message.room==kitchen"]
timeout = "5s"

[[call]]
method = "Chat"
data = '{"enter": {"room": "lobby", "author": "ada"}} {"say": "hello"}'
messages = 3
ping-pong = true
"#);
    let load = ["@mix.toml", "-n", "60", "-c", "3", "--sample", "10"];
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 1, "{mixed:#}");
    let [hello, wrong, chat] = reports(&mixed) else {
        panic!("{mixed:#}");
    };
    assert_eq!(hello["responses"]["failed"], 0);
    assert_eq!(hello["responses"]["extracted"][0]["name"], "room");
    assert_eq!(hello["thresholds"][0]["threshold"], "errors<1%");
    assert_eq!(hello["timeout_seconds"], 10.0);
    assert_eq!(wrong["responses"]["failed"], 2);
    assert_eq!(wrong["timeout_seconds"], 5.0);
    assert_eq!(chat["messages_per_call"], 3);
    assert_eq!(chat["streams"]["echo"]["count"], 60);
    assert_eq!(codes(&mixed["whole"]), json!([["OK", 60, []]]));
    let said = output(&sandbox, &server.address(), &load).stderr;
    let said = String::from_utf8_lossy(&said);
    let expected = "error: wrong: responses of 2 of 2 calls are not what was expected: `message.room==kitchen`\n";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn a_mix_is_reported_in_all_forms_and_compared_method_by_method() {
    let (sandbox, server) = mix(MIX);
    let names = ["r.json", "r.html", "r.csv", "r.xml", "r.prom"];
    let outputs = names.iter().flat_map(|name| ["--output", name]);
    let load = ["@mix.toml", "--rate", "200", "--duration", "2s"];
    let args: Vec<&str> = load.into_iter().chain(outputs).collect();
    let (exit, mixed) = report(&sandbox, &server.address(), &args);
    assert_eq!(exit, 0, "{mixed:#}");
    let read = |name: &str| {
        std::fs::read_to_string(sandbox.path().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let written: Value = serde_json::from_str(&read("r.json")).expect("JSON");
    assert_eq!(written, mixed);
    assert_eq!(read("r.csv").lines().count(), 3);
    assert_eq!(read("r.xml").matches("<testsuite ").count(), 3);
    let calls = read("r.prom");
    assert!(
        calls.contains("call=\"WatchRoom\",code=\"OK\"} 100\n"),
        "{calls}"
    );
    assert!(read("r.html").contains("<a href=\"#method-2\">WatchRoom</a>"));
    // The same mix again is compared; another one is not.
    let args = [&load[..], &["--baseline", "r.json"]].concat();
    let (_, again) = report(&sandbox, &server.address(), &args);
    for report in reports(&again) {
        assert_eq!(report["comparison"]["baseline"], "r.json", "{report:#}");
    }
    std::fs::write(
        sandbox.path().join("mix.toml"),
        MIX.replace("weight = 3", "weight = 3\nname = \"send\""),
    )
    .expect("writable");
    let shown = bench(&sandbox, &server.address(), &args);
    insta::assert_snapshot!(shown, @r"
    exit: 2
    --- stderr ---
    error: `r.json` cannot be compared with
      caused by: it is of another bench: its `calls` is SendMessage, WatchRoom, not send, WatchRoom
    ");
    let args = ["SendMessage", "-d", HELLO, "--baseline", "r.json"];
    insta::assert_snapshot!(bench(&sandbox, &server.address(), &args), @r"
    exit: 2
    --- stderr ---
    error: `r.json` cannot be compared with
      caused by: it is a report of `msvc.bench.mixed/1`, not of `msvc.bench/3`
    ");
}

#[test]
fn the_highest_rate_of_a_mix_is_found() {
    // Each method has a connection, on which one call at a time takes at least 10 ms: no more than 100 a second.
    let server = Http2Server::start(Manners {
        answer: Answer::Late(Duration::from_millis(10)),
        calls_per_connection: None,
        max_streams: Some(1),
    });
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("mix.toml");
    let text = "[[call]]\nmethod = 'SendMessage'\nname = 'often'\nweight = 3\n\
                [[call]]\nmethod = 'SendMessage'\nname = 'seldom'\n";
    std::fs::write(&path, text).expect("writable");
    let mix = format!("@{}", path.display());
    let args = [&mix, "--find-max", "p50<150ms,errors<1%"];
    let load = ["--rate", "20", "--duration", "1s"];
    let (exit, found) = report_with_protos(&server.address(), &[&args[..], &load].concat());
    assert_eq!(exit, 0, "{found:#}");
    let highest = number(&found["highest_rate_per_second"]);
    // Three of four calls are of the method that is the first at its limit.
    assert!((20.0..=175.0).contains(&highest), "{found:#}");
    let whole = &found["report"]["whole"]["model"]["rate_per_second"];
    assert!((number(whole) - highest).abs() < 1e-3, "{found:#}");
    let steps = found["steps"].as_array().expect("steps");
    let why: Vec<&Value> = steps
        .iter()
        .flat_map(|step| step["why"].as_array().expect("reasons"))
        .collect();
    let is_of_a_call = |why: &Value| {
        let why = why.as_str().expect("text");
        ["often: ", "seldom: ", "all calls of 2 methods: "]
            .iter()
            .any(|name| why.starts_with(name))
    };
    assert!(
        !why.is_empty() && why.iter().all(|why| is_of_a_call(why)),
        "{why:?}"
    );
}

#[test]
fn what_is_no_mix_is_told() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let wrong = |text: &str, more: &[&str]| {
        std::fs::write(sandbox.path().join("mix.toml"), text).expect("writable");
        bench(
            &sandbox,
            &server.address(),
            &[&["@mix.toml"], more].concat(),
        )
    };
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 1\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: `mix.toml` is no mix of calls
      caused by: TOML parse error at line 2, column 10
      |
    2 | method = 1
      |          ^
    invalid type: integer `1`, expected a string
    ");
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 'X'\nthreshold = ['p99<5']\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: `mix.toml` is no mix of calls
      caused by: TOML parse error at line 3, column 13
      |
    3 | threshold = ['p99<5']
      |             ^^^^^^^^^
    `p99<5`: `5` is no latency: a unit is missing: `5s` or `5ms`?
    ");
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 'SendMessage'\nweight = 0\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: `mix.toml` has no call with a weight above 0
    ");
    for (weight, shown) in [
        ("-1", "-1"),
        ("-0.5", "-0.5"),
        ("nan", "NaN"),
        ("inf", "inf"),
    ] {
        let text = MIX.replace("weight = 3", &format!("weight = {weight}"));
        let expected = format!(
            "exit: 2\n--- stderr ---\nerror: `mix.toml` has a call `SendMessage` with the weight {shown}, which \
             is no number from 0 on"
        );
        assert_eq!(wrong(&text, &[]).trim_end(), expected);
    }
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 'SendMesage'\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: [SERVER] has no method `SendMesage`
    hint: did you mean `chat.v1.ChatService/SendMessage`?
    ");
    let twice = "[[call]]\nmethod = 'SendMessage'\n";
    insta::assert_snapshot!(wrong(&twice.repeat(2), &[]), @r#"
    exit: 2
    --- stderr ---
    error: `mix.toml` has two calls `SendMessage`
    hint: `name = "…"` tells them apart in the report
    "#);
    insta::assert_snapshot!(wrong(MIX, &["-d", "{}"]), @r"
    exit: 2
    --- stderr ---
    error: `--data` is not for a mix of calls: each has its own in the file
    ");
}
