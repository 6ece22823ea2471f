//! HTTP/1, for servers with a [`Front`](crate::front::Front).

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::Status;

use super::{End, Settings, metrics, passed};
use crate::server::linger::Lingering;
use crate::tls::Stream;

/// What a connection of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The pause while the preface has come in part, which it does about never.
const PARTIAL: Duration = Duration::from_millis(1);

/// Whether the client speaks HTTP/2: by what TLS has agreed on, else by the first bytes.
///
/// # Errors
/// When the client says nothing in time, or goes.
pub(super) async fn is_http2(
    stream: &Stream,
    settings: &Settings,
) -> Result<bool, Box<dyn StdError + Send + Sync>> {
    let stream = match stream.is_http2() {
        Ok(agreed) => return Ok(agreed),
        Err(plain) => plain,
    };
    tokio::select! {
        begins = begins_with_preface(stream) => Ok(begins?),
        () = passed(settings.connections.handshake_timeout.non_zero()) => {
            metrics::ended(End::Handshake);
            Err(End::Handshake.into())
        }
    }
}

async fn begins_with_preface(stream: &TcpStream) -> std::io::Result<bool> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut begin).await?;
        if read == 0 || !PREFACE.starts_with(&begin[..read]) {
            return Ok(false);
        }
        if read == PREFACE.len() {
            return Ok(true);
        }
        // What is there already is shown again at once: only time brings the rest.
        tokio::time::sleep(PARTIAL).await;
    }
}

/// Serves a connection until its client closes it, or one of `ends` (its age, and having nothing to
/// do) or the drain does.
pub(super) async fn serve<S, B>(
    stream: Stream,
    service: S,
    settings: &Settings,
    mut drain: watch::Receiver<()>,
    ends: (impl Future<Output = ()>, impl Future<Output = ()>),
) -> Result<(), Box<dyn StdError + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let (stream, closing) = Lingering::new(stream);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(settings.connections.frame_timeout.non_zero());
    {
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection.with_upgrades());
        let (age, idle) = ends;
        let end = tokio::select! {
            result = &mut connection => {
                result?;
                None
            }
            _ = drain.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.as_mut().await?;
                None
            }
            () = age => Some(End::Age),
            () = idle => Some(End::Idle),
        };
        if let Some(end) = end {
            metrics::ended(end);
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                result = &mut connection => result?,
                () = passed(settings.connections.max_age_grace.non_zero()) => {
                    tracing::debug!("requests on an old connection are cut");
                }
            }
        }
    }
    closing.close().await;
    Ok(())
}
