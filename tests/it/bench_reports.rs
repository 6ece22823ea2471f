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

import pathlib
from referencing import Registry, Resource

schemas = {}
for path in map(pathlib.Path, sys.argv[1:3]):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    strict(schema)
    schemas[path.name] = schema
registry = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in schemas.items()
)
for path in sys.argv[3:]:
    document = json.load(open(path))
    is_mixed = "mixed" in document["schema"]
    schema = schemas["bench-mixed-report.schema.json" if is_mixed else "bench-report.schema.json"]
    errors = list(jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(document))
    for error in errors:
        print(path, error.json_path, error.message)
    if errors:
        sys.exit(1)
print("valid:", len(sys.argv) - 3)
"#;

/// Reads a suite of JUnit and tells its figures.
const JUNIT: &str = r#"
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
cases = suite.findall("testcase")
assert int(suite.get("tests")) == len(cases)
print(*(f"{case.get('name')}: {[child.tag for child in case]}" for case in cases), sep="\n")
"#;

/// Reads a file with Prometheus' own client, and holds what it does not check against the conventions of
/// promlint: each metric stands once, with a help and a type, no series comes twice, and names end with a base
/// unit.
const PROMETHEUS: &str = r#"
import collections, math, sys
from prometheus_client.parser import text_string_to_metric_families

text = open(sys.argv[1]).read()
assert text.endswith("\n")
families = list(text_string_to_metric_families(text))
names = [family.name for family in families]
assert len(names) == len(set(names)), names
declared = collections.Counter(
    tuple(line.split(" ", 3)[1:3]) for line in text.splitlines() if line.startswith('#')
)
for family in families:
    assert declared.pop(("HELP", family.name)) == 1 and declared.pop(("TYPE", family.name)) == 1, family
    assert family.documentation.endswith("."), family
    assert family.name.startswith("msvc_bench_") and family.type in ("gauge", "summary"), family
    for unit in ("milliseconds", "microseconds", "_ms", "_us", "kilobytes", "percent", "_total", "gauge", "summary"):
        assert unit not in family.name, family.name
    for word in ("latency", "time", "cpu"):
        assert word not in family.name.split("_") or family.name.endswith("_seconds"), family.name
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
    assert series and len(series) == len(set(series)), series
    for sample in family.samples:
        assert math.isfinite(sample.value), sample
        assert {"target", "method", "call"} <= set(sample.labels), sample
    if family.type == "summary":
        suffixes = {sample.name.removeprefix(family.name) for sample in family.samples}
        assert suffixes == {"", "_sum", "_count"}, suffixes
        quantiles = [float(sample.labels["quantile"]) for sample in family.samples if "quantile" in sample.labels]
        assert quantiles and all(0 < quantile < 1 for quantile in quantiles)
assert not declared, declared
print(*sorted(names), sep="\n")
"#;

fn python(script: &str, args: &[&Path]) -> Output {
    let mut command = Command::new("python3");
    command.arg("-c").arg(script).args(args);
    command.output().expect("python3 runs")
}

fn has_package(name: &str) -> bool {
    let output = python(&format!("import {name}"), &[]);
    if !output.status.success() {
        skip(&format!("there is no Python package {name}"));
    }
    output.status.success()
}

#[test]
fn what_is_written_for_prometheus_is_as_its_own_client_reads_it() {
    if !has_package("prometheus_client") {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    // Names may have what must be escaped.
    let mix = r#"
[[call]]
name = 'a "quote", a \ and {braces}'
method = "SendMessage"
data = '{}'

[[call]]
method = "WatchRoom"
"#;
    std::fs::write(sandbox.path().join("mix.toml"), mix).expect("writable");
    let load = ["@mix.toml", "--rate", "200", "-n", "100"];
    let args = [&load[..], &["--output", "r.prom"]].concat();
    output(&sandbox, &server.address(), &args);
    let read = python(PROMETHEUS, &[&sandbox.path().join("r.prom")]);
    insta::assert_snapshot!(String::from_utf8_lossy(&read.stdout), @r"
    msvc_bench_calls
    msvc_bench_calls_per_second
    msvc_bench_client_cpu_seconds
    msvc_bench_latency_max_seconds
    msvc_bench_latency_seconds
    msvc_bench_received_bytes
    msvc_bench_sent_bytes
    msvc_bench_service_time_seconds
    msvc_bench_unsent_calls
    msvc_bench_valid
    ");
    assert!(read.status.success(), "{read:?}");
}

#[test]
fn reports_are_as_the_published_schema_says() {
    if !has_package("jsonschema") {
        return;
    }
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let talk = r#"{"enter": {"room": "lobby", "author": "{{uuid}}"}} {"say": "hello"}"#;
    let mix = "[[call]]\nmethod = 'SendMessage'\nexpect = ['message.room==x']\n[[call]]\nmethod = 'WatchRoom'\n";
    std::fs::write(sandbox.path().join("mix.toml"), mix).expect("writable");
    let benches: [&[&str]; 5] = [
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
        &["@mix.toml", "-n", "100", "--threshold", "rate>1"],
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
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let schemas = ["bench-report", "bench-mixed-report"];
    let schemas = schemas.map(|name| docs.join(format!("{name}.schema.json")));
    let all: Vec<&Path> = schemas
        .iter()
        .map(|path| path.as_path())
        .chain(paths.iter().map(|path| path.as_path()))
        .collect();
    let checked = python(VALIDATE, &all);
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "valid: 5\n",
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
