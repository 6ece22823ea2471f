//! Makes the checks that are due: HTTP, gRPC health and TCP, each with its time-out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Registry;
use super::state::{Check, CheckKind};
use super::types::Status;

/// How often it is looked for checks that are due.
const TICK: Duration = Duration::from_millis(100);
/// How much of a check's answer is kept.
const LONGEST_OUTPUT: usize = 4096;

/// Makes checks until it is aborted.
pub(super) async fn run(registry: Registry) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for (id, check) in registry.change(|state| state.tick(Instant::now())) {
            let registry = registry.clone();
            tokio::spawn(async move {
                let (status, output) = make(&check).await;
                registry.change(|state| state.update_check(&id, status, output, Instant::now()));
            });
        }
    }
}

async fn make(check: &Check) -> (Status, String) {
    let outcome = match &check.kind {
        CheckKind::Http(url) => timeout(check.timeout, http(url)).await,
        CheckKind::Grpc(target) => timeout(check.timeout, grpc(target)).await,
        CheckKind::Tcp(target) => timeout(check.timeout, tcp(target)).await,
        CheckKind::Ttl | CheckKind::Manual => return (Status::Critical, String::new()),
    };
    let (status, mut output) = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(problem)) => (Status::Critical, problem),
        Err(_) => (
            Status::Critical,
            format!("no answer within {:?}", check.timeout),
        ),
    };
    if let Some((end, _)) = output.char_indices().nth(LONGEST_OUTPUT) {
        output.truncate(end);
    }
    (status, output)
}

/// 2xx is passing, 429 a warning, all else critical.
async fn http(url: &str) -> Result<(Status, String), String> {
    let target: http::Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client
        .get(target)
        .await
        .map_err(|error| format!("Get {url:?}: {error}"))?;
    let code = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let status = match code.as_u16() {
        200..300 => Status::Passing,
        429 => Status::Warning,
        _ => Status::Critical,
    };
    Ok((status, format!("HTTP GET {url}: {code} Output: {body}")))
}

async fn tcp(target: &str) -> Result<(Status, String), String> {
    match TcpStream::connect(target).await {
        Ok(_) => Ok((Status::Passing, format!("TCP connect {target}: Success"))),
        Err(error) => Err(format!("dial tcp {target}: {error}")),
    }
}

/// `host:port`, or `host:port/service` for one service of it.
async fn grpc(target: &str) -> Result<(Status, String), String> {
    let (authority, service) = target.split_once('/').unwrap_or((target, ""));
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{authority}"));
    let endpoint = endpoint.map_err(|error| format!("{target}: {error}"))?;
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("{target}: {error}"))?;
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel);
    let request = tonic_health::pb::HealthCheckRequest {
        service: service.to_owned(),
    };
    let response = client
        .check(request)
        .await
        .map_err(|status| format!("{target}: {status}"))?;
    let serving = tonic_health::pb::health_check_response::ServingStatus::Serving;
    if response.into_inner().status() == serving {
        Ok((Status::Passing, format!("gRPC check {target}: success")))
    } else {
        Err(format!("gRPC check {target}: NOT_SERVING"))
    }
}
