//! `msvc trace`: traces as trees, from the embedded collector, and from a real Jaeger where one is
//! named.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use insta::assert_snapshot;
use rustix::process::Signal;

use crate::collector_conformance::servers::{Server, ask};
use crate::support::Sandbox;
use crate::support::system::Running;

/// Runs `msvc` against a collector that has the sample; its address reads `[COLLECTOR]`.
async fn msvc(server: &Server, args: &[&str]) -> String {
    let from = format!("http://{}", server.addresses.query);
    let mut all: Vec<String> = args.iter().map(ToString::to_string).collect();
    all.extend(["--from".to_owned(), from.clone()]);
    let output = tokio::task::spawn_blocking(move || Sandbox::new().msvc(&all)).await;
    output.expect("it ends").replace(&from, "[COLLECTOR]")
}

#[tokio::test]
async fn a_trace_is_shown_as_a_tree_with_times() {
    let server = Server::embedded().await;
    server.send_sample().await;
    let whole = msvc(
        &server,
        &["trace", "show", "5b8efff798038103d269b633813fc60c"],
    )
    .await;
    assert_snapshot!(whole, @r#"
    exit: 0
    --- stdout ---
    trace 5b8efff798038103d269b633813fc60c  2023-11-14T22:13:20.000Z  120 ms, 4 spans, 2 services, 1 error

    gateway  GET /orders                                 0    120 ms  ████████████████████████
    └─ gateway  orders.v1.Orders/Create (client)   5.00 ms    100 ms  ·████████████████████···
       └─ orders  orders.v1.Orders/Create          10.0 ms   80.0 ms  ··████████████████······ error: no stock
          └─ orders  select                        12.0 ms   3.00 ms  ··█·····················
    "#);
    let by_its_beginning = msvc(&server, &["trace", "show", "5b8efff798038103"]).await;
    assert_eq!(by_its_beginning, whole);
    let details = msvc(
        &server,
        &[
            "trace",
            "show",
            "a0000000000000000000000000000003",
            "--details",
        ],
    );
    assert_snapshot!(details.await, @r#"
    exit: 0
    --- stdout ---
    trace a0000000000000000000000000000003  2023-11-14T22:13:22.000Z  3.00 ms, 3 spans, 1 service

    OTLPResourceNoServiceName  lonely (producer)             0         0  █······················· (its caller is missing)
    │    internal.span.format = otlp
    │    span.kind = producer
    ├─ OTLPResourceNoServiceName  consume (consumer)   1.00 ms   1.00 ms  ········████████········
    │       internal.span.format = otlp
    │       span.kind = consumer
    └─ OTLPResourceNoServiceName  unspecified          2.00 ms   1.00 ms  ················████████
            internal.span.format = otlp
    "#);
}

#[tokio::test]
async fn a_real_jaeger_is_shown_as_the_embedded_collector_is() {
    let Some(real) = Server::real().await else {
        return;
    };
    let embedded = Server::embedded().await;
    tokio::join!(real.send_sample(), embedded.send_sample());
    for id in ["5b8efff798038103d269b633813fc60c", "7fffffffffffffff"] {
        let args = ["trace", "show", "--details", id];
        assert_eq!(msvc(&real, &args).await, msvc(&embedded, &args).await);
    }
    for filter in [
        &[][..],
        &["--errors"],
        &["--min-duration", "110ms"],
        &["--service", "gateway"],
    ] {
        let args = [&["trace", "list", "--since", "99999h"], filter].concat();
        assert_eq!(msvc(&real, &args).await, msvc(&embedded, &args).await);
    }
}

#[tokio::test]
async fn a_trace_is_told_in_json() {
    let server = Server::embedded().await;
    server.send_sample().await;
    let args = ["trace", "show", "7fffffffffffffff", "--format", "json"];
    assert_snapshot!(msvc(&server, &args).await, @r#"
    exit: 0
    --- stdout ---
    {
      "trace_id": "7fffffffffffffff",
      "start": "2023-11-14T22:13:21.000Z",
      "start_unix_us": 1700000001000000,
      "duration_us": 2000,
      "spans": 1,
      "errors": 0,
      "services": [
        "gateway"
      ],
      "root": {
        "service": "gateway",
        "operation": "GET /health"
      },
      "roots": [
        {
          "span_id": "0000000000000001",
          "service": "gateway",
          "operation": "GET /health",
          "kind": "server",
          "offset_us": 0,
          "duration_us": 2000,
          "error": null,
          "caller_is_missing": false,
          "tags": {
            "internal.span.format": "otlp",
            "otel.scope.name": "chassis",
            "otel.scope.version": "0.1.0",
            "span.kind": "server"
          },
          "events": [],
          "children": []
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn traces_are_listed_and_filtered() {
    let server = Server::embedded().await;
    server.send_sample().await;
    let list = async |filter: &[&str]| {
        let args = [&["trace", "list", "--since", "99999h"], filter].concat();
        msvc(&server, &args).await
    };
    assert_snapshot!(list(&[]).await, @r#"
    exit: 0
    --- stdout ---
    trace                             start                         took  spans  errors  root
    5b8efff798038103d269b633813fc60c  2023-11-14T22:13:20.000Z    120 ms      4       1  gateway  GET /orders
    7fffffffffffffff                  2023-11-14T22:13:21.000Z   2.00 ms      1       0  gateway  GET /health
    a0000000000000000000000000000003  2023-11-14T22:13:22.000Z   3.00 ms      3       0  OTLPResourceNoServiceName  lonely
    "#);
    assert_snapshot!(list(&["--service", "gateway", "--max-duration", "3ms"]).await, @r#"
    exit: 0
    --- stdout ---
    trace                             start                         took  spans  errors  root
    7fffffffffffffff                  2023-11-14T22:13:21.000Z   2.00 ms      1       0  gateway  GET /health
    "#);
    assert_snapshot!(list(&["--errors"]).await, @r#"
    exit: 0
    --- stdout ---
    trace                             start                         took  spans  errors  root
    5b8efff798038103d269b633813fc60c  2023-11-14T22:13:20.000Z    120 ms      4       1  gateway  GET /orders
    "#);
    assert_snapshot!(list(&["--min-duration", "110ms", "--format", "json"]).await, @r#"
    exit: 0
    --- stdout ---
    {
      "traces": [
        {
          "trace_id": "5b8efff798038103d269b633813fc60c",
          "start": "2023-11-14T22:13:20.000Z",
          "start_unix_us": 1700000000000000,
          "duration_us": 120000,
          "spans": 4,
          "errors": 1,
          "services": [
            "gateway",
            "orders"
          ],
          "root": {
            "service": "gateway",
            "operation": "GET /orders"
          }
        }
      ]
    }
    "#);
    assert_snapshot!(list(&["--operation", "GET /order"]).await, @r#"
    exit: 1
    --- stderr ---
    error: there are no spans `GET /order` at [COLLECTOR]
    hint: did you mean `GET /orders` or `GET /health`?
    "#);
    assert_snapshot!(list(&["--operation", "none", "--service", "orders"]).await, @r#"
    exit: 1
    --- stderr ---
    error: there are no spans `none` at [COLLECTOR]
    hint: there are some of orders.v1.Orders/Create, select
    "#);
    assert_snapshot!(list(&["--operation", "select", "--min-duration", "1h"]).await, @r#"
    exit: 0
    --- stderr ---
    no such traces within 99999h at [COLLECTOR]; spans arrive a second or two after their call
    "#);
    assert_snapshot!(list(&["--service", "gatway"]).await, @r#"
    exit: 1
    --- stderr ---
    error: there are no spans of `gatway` at [COLLECTOR]
    hint: did you mean `gateway`?
    "#);
    assert_snapshot!(msvc(&server, &["trace", "list"]).await, @r#"
    exit: 0
    --- stderr ---
    no such traces within 1h at [COLLECTOR]; spans arrive a second or two after their call
    "#);
}

#[tokio::test]
async fn what_cannot_be_shown_is_told_with_what_to_do() {
    let server = Server::embedded().await;
    assert_snapshot!(msvc(&server, &["trace", "show"]).await, @r#"
    exit: 1
    --- stderr ---
    error: there are no traces at [COLLECTOR] yet
    hint: `msvc call` makes a call, which makes one
    "#);
    assert_snapshot!(msvc(&server, &["trace", "show", "5b8e"]).await, @r#"
    exit: 1
    --- stderr ---
    error: there is no trace `5b8e` at [COLLECTOR]
    hint: `msvc trace list` lists those that there are
    "#);
    assert_snapshot!(msvc(&server, &["trace", "show", "xyz"]).await, @r#"
    exit: 2
    --- stderr ---
    error: `xyz` is not the id of a trace: those are hexadecimal
    "#);
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.msvc(["trace", "list", "--from", "127.0.0.1:1"]), @r#"
    exit: 3
    --- stderr ---
    error: cannot ask http://127.0.0.1:1 for traces: Connection refused (os error 111)
    hint: start the services with `msvc run`, or name a Jaeger by `--from` or JAEGER_QUERY_URL
    "#);
    assert_snapshot!(sandbox.msvc(["trace", "list", "--from", "https://jaeger"]), @r#"
    exit: 2
    --- stderr ---
    error: `https://jaeger` is not where traces are: only `http://` is supported
    "#);
}

/// A span that is now, as JSON of OTLP.
fn fresh(trace: u8, id: u8) -> Bytes {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let (start, end) = (now.as_nanos(), now.as_nanos() + 1_500_000);
    let (trace, id) = (
        format!("{trace:02x}").repeat(16),
        format!("{id:02x}").repeat(8),
    );
    let span = format!(
        r#"{{"traceId":"{trace}","spanId":"{id}","name":"work","startTimeUnixNano":"{start}","endTimeUnixNano":"{end}"}}"#
    );
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#).into()
}

#[tokio::test]
async fn traces_are_followed_as_they_come_even_when_the_collector_comes_back() {
    let server = Server::embedded().await;
    let address = server.addresses.query;
    let sandbox = Sandbox::new();
    let from = address.to_string();
    let args = ["trace", "list", "-f", "--from", &from, "--format", "json"];
    let follow = |filter: &[&str]| {
        let mut command = sandbox.command([&args, filter].concat());
        command.env("NO_COLOR", "1");
        Running::of(command)
    };
    // What has sent nothing yet may do so.
    let waits = follow(&["--service", "nobody"]);
    let waits = told(waits, "warning: there are no spans of `nobody`").await;
    let mut waits = told(waits, "hint: nothing has sent any yet").await;
    waits.signal(Signal::INT);
    let ended = tokio::task::spawn_blocking(move || waits.wait()).await;
    assert_eq!(ended.expect("it ends"), Some(0));
    let mut running = follow(&[]);
    for trace in [1, 2] {
        let sent = ask(server.post("application/json", fresh(trace, 1))).await;
        assert_eq!(sent.map(|it| it.0), Some(200));
        running = told(
            running,
            &format!(r#"{{"trace_id":"{}""#, format!("{trace:02x}").repeat(16)),
        )
        .await;
    }
    drop(server);
    running = told(running, "trying on").await;
    let server = Server::embedded_at(address).await;
    running = told(running, "answers again").await;
    let sent = ask(server.post("application/json", fresh(3, 1))).await;
    assert_eq!(sent.map(|it| it.0), Some(200));
    let mut running = told(running, r#"{"trace_id":"03030303030303030303030303030303""#).await;
    running.signal(Signal::INT);
    let ended = tokio::task::spawn_blocking(move || running.wait()).await;
    assert_eq!(ended.expect("it ends"), Some(0));
}

async fn told(mut running: Running, text: &str) -> Running {
    let text = text.to_owned();
    let waiting = tokio::task::spawn_blocking(move || {
        running.wait_for(&text);
        running
    });
    waiting.await.expect("it is told")
}
