//! Accepting connections, serving HTTP/2 on them, and closing them gently.
//!
//! Written over `hyper` because a drain must be bounded, must tell clients with GOAWAY, and must
//! know how many connections are left.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::{Service, ServiceExt};

use super::linger::Lingering;
use crate::config::Http2;

/// The pause after the system refused to accept a connection, for example because the process is
/// out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Serves `stack` on connections to `listener` until `drain` changes; then stops accepting, sends
/// GOAWAY, and returns when the last call is done. Dropping the future ends all connections.
pub(crate) async fn serve<S, B>(
    listener: TcpListener,
    stack: S,
    http2: Http2,
    mut drain: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve_connection(stream, peer, stack.clone(), http2.clone(), drain.clone()));
                }
                Err(error) => wait_out(error).await,
            },
            Some(_) = connections.join_next() => {}
            _ = drain.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve_connection<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    stack: S,
    http2: Http2,
    mut drain: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Status> + Send + 'static,
{
    // A response is written as a whole; waiting for more to send would only delay it.
    let _ = stream.set_nodelay(true);
    let info = TcpConnectInfo {
        local_addr: stream.local_addr().ok(),
        remote_addr: Some(peer),
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(info.clone());
        stack.clone().oneshot(request)
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(http2.max_concurrent_streams)
        .keep_alive_interval(http2.keep_alive_interval.non_zero())
        .keep_alive_timeout(http2.keep_alive_timeout.get());
    let (stream, closing) = Lingering::new(stream);
    let result = {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            result = &mut connection => result,
            _ = drain.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    match result {
        Ok(()) => closing.close().await,
        Err(error) => tracing::debug!(%peer, %error, "connection ended"),
    }
}

/// A connection that was reset before it was accepted is the client's matter; anything else is
/// ours and will not be better at once.
async fn wait_out(error: io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        return;
    }
    tracing::error!(%error, "failed to accept a connection");
    tokio::time::sleep(ACCEPT_BACKOFF).await;
}
