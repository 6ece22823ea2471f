//! Streams over HTTP.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Reply, System, system, system_with};

fn lines(reply: &Reply) -> Vec<Value> {
    let lines = reply.body.lines();
    lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

async fn events(system: &System, path: &str) -> Reply {
    let request = http::Request::get(path).header("accept", "text/event-stream");
    system
        .send(request.body(String::new()).expect("a request"))
        .await
}

#[tokio::test]
async fn responses_are_lines_with_the_error_as_the_last() {
    let system = system().await;
    let reply = system.get("/v1/messages?text=a&replies=2").await;
    assert_eq!(reply.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(
        lines(&reply),
        [
            json!({"result": {"text": "a", "replies": 2}}),
            json!({"result": {"text": "a", "number": 1, "replies": 2}}),
        ]
    );
    let reply = system.get("/v1/messages?replies=1&failWith=5").await;
    assert_eq!(reply.status, 200, "it was sent before");
    assert_eq!(
        lines(&reply),
        [
            json!({"result": {"replies": 1, "failWith": 5}}),
            json!({"error": {"code": 404, "status": "NOT_FOUND", "message": "as told"}}),
        ]
    );
    assert_eq!(
        lines(&system.get("/v1/messages").await),
        Vec::<Value>::new()
    );
}

#[tokio::test]
async fn responses_are_events_for_those_who_ask() {
    let system = system().await;
    let reply = events(&system, "/v1/messages?text=a&replies=1").await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        reply.body,
        "data: {\"text\":\"a\",\"replies\":1}\n\nevent: end\ndata: {}\n\n"
    );
    let reply = events(&system, "/v1/messages?failWith=5").await;
    let data = reply.body.strip_prefix("event: error\ndata: ");
    let data = data.and_then(|rest| rest.strip_suffix("\n\n"));
    let data: Value = serde_json::from_str(data.expect("one event")).expect("JSON");
    assert_eq!(
        data,
        json!({"error": {"code": 404, "status": "NOT_FOUND", "message": "as told"}})
    );
}

#[tokio::test]
async fn what_is_wrong_before_the_first_response_has_a_status() {
    let system = system().await;
    let reply = system.get("/v1/messages?number=a").await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn requests_are_lines() {
    let system = system().await;
    let collect = "/v1/messages:collect";
    let reply = system
        .ask("POST", collect, "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{}")
        .await;
    assert_eq!((reply.status, reply.json()), (200, json!({"number": 3})));
    let reply = system.ask("POST", collect, "").await;
    assert_eq!((reply.status, reply.json()), (200, json!({})));
    let reply = system.ask("POST", collect, "{}\n{\"text\":1}\n").await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let message = reply.json()["error"]["message"].to_string();
    assert!(message.contains("expected a string"), "{message}");
}

#[tokio::test]
async fn a_conversation_goes_on_in_both_directions() {
    let system = system().await;
    let stream = TcpStream::connect(system.gateway.address()).await;
    let mut stream = stream.expect("a connection");
    let head = "POST /v1/messages:chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut seen = String::new();
    for (say, hear) in [
        ("{\"text\":\"one\"}\n", "{\"result\":{\"text\":\"one\"}}"),
        ("{\"text\":\"two\"}\n", "{\"result\":{\"text\":\"two\"}}"),
        ("{\"text\":1}\n", "expected a string"),
    ] {
        let chunk = format!("{:x}\r\n{say}\r\n", say.len());
        stream.write_all(chunk.as_bytes()).await.expect("written");
        while !seen.contains(hear) {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.expect("an answer");
            assert_ne!(read, 0, "it ended before {hear}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    }
    assert!(seen.contains("\"code\":400"), "{seen}");
}

#[tokio::test]
async fn the_deadline_of_a_stream_is_its_last_line() {
    let system = system_with(|config, _| {
        config.server.deadline.streaming = chassis::config::Duration::from_millis(200);
    })
    .await;
    let stream = TcpStream::connect(system.gateway.address()).await;
    let mut stream = stream.expect("a connection");
    let head = "POST /v1/messages:chat HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut all = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut all));
    read.await.expect("it ends").expect("UTF-8");
    let last = all.lines().rfind(|line| line.starts_with('{'));
    let last: Value = serde_json::from_str(last.expect("lines")).expect("JSON");
    assert_eq!(last["error"]["code"], 504, "{all}");
}
