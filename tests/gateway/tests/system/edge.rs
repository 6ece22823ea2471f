//! What holds for every request: ids, CORS, tokens, limits, compression.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use ring::hmac;
use serde_json::json;

use crate::support::{Reply, System, system, system_with};

async fn with_headers(
    system: &System,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    system
        .send(request.body(String::new()).expect("a request"))
        .await
}

/// The metadata that the service got.
async fn metadata(system: &System, headers: &[(&str, &str)]) -> Vec<String> {
    let path = "/v1/messages/a?tellMetadata=true";
    let reply = with_headers(system, "GET", path, headers).await;
    let texts = reply.json()["texts"].clone();
    serde_json::from_value(texts).expect("texts")
}

#[tokio::test]
async fn headers_become_metadata_when_they_are_named() {
    let system =
        system_with(|_, settings| settings.forward_headers.push("x-tenant-*".to_owned())).await;
    let sent = [
        ("authorization", "Bearer a"),
        ("x-tenant-id", "acme"),
        ("x-user-id", "made up"),
        ("cookie", "secret"),
        ("connection", "x-tenant-id"),
        ("x-request-id", "id-1"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    let metadata = metadata(&system, &sent).await;
    let has = |line: &str| metadata.iter().any(|it| it.starts_with(line));
    for line in [
        "authorization: Bearer a",
        "x-tenant-id: acme",
        "x-request-id: id-1",
        "x-forwarded-for: 10.0.0.1, 127.0.0.1",
        "x-forwarded-host: gateway",
        "grpc-timeout: ",
    ] {
        assert!(has(line), "{line} is not in {metadata:?}");
    }
    for name in ["x-user-id", "cookie", "connection", "host"] {
        assert!(!has(&format!("{name}:")), "{name} is in {metadata:?}");
    }
}

#[tokio::test]
async fn a_deadline_that_the_client_names_holds() {
    let system = system().await;
    let path = "/v1/messages/a?hang=true";
    let reply = with_headers(&system, "GET", path, &[("grpc-timeout", "100m")]).await;
    assert_eq!(reply.status, 504);
    let reply = with_headers(&system, "GET", path, &[("grpc-timeout", "soon")]).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let system = system().await;
    for path in ["/v1/messages/a", "/nothing"] {
        let reply = with_headers(&system, "GET", path, &[("x-request-id", "mine")]).await;
        assert_eq!(reply.header("x-request-id"), Some("mine"));
        let reply = system.get(path).await;
        assert_eq!(reply.header("x-request-id").map(str::len), Some(32));
    }
}

#[tokio::test]
async fn pages_of_named_origins_may_read_answers() {
    let origin = "https://app.example.com";
    let system = system_with(|_, settings| settings.cors.origins = vec![origin.to_owned()]).await;
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "PATCH"),
        (
            "access-control-request-headers",
            "authorization,content-type",
        ),
    ];
    let reply = with_headers(&system, "OPTIONS", "/v1/messages/a", &asks).await;
    assert_eq!(reply.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", origin),
        ("access-control-allow-methods", "PATCH"),
        ("access-control-allow-headers", "authorization,content-type"),
        ("access-control-max-age", "600"),
        ("vary", "origin"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    let reply = with_headers(&system, "GET", "/v1/messages/a", &[("origin", origin)]).await;
    assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
    assert_eq!(reply.header("access-control-expose-headers"), Some("*"));
    for evil in [
        "https://evil.example.com",
        "null",
        "https://app.example.com.evil",
    ] {
        let reply = with_headers(&system, "GET", "/v1/messages/a", &[("origin", evil)]).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{evil}");
    }
}

#[tokio::test]
async fn without_origins_a_preflight_is_a_request_as_others_are() {
    let system = system().await;
    let origin = ("origin", "https://app.example.com");
    let asks = [origin, ("access-control-request-method", "PATCH")];
    let reply = with_headers(&system, "OPTIONS", "/v1/messages/a", &asks).await;
    assert_eq!(reply.status, 405, "{}", reply.body);
    let reply = with_headers(&system, "OPTIONS", "/nothing", &asks).await;
    assert_eq!(reply.status, 404, "{}", reply.body);
}

const SECRET: &str = "a secret of thirty-two bytes, or more";

fn bearer(scope: &str) -> String {
    let header = json!({"alg": "HS256"});
    let claims = json!({"sub": "ada", "scope": scope, "exp": 4_000_000_000_u64});
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("Bearer {message}.{signature}")
}

#[tokio::test]
async fn tokens_are_asked_for_by_the_rules_of_the_method() {
    let system = system_with(|config, _| {
        let auth = &mut config.server.auth;
        auth.enabled = true;
        auth.secret = Some(chassis::config::Secret::new(SECRET));
        auth.public
            .push("echo.v1.Echo/Plain".parse().expect("a method"));
        auth.rules = vec![chassis::config::AuthRule {
            methods: vec!["echo.v1.Echo/Inner".parse().expect("a method")],
            scopes: vec!["inner".to_owned()],
            roles: Vec::new(),
        }];
    })
    .await;
    let none = system.get("/v1/messages/a").await;
    assert_eq!(
        (none.status, none.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    assert_eq!(none.json()["error"]["status"], "UNAUTHENTICATED");
    let token = bearer("outer");
    let headers = [("authorization", token.as_str())];
    let reply = with_headers(&system, "GET", "/v1/messages/a", &headers).await;
    assert_eq!(reply.status, 200);
    let reply = with_headers(&system, "GET", "/v1/inner/a", &headers).await;
    assert_eq!(reply.status, 403);
    let token = bearer("outer inner");
    let headers = [("authorization", token.as_str())];
    let reply = with_headers(&system, "GET", "/v1/inner/a", &headers).await;
    assert_eq!(reply.status, 200);
    let reply = with_headers(&system, "POST", "/echo.v1.Echo/Plain", &[]).await;
    assert_eq!(reply.status, 200, "it is public");
}

#[tokio::test]
async fn clients_have_a_rate_each() {
    let system = system_with(|config, _| {
        let limit = &mut config.server.limits.client_rate;
        limit.rate = chassis::config::PerSecond::new(0.01).expect("a rate");
        limit.burst = 1;
        limit.key = "metadata:x-api-key".parse().expect("a key");
    })
    .await;
    for (key, expected) in [("a", 200), ("a", 429), ("b", 200), ("b", 429)] {
        let headers = [("x-api-key", key)];
        let reply = with_headers(&system, "GET", "/v1/messages/a", &headers).await;
        assert_eq!(reply.status, expected, "{key}");
        if expected == 429 {
            let wait = reply.header("retry-after").expect("a wait");
            assert!(
                (90..=100).contains(&wait.parse().expect("seconds")),
                "{wait}"
            );
        }
    }
}

#[tokio::test]
async fn large_answers_are_packed_for_those_who_take_that() {
    let system = system().await;
    let path = format!("/v1/messages/{}", "a".repeat(2000));
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\naccept-encoding: gzip\r\n\r\n"
    );
    let answer = system.raw(request.as_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("content-encoding: gzip\r\n"), "{text}");
    assert!(answer.len() < 500, "{}", answer.len());
    let plain = system.get(&path).await;
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.json(), json!({"text": "a".repeat(2000)}));
}
