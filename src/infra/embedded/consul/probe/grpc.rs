//! The gRPC check: the standard health service, whose `SERVING` passes.

use std::time::Duration;

use bytes::Bytes;

use super::super::state::Status;
use super::{Failure, Outcome, dial};

/// More of an answer than this is not read, in bytes.
const MAX_REPLY: usize = 4 * 1024;
/// The bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// The longest name of a service whose length takes one byte, and that of its message too.
const MAX_NAME: usize = 125;
/// The names of gRPC's status codes, as Go prints them, by their numbers.
const CODES: &[&str] = &[
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
/// `ServingStatus` of a service that serves.
const SERVING: u8 = 1;

/// Runs it; the target is `host:port` or `host:port/service`.
pub(super) async fn run(target: &str, timeout: Duration) -> Outcome {
    let rpc = |code: &str, text: &str| {
        let output = format!("rpc error: code = {code} desc = {text}");
        (Status::Critical, output)
    };
    match tokio::time::timeout(timeout, check(target, timeout)).await {
        Ok(Ok(Answer::Serving)) => {
            let output = format!("gRPC check {target}: success");
            (Status::Passing, output)
        }
        Ok(Ok(Answer::NotServing)) => {
            let output = "gRPC application didn't report service healthy";
            (Status::Critical, output.to_owned())
        }
        Ok(Ok(Answer::Failed(code, text))) => rpc(&code, &text),
        Ok(Err(Failure::Dial(why))) => {
            let text = format!("connection error: desc = \"transport: Error while dialing {why}\"");
            rpc("Unavailable", &text)
        }
        Ok(Err(Failure::Answer(why))) => rpc("Unavailable", &why),
        Err(_) => rpc("DeadlineExceeded", "context deadline exceeded"),
    }
}

enum Answer {
    Serving,
    NotServing,
    /// A status of gRPC with its message.
    Failed(String, String),
}

async fn check(target: &str, timeout: Duration) -> Result<Answer, Failure> {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let stream = dial(address, timeout).await?;
    let handshake = h2::client::handshake(stream).await;
    let (client, connection) = handshake.map_err(|why| Failure::Answer(why.to_string()))?;
    let driver = tokio::spawn(connection);
    let outcome = call(client, address, service).await;
    driver.abort();
    outcome.map_err(|why| Failure::Answer(why.to_string()))
}

async fn call(
    client: h2::client::SendRequest<Bytes>,
    address: &str,
    service: &str,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let request = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut stream) = client.ready().await?.send_request(request, false)?;
    stream.send_data(message(service)?.into(), true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut reply = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        reply.extend_from_slice(&data);
        if reply.len() > MAX_REPLY {
            return Err("the reply is too long".into());
        }
    }
    let trailers = body.trailers().await?.unwrap_or(head.headers);
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok());
    let code = text("grpc-status").and_then(|code| code.parse::<usize>().ok());
    Ok(match code {
        None => return Err(format!("no gRPC status; HTTP status {}", head.status).into()),
        Some(0) if serving_status(&reply) == SERVING => Answer::Serving,
        Some(0) => Answer::NotServing,
        Some(code) => {
            let name = CODES.get(code).map(|name| (*name).to_owned());
            let name = name.unwrap_or_else(|| format!("Code({code})"));
            Answer::Failed(name, decoded(text("grpc-message").unwrap_or_default()))
        }
    })
}

/// `HealthCheckRequest { service }` with its prefix.
fn message(service: &str) -> Result<Vec<u8>, String> {
    let length = u8::try_from(service.len()).ok();
    let length = length.filter(|_| service.len() <= MAX_NAME);
    let length = length.ok_or_else(|| format!("the service's name is longer than {MAX_NAME}"))?;
    let mut message = vec![0; PREFIX];
    if length > 0 {
        message[PREFIX - 1] = length + 2;
        message.extend([0x0a, length]);
        message.extend(service.as_bytes());
    }
    Ok(message)
}

/// The field `status` of a `HealthCheckResponse` with its prefix; zero when it is absent.
fn serving_status(reply: &[u8]) -> u8 {
    match reply.get(PREFIX..) {
        Some([0x08, status, ..]) => *status,
        _ => 0,
    }
}

/// The text of a `grpc-message`, in which what is no printable ASCII is percent-encoded.
fn decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| char::from(*tail.get(at)?).to_digit(16);
        let byte = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        match byte.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            // What is no encoding is taken as it stands, as the specification wants it.
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_percent_decoded() {
        assert_eq!(decoded("caf%C3%A9 100%25 %zz %"), "café 100% %zz %");
    }

    #[test]
    fn a_request_names_the_service_and_a_reply_its_status() {
        assert_eq!(message(""), Ok(vec![0, 0, 0, 0, 0]));
        assert_eq!(message("ab"), Ok(vec![0, 0, 0, 0, 4, 10, 2, b'a', b'b']));
        assert!(message(&"a".repeat(126)).is_err());
        assert_eq!(serving_status(&[0, 0, 0, 0, 2, 8, 2]), 2);
        assert_eq!(serving_status(&[0, 0, 0, 0, 0]), 0);
    }
}
