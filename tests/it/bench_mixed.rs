//! Several methods at once.

use serde_json::json;

use crate::bench::{bench, codes, number, report};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;

const MIX: &str = r#"
[[call]]
method = "SendMessage"
weight = 3
data = '{"message": {"room": "r{{seq}}", "author": "ada", "text": "hello"}}'

[[call]]
method = "WatchRoom"
data = '{"room": "lobby", "limit": 2}'
"#;

#[test]
fn each_method_has_its_share_of_the_load_and_its_report() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    std::fs::write(sandbox.path().join("mix.toml"), MIX).expect("writable");
    let load = ["@mix.toml", "--rate", "400", "--duration", "2s"];
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 0, "{mixed:#}");
    assert_eq!(mixed["schema"], "msvc.bench.mixed/1");
    let reports = mixed["reports"].as_array().expect("reports");
    let found: Vec<_> = reports
        .iter()
        .map(|report| {
            json!([
                report["method"],
                report["model"]["rate_per_second"],
                codes(report)
            ])
        })
        .collect();
    assert_eq!(
        json!(found),
        json!([
            ["chat.v1.ChatService/SendMessage", 300.0, [["OK", 600, []]]],
            ["chat.v1.ChatService/WatchRoom", 100.0, [["OK", 200, []]]],
        ])
    );
    let rates = reports
        .iter()
        .map(|report| number(&report["calls_per_second"]));
    assert_eq!(number(&mixed["calls_per_second"]), rates.sum::<f64>());
    // Callers and calls are shared as well, and a threshold holds for each.
    let load = [
        "@mix.toml",
        "-c",
        "8",
        "-n",
        "400",
        "--threshold",
        "rate>1e12",
    ];
    let (exit, mixed) = report(&sandbox, &server.address(), &load);
    assert_eq!(exit, 1);
    assert_eq!(mixed["reports"][0]["model"]["concurrency"], 6);
    assert_eq!(mixed["reports"][1]["model"]["concurrency"], 2);
    assert_eq!(codes(&mixed["reports"][0]), json!([["OK", 300, []]]));
    assert_eq!(codes(&mixed["reports"][1]), json!([["OK", 100, []]]));
    let shown = bench(&sandbox, &server.address(), &["@mix.toml", "-n", "40"]);
    assert!(shown.contains("\n  all together: "), "{shown}");
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
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 'SendMessage'\nweight = 0\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: `mix.toml` has no call with a weight above 0
    ");
    insta::assert_snapshot!(wrong("[[call]]\nmethod = 'SendMesage'\n", &[]), @r"
    exit: 2
    --- stderr ---
    error: [SERVER] has no method `SendMesage`
    hint: did you mean `chat.v1.ChatService/SendMessage`?
    ");
    insta::assert_snapshot!(wrong(MIX, &["-d", "{}"]), @r"
    exit: 2
    --- stderr ---
    error: `--data` is not for a mix of calls: each has its own in the file
    ");
    insta::assert_snapshot!(wrong(MIX, &["--output", "a.html"]), @r"
    exit: 2
    --- stderr ---
    error: `--output` is not for a mix of calls: `--format json` has all reports
    ");
}
