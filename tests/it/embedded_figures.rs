//! The figures of docs/benchmarks.md about the embedded parts. They are measured by hand:
//! `cargo test --release --test it embedded_figures -- --ignored --nocapture --test-threads=1`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use msvc::infra::embedded::collector::Addresses;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::common::v1::any_value::Value;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::common::v1::{
    AnyValue, InstrumentationScope, KeyValue,
};
use msvc::infra::embedded::collector::proto::opentelemetry::proto::resource::v1::Resource;
use msvc::infra::embedded::collector::proto::opentelemetry::proto::trace::v1::{
    ResourceSpans, ScopeSpans, Span,
};
use msvc::infra::embedded::{self, Parts};
use tonic::transport::Endpoint;

/// How often a start is measured.
const STARTS: usize = 101;
const SPANS: u64 = 1_000_000;
const SPANS_A_BATCH: u64 = 500;
const SPANS_A_TRACE: u64 = 10;

fn tell(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("open");
}

fn parts() -> Parts {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    Parts {
        consul: Some(local),
        etcd: Some(local),
        collector: Some(Addresses {
            grpc: local,
            http: local,
            query: local,
        }),
    }
}

/// What is resident, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    kibibytes
        .expect("it is there")
        .parse::<u64>()
        .expect("a number")
        >> 10
}

#[tokio::test]
#[ignore = "a measurement"]
async fn how_long_until_all_parts_answer() {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let embedded = embedded::start(&parts()).await.expect("they start");
        let collector = embedded.collector().expect("it runs");
        for (address, path) in [
            (embedded.consul().expect("it runs"), "/v1/status/leader"),
            (embedded.etcd().expect("it runs"), "/health"),
            (collector.query, "/api/services"),
        ] {
            let url = format!("http://{address}{path}");
            let request = http::Request::get(url).body(Default::default());
            let answer = crate::collector_conformance::servers::ask(request.expect("a request"));
            assert_eq!(answer.await.map(|it| it.0), Some(200));
        }
        times.push(start.elapsed());
    }
    times.sort();
    let (median, worst) = (times[STARTS / 2], times[STARTS - 1]);
    tell(&format!(
        "all parts answer after {median:?} (median), {worst:?} (worst of {STARTS})"
    ));
    assert!(median < Duration::from_millis(50));
}

/// A span as the chassis sends it.
fn span(number: u64) -> Span {
    let trace = number / SPANS_A_TRACE + 1;
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
    };
    Span {
        trace_id: u128::from(trace).to_be_bytes().to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: "user.v1.UserService/GetUser".to_owned(),
        kind: 2,
        start_time_unix_nano: number,
        end_time_unix_nano: number + 1000,
        attributes: vec![
            attribute("network.peer.address", "127.0.0.1"),
            attribute("network.peer.port", "34450"),
            attribute("rpc.method", "user.v1.UserService/GetUser"),
            attribute("rpc.response.status_code", "OK"),
            attribute("rpc.system.name", "grpc"),
            attribute("server.address", "127.0.0.1"),
            attribute("server.port", "53051"),
        ],
        ..Span::default()
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn how_much_a_million_spans_take() {
    let embedded = embedded::start(&parts()).await.expect("they start");
    let collector = embedded.collector().expect("it runs");
    let endpoint = Endpoint::from_shared(format!("http://{}", collector.grpc)).expect("a URL");
    let mut client = TraceServiceClient::new(endpoint.connect().await.expect("it listens"));
    let before = resident();
    let mut most = 0;
    for batch in 0..SPANS / SPANS_A_BATCH {
        let numbers = batch * SPANS_A_BATCH..(batch + 1) * SPANS_A_BATCH;
        let scope_spans = ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "chassis".to_owned(),
                ..InstrumentationScope::default()
            }),
            spans: numbers.map(span).collect(),
        };
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource::default()),
                scope_spans: vec![scope_spans],
            }],
        };
        client.export(request).await.expect("taken");
        most = most.max(resident());
    }
    let url = format!("http://{}/metrics", collector.query);
    let request = http::Request::get(url).body(Default::default());
    let answer = crate::collector_conformance::servers::ask(request.expect("a request")).await;
    let (_, metrics) = answer.expect("an answer");
    let after = resident();
    let metrics = String::from_utf8_lossy(&metrics);
    let kept = metrics.lines().filter(|line| !line.starts_with('#'));
    let kept: Vec<&str> = kept.collect();
    tell(&format!(
        "{SPANS} spans: {before} MiB before, {after} MiB after, {most} MiB at most; {}",
        kept.join(", ")
    ));
    assert!(most < 200, "{most} MiB");
}
