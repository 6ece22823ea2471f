//! What all embedded parts have in common: a port, and HTTP/1 and HTTP/2 on it, as JSON and gRPC
//! need them.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::EmbeddedError;

/// How often a client that says nothing is asked whether it is still there, and how long it may
/// take to answer: what a client that vanished holds is given back.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// As many streams as a client wants: each watch that etcd's own client keeps is one.
const MOST_STREAMS: u32 = 1 << 20;
/// How long calls may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(1);
/// How long nobody is let in when the system refused to: for want of file descriptors, for one.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens on `preferred` or, when that is taken, on a free port of the same IP.
///
/// # Errors
/// When neither can be bound.
pub(super) async fn listen(
    preferred: SocketAddr,
) -> Result<(TcpListener, SocketAddr), EmbeddedError> {
    let failed = |source| EmbeddedError::Bind {
        address: preferred,
        source,
    };
    let listener = match TcpListener::bind(preferred).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((preferred.ip(), 0))
            .await
            .map_err(failed)?,
    };
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves until `stopping` says so or its sender is gone.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, router.clone(), stopping.clone()));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn converse(stream: TcpStream, router: Router, mut stopping: watch::Receiver<bool>) {
    // It is slower without, and right.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(MOST_STREAMS);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ends is the client's affair.
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, connection).await;
}
