//! Requests that are not meant well: smuggled, malformed, huge, slow.

use crate::support::{System, system, system_with};

/// The status lines of what comes back.
async fn statuses(system: &System, request: &[u8]) -> Vec<String> {
    let answer = system.raw(request).await;
    let text = String::from_utf8_lossy(&answer);
    // Bodies do not end with the end of a line.
    let answers = text.split("HTTP/1.1 ").skip(1);
    let lines = answers.map(|it| it.lines().next().unwrap_or_default());
    lines.map(str::to_owned).collect()
}

const SECOND: &str = "GET /v1/messages/second HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_is_not_smuggled_in_the_body_of_another() {
    let system = system().await;
    let well =
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let both = statuses(&system, format!("{well}{SECOND}").as_bytes()).await;
    assert_eq!(
        both,
        ["200 OK", "200 OK"],
        "one after the other is no smuggling"
    );
    // Two proxies that disagree about where such a request ends see different requests.
    for head in [
        // CL.TE and TE.CL
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 5\r\n",
        "content-length: +4\r\n",
        "content-length: -1\r\n",
        "content-length: 0x4\r\n",
        "content-length: 4 4\r\n",
        // A chunked that is not the last is none; neither are these.
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "content-length\r\n",
        "content-length : 4\r\n",
    ] {
        let request =
            format!("POST /v1/messages HTTP/1.1\r\nhost: a\r\n{head}\r\n0\r\n\r\n{SECOND}");
        let statuses = statuses(&system, request.as_bytes()).await;
        let second = statuses.iter().skip(1).any(|it| it.starts_with("200"));
        assert!(!second, "{head:?} let a second one through: {statuses:?}");
    }
}

#[tokio::test]
async fn a_malformed_chunk_ends_the_connection() {
    let system = system().await;
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "2;\x00\r\n{}\r\n0\r\n\r\n\x00",
    ] {
        let head = "POST /v1/messages HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let request = format!("{head}{body}{SECOND}");
        let statuses = statuses(&system, request.as_bytes()).await;
        let second = statuses.iter().skip(1).any(|it| it.starts_with("200"));
        assert!(!second, "{body:?}: {statuses:?}");
    }
}

#[tokio::test]
async fn malformed_heads_are_refused_and_nothing_else_happens() {
    let system = system().await;
    for request in [
        "GET /v1/messages/a HTTP/9.9\r\nhost: a\r\n\r\n",
        "GET /v1/messages/a\r\n\r\n",
        "GET  /v1/messages/a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/messages/\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /v1/messages/a HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
        "GET /v1/messages/a HTTP/1.1\r\nhost: a\r\nna me: b\r\n\r\n",
        "\r\x01\r\n\r\n",
    ] {
        let statuses = statuses(&system, request.as_bytes()).await;
        assert_eq!(statuses, ["400 Bad Request"], "{request:?}");
    }
    let long = format!(
        "GET /v1/messages/{} HTTP/1.1\r\nhost: a\r\n\r\n",
        "a".repeat(1 << 20)
    );
    let too_long = statuses(&system, long.as_bytes()).await;
    assert!(
        matches!(too_long.first().map(|it| &it[..3]), Some("414" | "431")),
        "{too_long:?}"
    );
    assert_eq!(
        system.get("/v1/messages/a").await.status,
        200,
        "still there"
    );
}

#[tokio::test]
async fn bodies_that_are_too_large_or_too_slow_are_refused() {
    let system = system_with(|_, settings| {
        settings.max_body = chassis::config::Size::from_bytes(100);
        settings.body_timeout = chassis::config::Duration::from_millis(200);
    })
    .await;
    let large = format!(r#"{{"text":"{}"}}"#, "a".repeat(100));
    let reply = system.ask("POST", "/v1/messages", &large).await;
    assert_eq!(reply.status, 413);
    assert_eq!(
        reply.json(),
        serde_json::json!({"error": {"code": 413, "status": "RESOURCE_EXHAUSTED",
            "message": "the body is larger than 100 bytes"}})
    );
    // Without a length, it shows while it comes.
    let chunked = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let refused = statuses(&system, chunked.as_bytes()).await;
    assert_eq!(refused, ["413 Payload Too Large"]);
    let slow = "POST /v1/messages HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                content-length: 10\r\n\r\n{";
    assert_eq!(
        statuses(&system, slow.as_bytes()).await,
        ["408 Request Timeout"]
    );
}

#[tokio::test]
async fn other_types_of_bodies_are_refused() {
    let system = system().await;
    for (content_type, expected) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/merge-patch+json", 200),
        ("application/x-www-form-urlencoded", 200),
        ("text/plain", 415),
        ("text/plain;charset=UTF-8", 415),
        ("application/xml", 415),
        ("multipart/form-data; boundary=a", 415),
    ] {
        let request = http::Request::post("/v1/messages").header("content-type", content_type);
        let request = request.body("{}".to_owned()).expect("a request");
        assert_eq!(
            system.send(request).await.status,
            expected,
            "{content_type}"
        );
    }
}

#[tokio::test]
async fn what_a_page_of_another_origin_sends_unasked_is_no_request() {
    let own = "https://app.example.com";
    let system = system_with(|_, settings| settings.cors.origins = vec![own.to_owned()]).await;
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let lines = "application/x-ndjson";
    for (path, origin, content_type, expected) in [
        ("/v1/messages", None, Some(form), 200),
        ("/v1/messages", None, None, 200),
        ("/v1/messages", Some(own), Some(form), 200),
        ("/v1/messages", Some("http://gateway"), None, 200),
        // For this a browser asks first.
        (
            "/v1/messages",
            Some("https://evil.example"),
            Some(json),
            200,
        ),
        (
            "/v1/messages",
            Some("https://evil.example"),
            Some(form),
            415,
        ),
        ("/v1/messages", Some("https://evil.example"), None, 415),
        ("/v1/messages", Some("null"), None, 415),
        ("/v1/messages:collect", None, None, 200),
        ("/v1/messages:collect", None, Some(lines), 200),
        ("/v1/messages:collect", None, Some("text/plain"), 415),
        ("/v1/messages:collect", Some("null"), Some(lines), 200),
        ("/v1/messages:collect", Some("null"), Some(form), 415),
        ("/v1/messages:collect", Some("null"), None, 415),
    ] {
        let mut request = http::Request::post(path);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.body("{}".to_owned()).expect("a request");
        let reply = system.send(request).await;
        let case = (path, origin, content_type);
        assert_eq!(reply.status, expected, "{case:?}: {}", reply.body);
    }
    let read = http::Request::get("/v1/messages/a").header("origin", "null");
    let read = system.send(read.body(String::new()).expect("a request"));
    assert_eq!(read.await.status, 200, "it changes nothing");
}

/// The deepest there may be, and one more.
const DEPTHS: [(usize, u16); 3] = [(100, 200), (101, 400), (2_000, 400)];

#[tokio::test]
async fn a_query_that_nests_too_deep_is_refused() {
    let system = system().await;
    for (depth, expected) in DEPTHS {
        let path = format!("/v1/messages/a?{}text=b", "inner.".repeat(depth));
        let reply = system.get(&path).await;
        assert_eq!(reply.status, expected, "{depth}: {}", reply.body);
        if expected == 400 {
            assert_eq!(reply.json()["error"]["status"], "INVALID_ARGUMENT");
        }
    }
    assert_eq!(system.get("/v1/messages/a").await.status, 200);
}

#[tokio::test]
async fn a_body_that_nests_too_deep_is_refused() {
    let system = system().await;
    for (depth, expected) in DEPTHS {
        let body = format!("{}{{}}{}", r#"{"inner":"#.repeat(depth), "}".repeat(depth));
        let reply = system.ask("POST", "/v1/messages", &body).await;
        assert_eq!(reply.status, expected, "{depth}: {}", reply.body);
    }
    // A list in a `Value` is a message, in which a value is another one.
    for (depth, expected) in [(50, 200), (51, 400), (100, 400)] {
        let body = format!(r#"{{"value":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let reply = system.ask("POST", "/v1/messages", &body).await;
        assert_eq!(reply.status, expected, "{depth}: {}", reply.body);
    }
}
