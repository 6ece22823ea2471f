//! Accepting connections, serving HTTP/2 on them, and closing them gently.
//!
//! Written over `hyper` because a drain must be bounded, must tell clients with GOAWAY, and must
//! know how many connections are left; and because clients that are slow on purpose have to be
//! found at the level of frames.

mod end;
mod frames;
mod guard;
#[cfg(feature = "http")]
mod http1;
mod idle;
mod metrics;

use std::cell::RefCell;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use super::linger::Lingering;
use crate::config::{self, Follow, Section};
use crate::task::{self, Tasks};
use crate::tls::{PeerIdentity, ServerTls, Stream};
use end::End;
use guard::{Guarded, Rules};
use idle::{Calls, CountedBody};

/// The pause after the system refused to accept a connection, for example because the process is
/// out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How far connections differ from `server.connections.max_age`, so that those that began
/// together do not end together (gRFC A9).
const AGE_JITTER: f64 = 0.1;

/// What is the same for all connections.
#[derive(Debug)]
struct Settings {
    http2: config::Http2,
    connections: config::Connections,
    rules: Rules,
    tls: Option<ServerTls>,
    #[cfg_attr(
        not(feature = "http"),
        expect(dead_code, reason = "there is no HTTP/1")
    )]
    http1: bool,
}

/// Where connections come from, and what they speak.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<ServerTls>,
    /// Whether HTTP/1 is served beside HTTP/2.
    pub(crate) http1: bool,
}

/// Serves `stack` on `connections` until `drain` changes; then stops accepting, sends
/// GOAWAY, and returns when the last call is done. Dropping the future ends all connections.
pub(crate) async fn serve<S, B>(
    connections: Connections,
    stack: S,
    config: config::Server,
    mut drain: watch::Receiver<()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let Connections {
        listener,
        tls,
        http1,
    } = connections;
    let open = Arc::new(AtomicU32::new(0));
    // A connection keeps the settings that it began with.
    let make = move |server: &config::Server| {
        Arc::new(Settings {
            rules: Rules::from(&server.connections),
            http2: server.http2.clone(),
            connections: server.connections.clone(),
            tls: tls.clone(),
            http1,
        })
    };
    let first = make(&config);
    let sections = &[Section::Connections, Section::Http2];
    let settings = Follow::new(sections, first, move |config| make(&config.server));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let settings = Arc::clone(&**settings.load());
                    let Some(place) = Place::take(&open, settings.connections.max) else {
                        metrics::ended(End::TooMany);
                        tracing::debug!(%peer, error = %End::TooMany, "connection refused");
                        continue;
                    };
                    let stack = stack.clone();
                    let drain = drain.clone();
                    connections.spawn(task::boxed(async move {
                        let result = serve_connection(stream, peer, stack, &settings, drain).await;
                        if let Err(error) = result {
                            let error = &*error as &dyn StdError;
                            tracing::debug!(%peer, error, "connection ended");
                        }
                        drop(place);
                    }));
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

/// A place among the connections.
struct Place {
    open: Arc<AtomicU32>,
    _counted: metrics::Open,
}

impl Place {
    /// A `max` of 0 is no limit. Only the task that accepts takes places.
    fn take(open: &Arc<AtomicU32>, max: u32) -> Option<Self> {
        if max > 0 && open.load(Ordering::Relaxed) >= max {
            return None;
        }
        open.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            open: Arc::clone(open),
            _counted: metrics::Open::new(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn serve_connection<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    stack: S,
    settings: &Settings,
    mut drain: watch::Receiver<()>,
) -> Result<(), Box<dyn StdError + Send + Sync>>
where
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
    let begin = Instant::now();
    let (stream, identity) = handshake(stream, settings).await?;
    // What the layers share is counted for each connection, and not for each call.
    let stack = RefCell::new(stack);
    let max_idle = settings.connections.max_idle.non_zero();
    let calls = max_idle.map(|max_idle| (Calls::none(), max_idle));
    let counted = calls.as_ref().map(|(calls, _)| Arc::clone(calls));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(info.clone());
        if let Some(identity) = &identity {
            request.extensions_mut().insert(identity.clone());
        }
        // The stack is always ready: what has to wait does so in its future.
        let begun = counted.as_ref().map(Calls::begin);
        let response = stack.borrow_mut().call(request);
        async move {
            let response = response.await?;
            Ok::<_, Infallible>(response.map(|body| CountedBody::new(body, begun)))
        }
    });
    #[cfg(feature = "http")]
    if settings.http1 && !http1::is_http2(&stream, settings).await? {
        let ends = (passed(max_age(settings)), idle(calls));
        return http1::serve(stream, service, settings, drain, ends).await;
    }
    let http2 = &settings.http2;
    let max_header_list_size = u32::try_from(http2.max_header_list_size.bytes());
    let mut builder = http2::Builder::new(Tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(http2.max_concurrent_streams)
        .max_header_list_size(max_header_list_size.unwrap_or(u32::MAX))
        .keep_alive_interval(http2.keep_alive_interval.non_zero())
        .keep_alive_timeout(http2.keep_alive_timeout.get());
    let (stream, closing) = Lingering::new(stream);
    let stream = Guarded::new(stream, settings.rules, begin);
    {
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
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
            () = passed(max_age(settings)) => Some(End::Age),
            () = idle(calls) => Some(End::Idle),
        };
        if let Some(end) = end {
            metrics::ended(end);
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                result = &mut connection => result?,
                () = passed(settings.connections.max_age_grace.non_zero()) => {
                    tracing::debug!(%peer, "calls on an old connection are cut");
                }
            }
        }
    }
    closing.close().await;
    Ok(())
}

/// The handshake of TLS, where there is TLS.
async fn handshake(
    stream: TcpStream,
    settings: &Settings,
) -> Result<(Stream, Option<PeerIdentity>), Box<dyn StdError + Send + Sync>> {
    let Some(tls) = &settings.tls else {
        return Ok((Stream::Plain(stream), None));
    };
    tokio::select! {
        accepted = tls.accept(stream) => accepted.map_err(|error| {
            metrics::ended(End::Tls);
            error.into()
        }),
        () = passed(settings.connections.handshake_timeout.non_zero()) => {
            metrics::ended(End::Handshake);
            Err(End::Handshake.into())
        }
    }
}

/// How old this connection gets.
fn max_age(settings: &Settings) -> Option<Duration> {
    let age = settings.connections.max_age.non_zero();
    age.map(|age| jittered(age, random()))
}

/// Waits for `time`; for ever when there is none.
async fn passed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Waits until there was no call for as long as there may be none; for ever when that has no limit.
async fn idle(calls: Option<(Arc<Calls>, Duration)>) {
    match calls {
        Some((calls, max_idle)) => calls.idle_for(max_idle).await,
        None => std::future::pending().await,
    }
}

/// `age`, more or less. `random` is from 0 to 1.
fn jittered(age: Duration, random: f64) -> Duration {
    age.mul_f64(1.0 + AGE_JITTER * (2.0 * random - 1.0))
}

/// A number from 0 to 1. Not for secrets.
fn random() -> f64 {
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(0_u8) as u32;
    f64::from(bits) / f64::from(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_a_tenth() {
        let age = Duration::from_secs(100);
        assert_eq!(jittered(age, 0.0), Duration::from_secs(90));
        assert_eq!(jittered(age, 0.5), age);
        assert_eq!(jittered(age, 1.0), Duration::from_secs(110));
        assert!((0..100).all(|_| (0.0..=1.0).contains(&random())));
    }
}
