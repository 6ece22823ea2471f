//! Asking a Consul agent over its HTTP API.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::infra::root;

/// Where a Consul agent answers unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8500";
/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 << 20;

/// A Consul agent.
#[derive(Clone, Debug)]
pub struct ConsulAgent {
    address: String,
    token: Option<String>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Why a text is not the address of an agent, as a fragment that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It cannot be read at all.
    #[error("it is not a URL")]
    NotAUrl,
    /// TLS is asked for.
    #[error("only `http://` is supported")]
    Https,
    /// It has another form.
    #[error("expected `http://HOST:PORT`")]
    Form,
}

/// Why an agent was of no help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It answers, but not as an agent does.
    #[error("{0}")]
    Answer(String),
}

impl ConsulAgent {
    /// The agent at `address`: a URL, or `HOST:PORT` as Consul's own command line takes it; without
    /// a port it is HTTP's.
    ///
    /// # Errors
    /// [`AddressError`] when it is neither.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, AddressError> {
        let full = if address.contains("://") {
            address.trim_end_matches('/').to_owned()
        } else {
            format!("http://{}", address.trim_end_matches('/'))
        };
        match full.split_once("://") {
            Some(("http", _)) => {}
            Some(("https", _)) => return Err(AddressError::Https),
            _ => return Err(AddressError::Form),
        }
        let uri: Uri = full.parse().map_err(|_| AddressError::NotAUrl)?;
        uri.authority().ok_or(AddressError::Form)?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        Ok(Self {
            address: full,
            token: token.map(str::to_owned),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of the leader of its cluster; an agent without one serves nothing yet.
    ///
    /// # Errors
    /// [`AgentError`] when it does not answer, or has no leader.
    pub async fn leader(&self) -> Result<String, AgentError> {
        let leader: String = self.get("/v1/status/leader").await?;
        if leader.is_empty() {
            return Err(AgentError::Answer("its cluster has no leader".to_owned()));
        }
        Ok(leader)
    }

    /// What it answers to a GET.
    ///
    /// # Errors
    /// [`AgentError`] when it does not answer, or not with 200 and the JSON that is wanted.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AgentError> {
        let mut request = Request::get(format!("{}{path}", self.address));
        if let Some(token) = &self.token {
            request = request.header("x-consul-token", token);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| AgentError::Answer(error.to_string()))?;
        match timeout(PATIENCE, self.answer(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(AgentError::Unreachable(format!(
                "no answer within {}",
                crate::duration::exact(PATIENCE)
            ))),
        }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<T, AgentError> {
        let unreachable = |error: &dyn std::error::Error| AgentError::Unreachable(root(error));
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| unreachable(&*error))?
            .to_bytes();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let first = text.lines().next().unwrap_or_default();
            return Err(AgentError::Answer(
                format!("{status} {first}").trim().to_owned(),
            ));
        }
        serde_json::from_slice(&body)
            .map_err(|error| AgentError::Answer(format!("not the JSON of Consul: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_consul_reads_them() {
        let read = |address| ConsulAgent::new(address, None).map(|agent| agent.address);
        assert_eq!(
            read("127.0.0.1:8500"),
            Ok("http://127.0.0.1:8500".to_owned())
        );
        assert_eq!(read("consul"), Ok("http://consul".to_owned()));
        assert_eq!(read("http://a:1/"), Ok("http://a:1".to_owned()));
        assert_eq!(read("https://a:1"), Err(AddressError::Https));
        assert_eq!(read("unix:///run/consul"), Err(AddressError::Form));
        assert_eq!(read("a b"), Err(AddressError::NotAUrl));
    }
}
