//! One HTTP/2 connection to one server, as the service that tonic's client makes its calls on.
//!
//! Unlike a channel that connects by itself in the background, its failures to connect are told apart
//! from the failures of calls, and nothing is retried.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::Service;

use crate::client::connect::{self, ConnectError, FirstBytes, Tls};
use crate::client::target::Endpoint;

/// What servers see as the client.
pub const USER_AGENT: &str = concat!("msvc/", env!("CARGO_PKG_VERSION"));

/// An open connection; clones share it.
#[derive(Clone, Debug)]
pub struct Channel {
    sender: SendRequest<Body>,
    endpoint: Endpoint,
    lost: Arc<OnceLock<hyper::Error>>,
}

/// Opens a connection. Must be called within a tokio runtime, which then drives it.
///
/// # Errors
/// [`ConnectError`] when there is no server or it does not speak HTTP/2.
pub async fn open(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Channel, ConnectError> {
    let opened = connect::open(endpoint, tls).await?;
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2.adaptive_window(true);
    let (sender, connection) = http2
        .handshake(TokioIo::new(opened.transport))
        .await
        .map_err(|_| ConnectError::NotHttp2 {
            endpoint: endpoint.clone(),
            first: FirstBytes::Closed,
        })?;
    let lost = Arc::new(OnceLock::new());
    let told = Arc::clone(&lost);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // It is set here only.
            let _ = told.set(error);
        }
    });
    opened.greeting.wait().await?;
    Ok(Channel {
        sender,
        endpoint: endpoint.clone(),
        lost,
    })
}

impl Channel {
    /// Why the connection was lost, as far as it knows more than the calls that it carried.
    pub async fn lost(&self) -> Option<&hyper::Error> {
        /// Calls learn of the end of their connection a few turns before it has ended.
        const TURNS: usize = 16;
        for _ in 0..TURNS {
            if let Some(error) = self.lost.get() {
                return Some(error);
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// Where the connection leads to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A client for calls, with no limit on the size of messages: the user asked for them.
    pub fn grpc(&self) -> Grpc<Self> {
        let origin = Uri::builder()
            .scheme(self.endpoint.scheme())
            .authority(self.endpoint.authority())
            .path_and_query("/")
            .build()
            .expect("targets are checked for the characters of host names");
        Grpc::with_origin(self.clone(), origin)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        Box::pin(self.sender.send_request(request))
    }
}
