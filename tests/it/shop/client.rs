//! Who orders: requests over HTTP/1, until they are answered.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{GATEWAY, PATIENCE};

/// What the gateway answers: the status and the JSON. A connection that breaks is status 0.
pub fn ask(method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let attempt = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(GATEWAY)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = match method {
            "GET" => String::new(),
            _ => body.to_string(),
        };
        let token = token.map_or_else(String::new, |it| format!("authorization: Bearer {it}\r\n"));
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{token}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = attempt().unwrap_or_else(|error| {
        let hangs = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!hangs, "{method} {path} is not answered");
        Vec::new()
    });
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    // A body may be in chunks; it is one document all the same.
    let start = body.find('{').unwrap_or(0);
    let end = body.rfind('}').map_or(start, |at| at + 1);
    let json = serde_json::from_str(&body[start..end]).unwrap_or(Value::Null);
    (status.unwrap_or(0), json)
}

/// Asks until the answer is a success: a service may be away for a moment.
pub fn insist(method: &str, path: &str, token: Option<&str>, body: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let (status, answer) = ask(method, path, token, body);
        // Somebody who was made by a request whose answer was lost is there.
        if status == 200 || (status == 409 && path == "/v1/users") {
            return answer;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{method} {path}: {status} {answer}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Makes a user, if there is none of that id; their token.
pub fn login(user: &str) -> String {
    insist(
        "POST",
        "/v1/users",
        None,
        &json!({ "id": user, "name": user }),
    );
    let answer = insist("POST", "/login", None, &json!({ "subject": user }));
    answer["accessToken"].as_str().expect("a token").to_owned()
}

/// Waits until an order is decided; what became of it.
pub fn decided(id: &str, token: &str) -> Value {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/orders/{id}");
        let order = insist("GET", &path, Some(token), &Value::Null)["order"].clone();
        if order["status"] != "STATUS_PENDING" {
            return order;
        }
        assert!(begun.elapsed() < PATIENCE, "{order} is not decided");
        std::thread::sleep(Duration::from_millis(50));
    }
}
