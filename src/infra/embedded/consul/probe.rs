//! Executes one check, once.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;

use super::state::{Probe, Status};

/// As much of a body as is kept as a check's output.
const MAX_OUTPUT: usize = 4 * 1024;
/// The gRPC status of success.
const GRPC_OK: &str = "0";
/// `HealthCheckResponse { status: SERVING }`, behind the 5 bytes of the message's prefix.
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The outcome and the output to show; an error or the time-out is critical.
pub(super) async fn run(probe: &Probe, timeout: Duration) -> (Status, String) {
    let attempt = async {
        match probe {
            Probe::Http(url) => http(url).await,
            Probe::Grpc(target) => grpc(target).await,
            Probe::Tcp(address) => {
                TcpStream::connect(address.as_str()).await?;
                Ok((Status::Passing, format!("TCP connect {address}: Success")))
            }
        }
    };
    match tokio::time::timeout(timeout, attempt).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => (Status::Critical, error.to_string()),
        Err(_) => (Status::Critical, "deadline exceeded".to_owned()),
    }
}

async fn http(url: &str) -> Result<(Status, String), Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url.parse()?).await?;
    let code = response.status();
    let body = match Limited::new(response.into_body(), MAX_OUTPUT)
        .collect()
        .await
    {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => "(long body)".to_owned(),
    };
    let status = match code.as_u16() {
        200..=299 => Status::Passing,
        429 => Status::Warning,
        _ => Status::Critical,
    };
    Ok((status, format!("HTTP GET {url}: {code} Output: {body}")))
}

/// The standard health check; the target is `host:port` or `host:port/service`.
async fn grpc(target: &str) -> Result<(Status, String), Failure> {
    let (address, service) = target.split_once('/').unwrap_or((target, ""));
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
    let driver = tokio::spawn(connection);
    let outcome = grpc_call(client, address, service).await;
    driver.abort();
    let message = outcome?;
    Ok(match message {
        true => (Status::Passing, format!("gRPC check {target}: success")),
        false => (
            Status::Critical,
            format!("gRPC check {target}: not serving"),
        ),
    })
}

async fn grpc_call(
    client: h2::client::SendRequest<Bytes>,
    address: &str,
    service: &str,
) -> Result<bool, Failure> {
    let request = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (response, mut stream) = client.ready().await?.send_request(request, false)?;
    let name = u8::try_from(service.len())
        .ok()
        .filter(|length| *length < 126)
        .ok_or("the service's name is too long")?;
    let mut message = vec![0, 0, 0, 0, 0];
    if name > 0 {
        message[4] = name + 2;
        message.extend([10, name]);
        message.extend(service.as_bytes());
    }
    stream.send_data(message.into(), true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut reply = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        reply.extend_from_slice(&data);
        if reply.len() > MAX_OUTPUT {
            return Err("the reply is too long".into());
        }
    }
    let trailers = body.trailers().await?.unwrap_or(head.headers);
    let ok = trailers
        .get("grpc-status")
        .is_some_and(|code| code == GRPC_OK);
    Ok(ok && reply == SERVING)
}
