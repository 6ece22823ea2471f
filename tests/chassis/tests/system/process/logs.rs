//! What a service says in its log.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::service::{Service, command};
use crate::support::{self, Behaviour, ProbeClient, ProbeRequest};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_logged_with_its_place_inside_its_trace() {
    let mut service = Service::start(&[]);
    let mut client = service.client().await;
    let panic = support::ask(Behaviour::Panic("on demand".to_owned()));
    client.unary(panic).await.expect_err("a panic");
    let line = service.wait_for("panic: on demand");
    let location = line["fields"]["location"].as_str().expect("a place");
    assert!(location.contains("support/mod.rs:"), "{location}");
    assert_eq!(line["level"], "ERROR");
    let call = service.wait_for("chassis.test.v1.Probe/Unary");
    assert_eq!(call["fields"]["code"], "INTERNAL");
    assert_eq!(line["trace_id"], call["trace_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_is_changed_while_the_service_runs() {
    let mut service = Service::start(&[]);
    let (status, body) = service.ask("PUT /log/level?for=1h", "warn,rpc=debug");
    assert_eq!(status, 200, "{body}");
    let state: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(state["configured"], "info");
    let mut client = service.client().await;
    client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    service.wait_for("chassis.test.v1.Probe/Unary");
    let handler = service
        .log
        .iter()
        .find(|it| it["message"] == "in the handler");
    assert_eq!(handler, None, "it is at `info`");

    // Finer than anything that was wanted when the service started: of the HTTP/2 library.
    service.ask("PUT /log/level", "warn,h2=debug");
    client
        .unary(ProbeRequest::default())
        .await
        .expect("a reply");
    service.wait_for("received");

    let fixed = Service::start(&[("APP_LOG__ADJUSTABLE", "false")]);
    assert_eq!(fixed.ask("PUT /log/level", "debug").0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let mut child = command(&[("APP_SERVER__PORT", "0")])
        .spawn()
        .expect("this binary runs");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let address = loop {
        let mut text = String::new();
        stdout.read_line(&mut text).expect("readable");
        if let Ok(line) = serde_json::from_str::<Value>(&text)
            && line["message"] == "listening"
        {
            break line["fields"]["grpc"]
                .as_str()
                .expect("an address")
                .to_owned();
        }
    };
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}"));
    let channel = channel.expect("an address").connect().await;
    let mut client = ProbeClient::new(channel.expect("it listens"));
    // Several times what a pipe holds.
    for _ in 0..1_000 {
        client
            .unary(ProbeRequest::default())
            .await
            .expect("a reply");
    }
    child.kill().expect("it runs");
    child.wait().expect("it was started");
}
