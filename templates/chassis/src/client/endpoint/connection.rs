//! A connection that is kept up.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use arc_swap::{ArcSwapOption, Guard};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior};

use super::dialing::{Dialing, Probing};
use super::metrics::Counted;
use super::pulse::{Felt, Pulse, Questions};
use super::{Settings, error};
use crate::client::retry::AttemptBody;
use crate::task::{self, Tasks};
use crate::tls::Stream;

/// A connection that lasted as long was a good one: the next attempt is made at once.
const STABLE: Duration = Duration::from_secs(1);

/// How often one looks whether a connection is silent: it is suspected after one to two of these.
const LOOK: Duration = Duration::from_millis(250);

pub(super) type Sender = http2::SendRequest<AttemptBody>;

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

/// A connection to one address, made ahead of the calls and anew whenever it ends, until the last clone of this is
/// dropped. Calls that are then in flight still end on it.
#[derive(Clone)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    _task: Arc<Keeper>,
}

/// What keeps a connection up, until this is dropped.
struct Keeper(AbortHandle);

struct Shared {
    address: SocketAddr,
    sender: ArcSwapOption<Sender>,
    /// Calls wait for an answer, and nothing comes.
    is_silent: AtomicBool,
    status: Mutex<Status>,
}

struct Status {
    /// Why there is no connection.
    problem: Option<String>,
    counted: Counted,
}

impl Connection {
    /// A connection to `address`, whose calls are counted in `questions`.
    pub(super) fn open(address: SocketAddr, settings: Settings, questions: Arc<Questions>) -> Self {
        let shared = Arc::new(Shared {
            address,
            sender: ArcSwapOption::empty(),
            is_silent: AtomicBool::new(false),
            status: Mutex::new(Status {
                problem: Some("connecting".to_owned()),
                counted: settings.metrics.clone().counted(),
            }),
        });
        let task = task::spawn(keep(settings, questions, Arc::clone(&shared))).abort_handle();
        Self {
            shared,
            _task: Arc::new(Keeper(task)),
        }
    }

    /// What sends on the connection, if there is one.
    pub(super) fn sender(&self) -> Option<CurrentSender> {
        let sender = self.shared.sender.load();
        // After GOAWAY or an error it is closed before the task has seen it.
        let is_ready = sender.as_ref().is_some_and(|sender| sender.is_ready());
        is_ready.then_some(CurrentSender(sender))
    }

    /// Whether calls had better go elsewhere, because nothing is heard from the other side.
    pub(super) fn is_silent(&self) -> bool {
        self.shared.is_silent.load(Ordering::Relaxed)
    }

    /// Why there is no connection; `None` when there is one.
    pub(super) fn problem(&self) -> Option<String> {
        self.shared.status().problem.clone()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
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
        self.is_silent.store(false, Ordering::Relaxed);
        let mut status = self.status();
        status.problem = Some(problem);
        status.counted.set_connected(false);
    }

    fn set_silent(&self, is_silent: bool) {
        let was_silent = self.is_silent.swap(is_silent, Ordering::Relaxed);
        if is_silent && !was_silent {
            tracing::debug!(endpoint = %self.address, "nothing is heard from it, preferring others");
        }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects, waits for the end of the connection, and begins again.
async fn keep(settings: Settings, questions: Arc<Questions>, shared: Arc<Shared>) {
    let address = shared.address;
    let mut probing = Probing::default();
    let mut configured = **settings.dialing.load();
    let mut backoff = configured.backoff();
    loop {
        let now = **settings.dialing.load();
        if now != configured {
            configured = now;
            backoff = configured.backoff();
        }
        let dialing = Dialing {
            keep_alive_interval: probing.interval(configured.keep_alive_interval),
            ..configured
        };
        match connect(address, &settings, &dialing, &questions).await {
            Ok((sender, connection, pulse)) => {
                let begin = Instant::now();
                shared.connected(sender);
                settings.news.notify_waiters();
                tracing::debug!(%address, "connected");
                // In a task of its own, it outlives this one.
                let driver = task::spawn(connection);
                let end = watch(driver, &pulse, &dialing, &shared).await;
                if let Some(interval) = dialing.keep_alive_interval {
                    if end.as_ref().is_err_and(error::is_too_many_pings) {
                        let interval = probing.objected(interval);
                        tracing::warn!(%address, ?interval, "PING too often, probing it less");
                    } else {
                        probing.ended(interval, begin.elapsed());
                    }
                }
                let problem = match end {
                    Err(error) => error::chain(&error),
                    Ok(End::Unanswered) => {
                        format!("no answer to PING in {:?}", dialing.keep_alive_timeout)
                    }
                    Ok(End::Closed) => "closed by the server".to_owned(),
                    Ok(End::Broken) => "its task has panicked".to_owned(),
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
        tokio::time::sleep(backoff.delay()).await;
    }
}

/// How a connection ended that did not fail.
enum End {
    /// The server said so, or said nothing more.
    Closed,
    /// The server said nothing at all, so that a PING was given up.
    Unanswered,
    /// What drives the connection ended by itself.
    Broken,
}

/// Waits for the end of a connection, and says meanwhile whether it is silent. Only where PING tells
/// in the end who is slow and who hangs, silence means anything.
async fn watch(
    mut driver: JoinHandle<hyper::Result<()>>,
    pulse: &Pulse,
    dialing: &Dialing,
    shared: &Shared,
) -> hyper::Result<End> {
    let is_probed = dialing.keep_alive_interval.is_some();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = pulse.look();
    loop {
        tokio::select! {
            // A panic was reported by the hook.
            end = &mut driver => return end.map_or(Ok(End::Broken), |end| end.map(|()| {
                match is_probed && pulse.look().is_quiet_since(last) {
                    true => End::Unanswered,
                    false => End::Closed,
                }
            })),
            _ = looks.tick() => {
                let look = pulse.look();
                shared.set_silent(is_probed && look.is_silent_since(last));
                last = look;
            }
        }
    }
}

type Driver = http2::Connection<TokioIo<Felt<Stream>>, AttemptBody, Tasks>;

/// # Errors
/// What went wrong, to be shown.
async fn connect(
    address: SocketAddr,
    settings: &Settings,
    dialing: &Dialing,
    questions: &Arc<Questions>,
) -> Result<(Sender, Driver, Arc<Pulse>), String> {
    let pulse = Arc::new(Pulse::new(Arc::clone(questions)));
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
        let mut builder = http2::Builder::new(Tasks);
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(dialing.keep_alive_interval)
            .keep_alive_timeout(dialing.keep_alive_timeout);
        let stream = Felt::new(stream, Arc::clone(&pulse));
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (sender, mut driver) = handshake.map_err(io::Error::other)?;
        tokio::select! {
            biased;
            () = pulse.first() => Ok((sender, driver)),
            end = &mut driver => match end {
                Ok(()) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => Err(io::Error::other(error)),
            }
        }
    };
    match tokio::time::timeout(dialing.connect_timeout, connect).await {
        Ok(Ok((sender, driver))) => Ok((sender, driver, pulse)),
        Ok(Err(error)) => Err(error::chain(&error)),
        Err(_) => Err(format!(
            "no connection within {:?}",
            dialing.connect_timeout
        )),
    }
}
