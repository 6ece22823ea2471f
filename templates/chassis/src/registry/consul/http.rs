//! As much of an HTTP client as Consul needs: one request, one JSON answer, a time limit.
//!
//! Each request has a connection of its own. There are few: a blocking query a minute for each
//! service that is followed, and a look at our own registration every few seconds.

use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::config::{HttpUrl, Secret};

/// The largest answer that is read: 16 MiB is tens of thousands of instances.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

const TOKEN: &str = "x-consul-token";

/// A server, and the token that it wants.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) address: HttpUrl,
    pub(super) token: Option<Secret>,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Duration,
}

/// An answer with a status of success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer, or none of success.
#[derive(Debug)]
pub(crate) enum Error {
    /// No connection.
    Connect(io::Error),
    /// A connection that broke, or an answer that is not HTTP or too large.
    Http(Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    Timeout(Duration),
    /// An answer with another status.
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body.
        message: String,
    },
    /// An answer that is not what it should be.
    Body(serde_json::Error),
    /// A token or path that HTTP cannot carry.
    Request(http::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Http(error) => write!(f, "the connection broke: {error}"),
            Self::Timeout(limit) => write!(f, "no answer within {limit:?}"),
            Self::Status { status, message } if message.is_empty() => write!(f, "{status}"),
            Self::Status { status, message } => write!(f, "{status}: {message}"),
            Self::Body(error) => write!(f, "an answer that is not understood: {error}"),
            Self::Request(error) => write!(f, "an invalid request: {error}"),
        }
    }
}

impl std::error::Error for Error {}

/// The task that drives a connection; it ends with the call.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Client {
    /// Makes a call.
    ///
    /// # Errors
    /// When there is no answer in time, or none of success (2xx).
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, Error> {
        let timeout = call.timeout;
        match tokio::time::timeout(timeout, self.call_unlimited(call)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout(timeout)),
        }
    }

    async fn call_unlimited(&self, call: Call<'_>) -> Result<Answer, Error> {
        let request = self.request(call).map_err(Error::Request)?;
        let address = (self.address.host(), self.address.port());
        let stream = TcpStream::connect(address).await.map_err(Error::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Error::Http(error.into()))?;
        let _driver = Driver(tokio::spawn(connection).abort_handle());

        let response = sender.send_request(request).await;
        let (head, body) = response
            .map_err(|error| Error::Http(error.into()))?
            .into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(Error::Http)?.to_bytes();
        if !head.status.is_success() {
            let beginning = &body[..body.len().min(200)];
            return Err(Error::Status {
                status: head.status,
                message: String::from_utf8_lossy(beginning).trim().to_owned(),
            });
        }
        Ok(Answer {
            headers: head.headers,
            body,
        })
    }

    fn request(&self, call: Call<'_>) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(HOST, self.address.authority())
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let mut value = http::HeaderValue::try_from(token.expose())?;
            value.set_sensitive(true);
            request = request.header(TOKEN, value);
        }
        request.body(Full::new(call.body.into()))
    }
}
