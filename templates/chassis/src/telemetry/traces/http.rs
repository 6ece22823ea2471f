//! As much of an HTTP client as exporters need: a connection that is kept, one request at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::transport::Failure;
use crate::config::HttpEndpoint;
use crate::task;

/// The largest answer that is read. Collectors have little to say.
const MAX_ANSWER: usize = 64 * 1024;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("chassis/", env!("CARGO_PKG_VERSION")));

/// Posts to one address.
#[derive(Debug)]
pub(super) struct Client {
    host: String,
    port: u16,
    path: String,
    headers: HeaderMap,
    kept: Mutex<Option<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    pub(super) fn new(
        endpoint: &HttpEndpoint,
        path: String,
        content_type: &'static str,
        mut headers: HeaderMap,
    ) -> Self {
        if let Ok(host) = endpoint.authority().parse() {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.entry(USER_AGENT).or_insert(AGENT);
        Self {
            host: endpoint.host().to_owned(),
            port: endpoint.port(),
            path,
            headers,
            kept: Mutex::default(),
        }
    }

    /// Posts `body`, and returns the answer of a success.
    pub(super) async fn post(&self, body: Bytes) -> Result<Bytes, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.parse().map_err(broken)?;
        *request.headers_mut() = self.headers.clone();

        let mut connection = self.connection().await?;
        let response = connection.sender.send_request(request).await;
        let (head, body) = response.map_err(broken)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(Failure::Connection)?.to_bytes();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        if !head.status.is_success() {
            let retry_after = head.headers.get(RETRY_AFTER);
            let seconds = retry_after.and_then(|it| it.to_str().ok()?.parse().ok());
            return Err(Failure::Http {
                status: head.status,
                retry_after: seconds.map(Duration::from_secs),
            });
        }
        Ok(body)
    }

    /// The connection of the request before, unless the collector has closed it.
    async fn connection(&self) -> Result<Connection, Failure> {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut connection) = kept
            && connection.sender.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let io = TokioIo::new(stream.map_err(broken)?);
        let (sender, driver) = handshake(io).await.map_err(broken)?;
        Ok(Connection {
            sender,
            driver: task::spawn(driver).abort_handle(),
        })
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Connection(Box::new(error))
}
