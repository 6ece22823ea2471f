//! As much of an HTTP client as registries need: one request, one answer, at once or line by line,
//! a time limit.
//!
//! Each request has a connection of its own. There are few: a query that waits for each service
//! that is followed, and a look at our own registration every few seconds.

use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::config::{RegistryUrl, Secret};
use crate::task;
use crate::tls::{ClientTls, Stream};

/// The largest answer, or line of one, that is read: 16 MiB is tens of thousands of instances.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A server, and the header by which it knows who asks.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) address: RegistryUrl,
    /// Where the address is `https://`.
    pub(super) tls: Option<ClientTls>,
    pub(super) token: Option<(HeaderName, Secret)>,
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

/// An answer with a status of success that comes line by line, and may do so without end.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    _driver: Driver,
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
#[derive(Debug)]
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

    /// Makes a call whose answer is read as it comes; its time limit is for the head alone.
    ///
    /// # Errors
    /// When there is no head in time, or none of success (2xx).
    pub(super) async fn lines(&self, call: Call<'_>) -> Result<Lines, Error> {
        let timeout = call.timeout;
        let (response, driver) = match tokio::time::timeout(timeout, self.send(call)).await {
            Ok(result) => result?,
            Err(_) => return Err(Error::Timeout(timeout)),
        };
        Ok(Lines {
            body: response.into_body(),
            buffer: Vec::new(),
            _driver: driver,
        })
    }

    /// Makes a call for something that may not be there: the body is `None` when the answer is 404
    /// (Not Found).
    ///
    /// # Errors
    /// When there is no answer in time, or another one of failure.
    pub(super) async fn look_up(
        &self,
        call: Call<'_>,
    ) -> Result<(HeaderMap, Option<Bytes>), Error> {
        let timeout = call.timeout;
        let exchange = async {
            let (response, _driver) = self.exchange(call).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok((response.into_parts().0.headers, None));
            }
            let (head, body) = successful(response).await?.into_parts();
            Ok((head.headers, Some(collect(body).await?)))
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout(timeout)),
        }
    }

    async fn call_unlimited(&self, call: Call<'_>) -> Result<Answer, Error> {
        let (response, _driver) = self.send(call).await?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            headers: head.headers,
            body: collect(body).await?,
        })
    }

    /// # Errors
    /// When there is no response, or none of success.
    async fn send(&self, call: Call<'_>) -> Result<(Response<Incoming>, Driver), Error> {
        let (response, driver) = self.exchange(call).await?;
        Ok((successful(response).await?, driver))
    }

    /// # Errors
    /// When there is no response.
    async fn exchange(&self, call: Call<'_>) -> Result<(Response<Incoming>, Driver), Error> {
        let request = self.request(call).map_err(Error::Request)?;
        let address = (self.address.host(), self.address.port());
        let stream = TcpStream::connect(address).await.map_err(Error::Connect)?;
        let stream = match &self.tls {
            Some(tls) => tls
                .connect(stream, address.0)
                .await
                .map_err(Error::Connect)?,
            None => Stream::Plain(stream),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Error::Http(error.into()))?;
        let driver = Driver(task::spawn(connection).abort_handle());

        let response = sender.send_request(request).await;
        let response = response.map_err(|error| Error::Http(error.into()))?;
        Ok((response, driver))
    }

    fn request(&self, call: Call<'_>) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(HOST, self.address.authority())
            .header(CONTENT_TYPE, "application/json");
        if let Some((name, token)) = &self.token {
            let mut value = HeaderValue::try_from(token.expose())?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        request.body(Full::new(call.body.into()))
    }
}

/// # Errors
/// When the response is not one of success (2xx).
async fn successful(response: Response<Incoming>) -> Result<Response<Incoming>, Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = collect(response.into_body()).await?;
    let beginning = &body[..body.len().min(200)];
    Err(Error::Status {
        status,
        message: String::from_utf8_lossy(beginning).trim().to_owned(),
    })
}

async fn collect(body: Incoming) -> Result<Bytes, Error> {
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    Ok(body.map_err(Error::Http)?.to_bytes())
}

impl Lines {
    /// The next line that is not empty; `None` at the end of the answer.
    ///
    /// # Errors
    /// When the connection breaks or the line is too long. It may be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.buffer.len() > MAX_ANSWER {
                return Err(Error::Http("a line that is too long".into()));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(Error::Http(error.into())),
                None => return Ok(None),
            }
        }
    }
}
