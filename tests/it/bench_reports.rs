//! The forms of a report, read by others.

use std::path::Path;
use std::process::{Command, Output};

use crate::bench::{HELLO, output};
use crate::support::chat::ChatServer;
use crate::support::{Sandbox, skip};

/// Checks documents against the published schema, and with all that is not in it refused, so that no field
/// lacks its description.
const VALIDATE: &str = r#"
import json, sys
import jsonschema

def strict(schema):
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            schema["additionalProperties"] = False
        for value in schema.values():
            strict(value)
    elif isinstance(schema, list):
        for value in schema:
            strict(value)

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
strict(schema)
for path in sys.argv[2:]:
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(json.load(open(path))))
    for error in errors:
        print(path, error.json_path, error.message)
    if errors:
        sys.exit(1)
print("valid:", len(sys.argv) - 2)
"#;

/// Reads a suite of JUnit and tells its figures.
const JUNIT: &str = r#"
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
cases = suite.findall("testcase")
assert int(suite.get("tests")) == len(cases)
print(*(f"{case.get('name')}: {[child.tag for child in case]}" for case in cases), sep="\n")
"#;

fn python(script: &str, args: &[&Path]) -> Output {
    let mut command = Command::new("python3");
    command.arg("-c").arg(script).args(args);
    command.output().expect("python3 runs")
}

fn has_jsonschema() -> bool {
    let output = python("import jsonschema", &[]);
    if !output.status.success() {
        skip("there is no Python package jsonschema");
    }
    output.status.success()
}

#[test]
fn reports_are_as_the_published_schema_says() {
    if !has_jsonschema() {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let talk = r#"{"enter": {"room": "lobby", "author": "{{uuid}}"}} {"say": "hello"}"#;
    let benches: [&[&str]; 4] = [
        &[
            "SendMessage",
            "-d",
            HELLO,
            "-n",
            "50",
            "--threshold",
            "p99.99<1s",
            "--expect",
            "message.room==x",
            "--extract",
            "message.id",
        ],
        &[
            "SendMessage",
            "-d",
            "{}",
            "--rate",
            "200",
            "-n",
            "100",
            "--arrivals",
            "poisson",
        ],
        &[
            "Chat",
            "-d",
            talk,
            "-n",
            "20",
            "--ping-pong",
            "--profile",
            "step:50,100/200ms",
        ],
        &["SendMessage", "-d", HELLO, "-n", "1", "--timeout", "1us"],
    ];
    let paths: Vec<_> = (0..benches.len())
        .map(|index| sandbox.path().join(format!("{index}.json")))
        .collect();
    for (args, path) in benches.iter().zip(&paths) {
        let path = path.display().to_string();
        output(
            &sandbox,
            &server.address(),
            &[args, &["--output", &path][..]].concat(),
        );
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bench-report.schema.json");
    let all: Vec<&Path> = [schema.as_path()]
        .into_iter()
        .chain(paths.iter().map(|path| path.as_path()))
        .collect();
    let checked = python(VALIDATE, &all);
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "valid: 4\n",
        "{checked:?}"
    );
    // The server is this process.
    let text = std::fs::read_to_string(&paths[1]).expect("written");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    if cfg!(target_os = "linux") {
        let processes = serde_json::json!([std::process::id()]);
        assert_eq!(report["server"]["processes"], processes);
    }
    let spun = report["host"]["spun_seconds"].as_f64();
    assert!(spun.is_some_and(|spun| spun > 0.0), "{report:#}");
}

#[test]
fn one_bench_is_reported_in_all_forms() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let names = ["r.json", "r.html", "r.csv", "r.xml", "r.prom"];
    let outputs = names.iter().flat_map(|name| ["--output", name]);
    let args = [
        "SendMessage",
        "-d",
        HELLO,
        "-n",
        "200",
        "--threshold",
        "p50<10s",
        "--threshold",
        "rate>1e12",
    ];
    let args: Vec<&str> = args.into_iter().chain(outputs).collect();
    let ended = output(&sandbox, &server.address(), &args);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let read = |name: &str| {
        std::fs::read_to_string(sandbox.path().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let report: serde_json::Value = serde_json::from_str(&read("r.json")).expect("JSON");
    let p50 = report["latency"]["p50_us"].as_f64().expect("a number");
    assert!(read("r.html").starts_with("<!doctype html>"));
    assert!(read("r.csv").contains(&format!(",{p50},")));
    let prometheus = read("r.prom");
    assert!(prometheus.contains("code=\"OK\"} 200\n"), "{prometheus}");
    let seconds = prometheus
        .lines()
        .find_map(|line| line.split_once("quantile=\"0.5\"} "));
    let seconds: f64 = seconds.expect("a median").1.parse().expect("a number");
    assert!((seconds * 1e6 / p50 - 1.0).abs() < 1e-9);
    let junit = python(JUNIT, &[&sandbox.path().join("r.xml")]);
    assert_eq!(
        String::from_utf8_lossy(&junit.stdout),
        "the measurement is valid: []\np50<10s: []\nrate>1e12: ['failure']\n",
        "{junit:?}"
    );
}
