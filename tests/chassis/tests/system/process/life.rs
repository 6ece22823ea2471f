//! How a service starts and ends.

use std::process::Stdio;

use tokio_stream::wrappers::ReceiverStream;

use super::service::{Service, command};
use crate::support::ProbeRequest;

#[test]
fn the_end_of_standard_input_asks_to_stop_where_that_is_configured() {
    let mut command = command(&[("APP_SERVER__STOP_ON_STDIN_CLOSE", "true")]);
    let mut service = Service::launch(command.stdin(Stdio::piped()));
    assert_eq!(service.get("/healthz").0, 200);
    drop(service.child.stdin.take());
    assert!(service.wait().success());
    let expected = [
        "listening",
        "stopping, a second signal ends at once",
        "finishing calls in flight",
        "stopped",
    ];
    assert_eq!(service.messages(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_answers_and_ends_gently() {
    let mut service = Service::start(&[("PROBE_INSTANCE", "one")]);
    assert_eq!(
        service.get("/healthz"),
        (200, r#"{"status":"ok"}"#.to_owned())
    );
    let ready = r#"{"ready":true,"phase":"serving","dependencies":[]}"#;
    assert_eq!(service.get("/readyz"), (200, ready.to_owned()));

    let mut client = service.client().await;
    let reply = client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    assert_eq!(reply.get_ref().instance, "one");
    let (status, metrics) = service.get("/metrics");
    assert_eq!(status, 200);
    let labels = concat!(
        r#"grpc_type="unary",grpc_service="chassis.test.v1.Probe","#,
        r#"grpc_method="Unary",grpc_code="OK""#
    );
    assert!(
        metrics.contains(&format!("grpc_server_handled_total{{{labels}}} 1\n")),
        "{metrics}"
    );
    let info = r#"service_build_info{service="probe",version="1.2.3",environment="dev"} 1"#;
    assert!(metrics.contains(info), "{metrics}");
    assert!(
        metrics.contains("\nprocess_resident_memory_bytes "),
        "{metrics}"
    );

    drop(client);
    service.signal("TERM");
    assert!(service.wait().success());
    let expected = [
        "listening",
        "in the handler",
        "stopping, a second signal ends at once",
        "finishing calls in flight",
        "stopped",
    ];
    assert_eq!(service.messages(), expected);
    let call = service
        .log
        .iter()
        .find(|line| line["target"] == "rpc")
        .expect("a line");
    assert_eq!(call["message"], "chassis.test.v1.Probe/Unary");
    assert_eq!(call["fields"]["code"], "OK");
    let handler = service
        .log
        .iter()
        .find(|line| line["message"] == "in the handler");
    let trace_id = call["trace_id"].as_str().expect("a trace id");
    assert_eq!(trace_id.len(), 32);
    assert_eq!(handler.expect("a line")["trace_id"], trace_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_is_finished_and_readiness_drops_before() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    service.signal("INT");
    service.wait_for("finishing calls in flight");
    let draining = r#"{"ready":false,"phase":"draining","dependencies":[]}"#;
    assert_eq!(service.get("/readyz"), (503, draining.to_owned()));
    assert_eq!(service.get("/healthz").0, 200);
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    drop((client, replies));
    assert!(service.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn work_beside_the_calls_ends_after_them_and_before_the_last_log_line() {
    let mut service = Service::start(&[("PROBE_BACKGROUND", "yes")]);
    service.wait_for("sweeping");
    assert_eq!(service.get("/sweeper?a=b"), (200, r#"["a=b"]"#.to_owned()));
    let mut client = service.client().await;
    let (requests, receiver) = tokio::sync::mpsc::channel(1);
    let replies = client.bidi(ReceiverStream::new(receiver)).await;
    let mut replies = replies.expect("replies").into_inner();
    service.signal("TERM");
    service.wait_for("finishing calls in flight");
    requests.send(ProbeRequest::default()).await.expect("open");
    assert!(replies.message().await.expect("no error").is_some());
    drop(requests);
    assert!(replies.message().await.expect("no error").is_none());
    drop((client, replies));
    assert!(service.wait().success());
    let expected = [
        "listening",
        "sweeping",
        "stopping, a second signal ends at once",
        "finishing calls in flight",
        "finishing background work",
        "swept",
        "stopped",
    ];
    assert_eq!(service.messages(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_bounded() {
    let mut service = Service::start(&[("APP_SERVER__DRAIN_TIMEOUT", "50ms")]);
    let mut client = service.client().await;
    let (_requests, receiver) = tokio::sync::mpsc::channel::<ProbeRequest>(1);
    let _replies = client
        .bidi(ReceiverStream::new(receiver))
        .await
        .expect("replies");
    service.signal("TERM");
    assert!(service.wait().success());
    let cut = "calls still in flight are cut (server.drain_timeout)";
    assert!(
        service.messages().contains(&cut),
        "{:?}",
        service.messages()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let (_requests, receiver) = tokio::sync::mpsc::channel::<ProbeRequest>(1);
    let _replies = client
        .bidi(ReceiverStream::new(receiver))
        .await
        .expect("replies");
    service.signal("TERM");
    service.wait_for("finishing calls in flight");
    service.signal("TERM");
    assert!(!service.wait().success());
    let last = service.messages().pop();
    assert_eq!(last, Some("ending at once, calls in flight are cut"));
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let port = address.port().to_string();
    for (variable, server, key) in [
        ("APP_SERVER__PORT", "gRPC server", "server.port"),
        ("APP_ADMIN__PORT", "admin server", "admin.port"),
    ] {
        let output = command(&[(variable, &port)])
            .output()
            .expect("this binary runs");
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = format!(
            "Error: the {server} cannot listen on {address}, choose another with `{key}`: \
             Address already in use (os error 98)"
        );
        assert!(stderr.contains(&expected), "{stderr}");
    }
}
