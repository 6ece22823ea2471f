//! Asking a Consul agent over its HTTP API.

use serde::de::DeserializeOwned;

use crate::infra::json_api::JsonApi;
pub use crate::infra::json_api::{AddressError, ApiError as AgentError};

/// Where a Consul agent answers unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8500";

/// A Consul agent.
#[derive(Clone, Debug)]
pub struct ConsulAgent(JsonApi);

impl ConsulAgent {
    /// The agent at `address`: a URL, or `HOST:PORT` as Consul's own command line takes it; without
    /// a port it is HTTP's.
    ///
    /// # Errors
    /// [`AddressError`] when it is neither.
    pub fn new(address: &str, token: Option<&str>) -> Result<Self, AddressError> {
        let api = JsonApi::new("Consul", address)?;
        Ok(Self(api.with_header("x-consul-token", token)))
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        self.0.address()
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
        self.0.get(path).await
    }
}
