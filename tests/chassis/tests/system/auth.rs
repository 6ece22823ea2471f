//! Tokens, with keys that are fetched over HTTP and HTTPS.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::config::{self, Config, NoSettings, PerSecond, Secret};
use chassis::testing::{self, TestServer};
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{ProbeClient, ProbeRequest, instance};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A token of HS256 about `subject`, for five minutes.
fn token(key_id: &str, secret: &str, subject: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let expires = now.expect("after 1970").as_secs() + 300;
    let header = json!({"alg": "HS256", "kid": key_id});
    let claims = json!({"sub": subject, "exp": expires, "scope": "probe"});
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn jwk(id: &str, secret: &str) -> Value {
    json!({"kty": "oct", "kid": id, "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)})
}

fn config(change: impl FnOnce(&mut config::Auth)) -> Config {
    let mut config = Config::<NoSettings>::default();
    config.server.auth.enabled = true;
    config.server.auth.min_refresh = config::Duration::default();
    change(&mut config.server.auth);
    config
}

async fn serve(config: Config) -> TestServer {
    testing::serve_with(config, instance("one")).await
}

/// How a call with `token` ends: with the subject that the handler has seen, or with a code.
async fn call(server: &TestServer, token: Option<&str>) -> Result<String, Code> {
    let mut request = Request::new(ProbeRequest::default());
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    let reply = ProbeClient::new(server.channel()).unary(request).await;
    let reply = reply.map_err(|status| status.code())?;
    Ok(reply.get_ref().metadata["token subject"].clone())
}

/// Answers each request on `stream` with `keys`.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, keys: String) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let length = keys.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{keys}");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_handler_knows_who_calls_and_health_needs_no_token() {
    let config = config(|auth| auth.secret = Some(Secret::new(SECRET)));
    let server = serve(config).await;
    let good = token("any", SECRET, "ada");
    assert_eq!(call(&server, Some(&good)).await, Ok("ada".to_owned()));
    assert_eq!(call(&server, None).await, Err(Code::Unauthenticated));
    let bad = token("any", "another", "ada");
    assert_eq!(call(&server, Some(&bad)).await, Err(Code::Unauthenticated));

    let mut health = HealthClient::new(server.channel());
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());

    let status = ProbeClient::new(server.channel())
        .unary(ProbeRequest::default())
        .await
        .expect_err("no token");
    assert_eq!(status.message(), "a bearer token is required");
    let challenge = status.metadata().get("www-authenticate");
    assert_eq!(challenge.expect("a challenge"), "Bearer");
}

#[tokio::test]
async fn keys_are_rotated_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let keys = Arc::new(Mutex::new(json!({"keys": [jwk("one", SECRET)]})));
    let served = Arc::clone(&keys);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keys = served.lock().expect("not poisoned").to_string();
            answer(stream, keys).await;
        }
    });
    let url = format!("http://{address}/keys?all");
    let server = serve(config(|auth| auth.jwks_url = url.parse().ok())).await;
    let other = "fedcba9876543210fedcba9876543210";
    let (old, new) = (token("one", SECRET, "ada"), token("two", other, "grace"));
    assert_eq!(call(&server, Some(&old)).await, Ok("ada".to_owned()));
    assert_eq!(call(&server, Some(&new)).await, Err(Code::Unauthenticated));

    *keys.lock().expect("not poisoned") = json!({"keys": [jwk("two", other)]});
    assert_eq!(call(&server, Some(&new)).await, Ok("grace".to_owned()));
    assert_eq!(call(&server, Some(&old)).await, Err(Code::Unauthenticated));
}

#[tokio::test]
async fn a_service_starts_without_keys_and_gets_them_later() {
    let port = crate::support::free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let server = serve(config(|auth| auth.jwks_url = url.parse().ok())).await;
    let good = token("one", SECRET, "ada");
    assert_eq!(call(&server, Some(&good)).await, Err(Code::Unavailable));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("free");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        answer(stream, json!({"keys": [jwk("one", SECRET)]}).to_string()).await;
    });
    assert_eq!(call(&server, Some(&good)).await, Ok("ada".to_owned()));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn keys_are_fetched_over_https() {
    use tokio_rustls::TlsAcceptor;

    let certificates = crate::tls::Certificates::new();
    let acceptor = TlsAcceptor::from(certificates.server_config());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, json!({"keys": [jwk("one", SECRET)]}).to_string()).await;
            }
        }
    });
    let url = format!("https://localhost:{port}/keys");
    let good = token("one", SECRET, "ada");
    let trusting = config(|auth| {
        auth.jwks_url = url.parse().ok();
        auth.jwks_ca = Some(certificates.path("ca.pem"));
    });
    let server = serve(trusting).await;
    assert_eq!(call(&server, Some(&good)).await, Ok("ada".to_owned()));
    let server = serve(config(|auth| auth.jwks_url = url.parse().ok())).await;
    assert_eq!(call(&server, Some(&good)).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn each_subject_has_its_rate() {
    let mut config = config(|auth| auth.secret = Some(Secret::new(SECRET)));
    let limit = &mut config.server.limits.client_rate;
    limit.rate = PerSecond::new(0.001).expect("a rate");
    limit.key = config::ClientKey::Subject;
    let server = serve(config).await;
    for subject in ["ada", "grace"] {
        let token = token("any", SECRET, subject);
        assert_eq!(call(&server, Some(&token)).await, Ok(subject.to_owned()));
        let again = call(&server, Some(&token)).await;
        assert_eq!(again, Err(Code::ResourceExhausted));
    }
    // Who has no token takes nothing from anybody.
    assert_eq!(call(&server, None).await, Err(Code::Unauthenticated));
}
