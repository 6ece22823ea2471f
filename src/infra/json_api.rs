//! Asking a server that answers with JSON over HTTP.

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

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// A server.
#[derive(Clone, Debug)]
pub struct JsonApi {
    /// What it is to be, for messages.
    name: &'static str,
    address: String,
    /// A header of every request.
    header: Option<(&'static str, String)>,
    client: Client<HttpConnector, Empty<Bytes>>,
}

/// Why a text is not the address of a server, as a fragment that follows it.
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

/// Why a server was of no help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// It does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// It answers, but not as it should.
    #[error("{0}")]
    Answer(String),
}

impl JsonApi {
    /// The server at `address`: a URL, or `HOST:PORT`; without a port it is HTTP's.
    ///
    /// # Errors
    /// [`AddressError`] when it is neither.
    pub fn new(name: &'static str, address: &str) -> Result<Self, AddressError> {
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
            name,
            address: full,
            header: None,
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The same with a header in every request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.header = value.map(|value| (name, value.to_owned()));
        self
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it answers to a GET.
    ///
    /// # Errors
    /// [`ApiError`] when it does not answer, or not with 200 and the JSON that is wanted.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let (status, body) = self.ask(path).await?;
        self.read(status, &body)
    }

    /// The same, with nothing where it says that there is nothing, by 404.
    ///
    /// # Errors
    /// As [`JsonApi::get`].
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ApiError> {
        match self.ask(path).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => self.read(status, &body).map(Some),
        }
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), ApiError> {
        let mut request = Request::get(format!("{}{path}", self.address));
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| ApiError::Answer(error.to_string()))?;
        match timeout(PATIENCE, self.answer(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(ApiError::Unreachable(format!(
                "no answer within {}",
                crate::duration::exact(PATIENCE)
            ))),
        }
    }

    async fn answer(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ApiError> {
        let unreachable = |error: &dyn std::error::Error| ApiError::Unreachable(root(error));
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| unreachable(&*error))?;
        Ok((status, body.to_bytes()))
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, ApiError> {
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(body);
            let first = text.lines().next().unwrap_or_default();
            return Err(ApiError::Answer(
                format!("{status} {first}").trim().to_owned(),
            ));
        }
        serde_json::from_slice(body)
            .map_err(|error| ApiError::Answer(format!("not the JSON of {}: {error}", self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_consul_reads_them() {
        let read = |address| JsonApi::new("Consul", address).map(|api| api.address);
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
