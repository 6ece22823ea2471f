//! Conversations over WebSockets.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::{System, system, system_with};

/// A connection that has become a WebSocket, or the status with which it has not.
async fn open(
    system: &System,
    path: &str,
    headers: &str,
) -> Result<WebSocketStream<TcpStream>, u16> {
    open_at(system.gateway.address(), path, headers).await
}

/// As [`open`], at an address.
pub(crate) async fn open_at(
    address: SocketAddr,
    path: &str,
    headers: &str,
) -> Result<WebSocketStream<TcpStream>, u16> {
    let stream = TcpStream::connect(address).await;
    open_on(stream.expect("a connection"), path, headers).await
}

async fn open_on(
    mut stream: TcpStream,
    path: &str,
    headers: &str,
) -> Result<WebSocketStream<TcpStream>, u16> {
    use tokio::io::AsyncReadExt;

    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: api.example.com\r\nconnection: keep-alive, Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("ASCII");
    let status = head["HTTP/1.1 ".len()..][..3].parse().expect("a status");
    if status != 101 {
        return Err(status);
    }
    // The answer to the key that RFC 6455 has as its example.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

pub(crate) async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
            Some(Ok(Message::Close(frame))) => {
                return json!({"closed": frame.map(|it| u16::from(it.code))});
            }
            Some(Ok(_)) => {}
            other => panic!("nothing more: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_conversation_ends_well_when_the_client_has_said_all() {
    let system = system().await;
    let mut socket = open(&system, "/v1/messages:chat", "")
        .await
        .expect("a socket");
    for text in ["{\"text\":\"one\"}", "{\n  \"text\": \"two\"\n}"] {
        socket.send(Message::text(text)).await.expect("sent");
        let said: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(hear(&mut socket).await, json!({"result": said}));
    }
    socket.send(Message::text("")).await.expect("sent");
    assert_eq!(hear(&mut socket).await, json!({"closed": 1000}));
}

#[tokio::test]
async fn what_cannot_be_understood_ends_the_conversation() {
    let system = system().await;
    let mut socket = open(&system, "/v1/messages:chat", "")
        .await
        .expect("a socket");
    socket
        .send(Message::text("{\"text\":1}"))
        .await
        .expect("sent");
    assert_eq!(hear(&mut socket).await["error"]["code"], 400);
    assert_eq!(hear(&mut socket).await, json!({"closed": 1011}));
    let mut socket = open(&system, "/v1/messages:chat", "")
        .await
        .expect("a socket");
    socket
        .send(Message::binary(&b"{}"[..]))
        .await
        .expect("sent");
    assert_eq!(hear(&mut socket).await, json!({"closed": 1003}));
}

#[tokio::test]
async fn other_methods_can_be_talked_with_too() {
    let system = system().await;
    let path = "/v1/messages?text=a&replies=2";
    let mut socket = open(&system, path, "").await.expect("a socket");
    let first = json!({"result": {"text": "a", "replies": 2}});
    assert_eq!(hear(&mut socket).await, first);
    let second = json!({"result": {"text": "a", "number": 1, "replies": 2}});
    assert_eq!(hear(&mut socket).await, second);
    assert_eq!(hear(&mut socket).await, json!({"closed": 1000}));
    let mut socket = open(&system, "/echo.v1.Echo/Plain", "")
        .await
        .expect("a socket");
    socket
        .send(Message::text("{\"text\":\"p\"}"))
        .await
        .expect("sent");
    assert_eq!(hear(&mut socket).await, json!({"result": {"text": "p"}}));
    assert_eq!(hear(&mut socket).await, json!({"closed": 1000}));
}

#[tokio::test]
async fn who_reads_nothing_is_let_go_all_the_same() {
    let system = system().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let stream = socket.connect(system.gateway.address()).await;
    let path = format!("/v1/messages?replies=20000&text={}", "a".repeat(1000));
    let stream = stream.expect("a connection");
    let mut socket = open_on(stream, &path, "").await.expect("a WebSocket");
    // Meanwhile all that buffers take is sent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    socket
        .send(Message::binary(&b"{}"[..]))
        .await
        .expect("sent");
    // A connection that is gone takes nothing any more.
    let gone = async {
        while socket.get_mut().write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(30), gone).await;
    gone.expect("it is let go");
}

#[tokio::test]
async fn who_may_not_call_gets_no_socket() {
    let system = system_with(|config, settings| {
        config.server.auth.enabled = true;
        let secret = "a secret of thirty-two bytes, or more";
        config.server.auth.secret = Some(chassis::config::Secret::new(secret));
        settings.cors.origins = vec!["https://app.example.com".to_owned()];
    })
    .await;
    let status = |opened: Result<_, u16>| opened.map(|_: WebSocketStream<TcpStream>| ()).err();
    let opened = open(&system, "/v1/messages:chat", "").await;
    assert_eq!(status(opened), Some(401));
    let evil = "origin: https://evil.example.com\r\n";
    let opened = open(&system, "/v1/messages:chat", evil).await;
    assert_eq!(status(opened), Some(403));
    let own = "origin: http://api.example.com\r\n";
    let opened = open(&system, "/v1/messages:chat", own).await;
    assert_eq!(status(opened), Some(401));
    let opened = open(&system, "/nothing", "").await;
    assert_eq!(status(opened), Some(404));
}
