//! A connection that is kept up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use arc_swap::{ArcSwapOption, Guard};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::metrics::Counted;
use super::{RequestBody, Settings, error};
use crate::registry::Backoff;
use crate::tls::Stream;

/// A connection that lasted as long was a good one: the next attempt is made at once.
const STABLE: Duration = Duration::from_secs(1);

pub(super) type Sender = http2::SendRequest<RequestBody>;

/// The sender of a connection at one time. It is not for keeping.
#[derive(Debug)]
pub(super) struct CurrentSender(Guard<Option<Arc<Sender>>>);

impl CurrentSender {
    /// For keeping. A pick is faster without it.
    pub(super) fn get(&self) -> Sender {
        let sender = self.0.as_deref();
        sender.expect("there is one, as `sender` has seen").clone()
    }
}

/// A connection to one address, made ahead of the calls and anew whenever it ends, until this is dropped. Calls that are
/// then in flight still end on it.
pub(super) struct Connection {
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    sender: ArcSwapOption<Sender>,
    status: Mutex<Status>,
}

struct Status {
    /// Why there is no connection.
    problem: Option<String>,
    counted: Counted,
}

impl Connection {
    pub(super) fn open(address: SocketAddr, settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            sender: ArcSwapOption::empty(),
            status: Mutex::new(Status {
                problem: Some("connecting".to_owned()),
                counted: settings.metrics.clone().counted(),
            }),
        });
        let task = tokio::spawn(keep(address, settings, Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    /// What sends on the connection, if there is one.
    pub(super) fn sender(&self) -> Option<CurrentSender> {
        let sender = self.shared.sender.load();
        // After GOAWAY or an error it is closed before the task has seen it.
        let is_ready = sender.as_ref().is_some_and(|sender| sender.is_ready());
        is_ready.then_some(CurrentSender(sender))
    }

    /// Why there is no connection; `None` when there is one.
    pub(super) fn problem(&self) -> Option<String> {
        self.shared.status().problem.clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("problem", &self.problem())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn connected(&self, sender: Sender) {
        self.sender.store(Some(Arc::new(sender)));
        let mut status = self.status();
        status.problem = None;
        status.counted.set_connected(true);
    }

    fn fail(&self, problem: String) {
        self.sender.store(None);
        let mut status = self.status();
        status.problem = Some(problem);
        status.counted.set_connected(false);
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, waits for the end of the connection, and begins again.
async fn keep(address: SocketAddr, settings: Settings, shared: Arc<Shared>) {
    let mut backoff = Backoff::new(settings.min_backoff, settings.max_backoff);
    loop {
        match connect(address, &settings).await {
            Ok((sender, connection)) => {
                let begin = Instant::now();
                shared.connected(sender);
                settings.news.notify_waiters();
                tracing::debug!(%address, "connected");
                // In a task of its own, it outlives this one.
                let end = tokio::spawn(connection).await;
                let problem = match end {
                    Ok(Err(error)) => error::chain(&error),
                    Ok(Ok(())) | Err(_) => "closed by the server".to_owned(),
                };
                tracing::debug!(%address, problem, "disconnected");
                shared.fail(format!("disconnected: {problem}"));
                if begin.elapsed() >= STABLE {
                    backoff.reset();
                    continue;
                }
            }
            Err(problem) => {
                tracing::debug!(%address, problem, "failed to connect");
                shared.fail(problem);
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

type Driver = http2::Connection<TokioIo<Stream>, RequestBody, TokioExecutor>;

/// # Errors
/// What went wrong, to be shown.
async fn connect(address: SocketAddr, settings: &Settings) -> Result<(Sender, Driver), String> {
    let connect = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let stream = match &settings.tls {
            Some(tls) => {
                // Where there is no name, the address has to be in the certificate.
                let host = settings.authority.as_ref().map(|it| it.host().to_owned());
                let host = host.unwrap_or_else(|| address.ip().to_string());
                tls.connect(stream, &host).await?
            }
            None => Stream::Plain(stream),
        };
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(settings.keep_alive_interval)
            .keep_alive_timeout(settings.keep_alive_timeout);
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        handshake.map_err(io::Error::other)
    };
    match tokio::time::timeout(settings.connect_timeout, connect).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!(
            "no connection within {:?}",
            settings.connect_timeout
        )),
    }
}
