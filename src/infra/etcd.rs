//! Finding the etcd that the services of a workspace register with.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::time::timeout;

use crate::duration;
use crate::infra::root;

/// How long an endpoint may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 << 10;

/// What was tried, and why none of it is of use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Unavailable(Vec<String>);

/// The answer of `/health`.
#[derive(Debug, Deserialize)]
struct Health {
    /// `"true"`, when the member has a leader.
    health: String,
}

/// The endpoints that a value of `ETCDCTL_ENDPOINTS` names, each with its scheme.
pub fn endpoints(variable: &str) -> Vec<String> {
    let parts = variable.split(',');
    let urls = parts.map(|part| match part.trim().trim_end_matches('/') {
        part if part.contains("://") => part.to_owned(),
        part => format!("http://{part}"),
    });
    urls.collect()
}

/// The first of the endpoints that is a healthy member of a cluster.
///
/// # Errors
/// [`Unavailable`] when none is.
pub async fn first_healthy(endpoints: &[String]) -> Result<&str, Unavailable> {
    let mut tried = Vec::new();
    for endpoint in endpoints {
        let healthy = match timeout(PATIENCE, health(endpoint)).await {
            Ok(healthy) => healthy,
            Err(_) => Err(format!("no answer within {}", duration::exact(PATIENCE))),
        };
        match healthy {
            Ok(()) => return Ok(endpoint),
            Err(problem) => tried.push(format!("{endpoint}: {problem}")),
        }
    }
    Err(Unavailable(tried))
}

/// # Errors
/// Why the endpoint is not a healthy member.
pub(super) async fn health(endpoint: &str) -> Result<(), String> {
    if !endpoint.starts_with("http://") {
        return Err("only `http://` is supported".to_owned());
    }
    let request = Request::get(format!("{endpoint}/health")).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let response = client.request(request).await.map_err(|it| root(&it))?;
    let body = Limited::new(response.into_body(), LARGEST_ANSWER);
    let body = body.collect().await.map_err(|it| root(&*it))?.to_bytes();
    match serde_json::from_slice::<Health>(&body) {
        Ok(health) if health.health == "true" => Ok(()),
        Ok(_) => Err("it has no leader".to_owned()),
        Err(_) => Err("it does not answer as an etcd does".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_as_etcdctl_reads_them() {
        assert_eq!(
            endpoints("10.0.0.1:2379, https://etcd:1/"),
            ["http://10.0.0.1:2379", "https://etcd:1"]
        );
    }
}
