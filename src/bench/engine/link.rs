//! One connection that comes back when it is lost, at once and then with back-off.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::Uri;
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep;

use super::Job;
use crate::client::connect::{self, ConnectError, FirstBytes, Sniffed, Transport};
use crate::client::status;
use crate::client::target::Endpoint;

/// The wait before the second attempt to come back; the first is made at once.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lived for so long was a good one: the next attempt is made at once.
const GOOD_LIFE: Duration = Duration::from_secs(1);
/// How much a server may send on a stream before it is read; large, for reading is all we do.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same for a connection.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// The largest frame that a server may send.
const LARGEST_FRAME: u32 = 1 << 20;

type Io = Connection<Sniffed<Box<dyn Transport>>, Bytes>;

/// One connection, or the lack of it.
pub(super) struct Link {
    pub(super) uri: Uri,
    endpoint: Endpoint,
    job: Arc<Job>,
    state: RefCell<State>,
    /// Told whenever the state changed.
    changed: Notify,
    /// The number of the connection.
    generation: Cell<u64>,
    /// The number of the last connection that took no more calls.
    spent: Cell<u64>,
    /// Told when that changed.
    is_spent: Notify,
    lost: Cell<u64>,
    /// Calls that have a place.
    calls: Cell<usize>,
    /// Told when there may be room for a call.
    room: Notify,
}

/// The place of a call on a connection; free again when dropped.
pub(super) struct Place(Rc<Link>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get() - 1);
        self.0.room.notify_one();
    }
}

/// As gRPC's channels: calls wait for an attempt to connect, and fail at once after one has failed.
enum State {
    Up(SendRequest<Bytes>),
    Connecting,
    Down { since: Instant, why: String },
}

impl Link {
    pub(super) fn new(job: &Arc<Job>, number: usize) -> Rc<Self> {
        let endpoint = job.endpoints[number % job.endpoints.len()].clone();
        Rc::new(Self {
            uri: job.uri(&endpoint),
            endpoint,
            job: Arc::clone(job),
            state: RefCell::new(State::Connecting),
            changed: Notify::new(),
            generation: Cell::new(0),
            spent: Cell::new(0),
            is_spent: Notify::new(),
            lost: Cell::new(0),
            calls: Cell::new(0),
            room: Notify::new(),
        })
    }

    /// A way to make a call and the generation of its connection, or why there is none. Waits while an
    /// attempt to connect is under way.
    pub(super) async fn sender(&self) -> Result<(SendRequest<Bytes>, u64), String> {
        loop {
            let changed = self.changed.notified();
            match &*self.state.borrow() {
                State::Up(sender) => return Ok((sender.clone(), self.generation.get())),
                State::Down { why, .. } => return Err(why.clone()),
                State::Connecting => {}
            }
            changed.await;
        }
    }

    /// Whether the server takes another call at once. Beyond what it allows (RFC 9113, 5.1.2,
    /// SETTINGS_MAX_CONCURRENT_STREAMS) `h2` queues calls in the client, which is no time of the service.
    pub(super) fn has_room(&self) -> bool {
        match &*self.state.borrow() {
            State::Up(sender) => match sender.current_max_send_streams() {
                // It takes none for now: calls wait for it, until they time out.
                0 => true,
                most => self.calls.get() < most,
            },
            State::Connecting | State::Down { .. } => true,
        }
    }

    /// Waits until there may be room for one more; whoever has no use for it passes it on.
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// Wakes another one who waits for room.
    pub(super) fn pass_on(&self) {
        self.room.notify_one();
    }

    /// Takes a place for a call.
    pub(super) fn take(self: &Rc<Self>) -> Place {
        self.calls.set(self.calls.get() + 1);
        Place(Rc::clone(self))
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    /// For how long there has been no connection, and why.
    pub(super) fn down(&self) -> Option<(Duration, String)> {
        match &*self.state.borrow() {
            State::Down { since, why } => Some((since.elapsed(), why.clone())),
            State::Up(_) | State::Connecting => None,
        }
    }

    /// How many connections ended.
    pub(super) fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// Says that the connection of this generation takes no more calls.
    pub(super) fn retire(&self, generation: u64) {
        self.spent.set(generation);
        if self.generation.get() == generation {
            self.set(State::Connecting);
            self.is_spent.notify_one();
        }
    }

    /// Waits for the next attempt to connect to succeed or fail.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn set(&self, state: State) {
        self.state.replace(state);
        self.changed.notify_waiters();
    }

    fn go_down(&self, why: String) {
        let since = match &*self.state.borrow() {
            State::Down { since, .. } => *since,
            State::Up(_) | State::Connecting => Instant::now(),
        };
        self.set(State::Down { since, why });
    }

    /// Connects, again and again; tells the outcome of the first attempt. Runs until it is dropped.
    pub(super) async fn keep_up(self: Rc<Self>, first: oneshot::Sender<Result<(), ConnectError>>) {
        let mut first = Some(first);
        let mut wait = Duration::ZERO;
        loop {
            match self.connect().await {
                Ok((sender, connection)) => {
                    self.generation.set(self.generation.get() + 1);
                    self.set(State::Up(sender));
                    if let Some(first) = first.take() {
                        // The worker may have been told to stop meanwhile.
                        let _ = first.send(Ok(()));
                    }
                    let born = Instant::now();
                    self.drive(connection).await;
                    self.set(State::Connecting);
                    self.lost.set(self.lost.get() + 1);
                    if born.elapsed() >= GOOD_LIFE {
                        wait = Duration::ZERO;
                    }
                }
                Err(error) => {
                    self.go_down(brief(&error));
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(error));
                    }
                }
            }
            sleep(wait).await;
            wait = (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
        }
    }

    /// Drives a connection until it ends or takes no more calls; one that is spent is driven on in the
    /// background, for the calls that it still carries.
    async fn drive(&self, connection: Io) {
        let mut connection = Box::pin(connection);
        loop {
            tokio::select! {
                // Its calls learn from it why it ended.
                _ = &mut connection => return,
                () = self.is_spent.notified() => {
                    // It may be told of a connection before this one.
                    if self.spent.get() == self.generation.get() {
                        tokio::task::spawn_local(connection);
                        return;
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<(SendRequest<Bytes>, Io), ConnectError> {
        let opened = connect::open(&self.endpoint, self.job.tls.as_ref()).await?;
        let mut greeting = pin!(opened.greeting.wait());
        let closed = || ConnectError::NotHttp2 {
            endpoint: self.endpoint.clone(),
            first: FirstBytes::Closed,
        };
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(LARGEST_FRAME)
            // Servers may cut messages as small as they like: memory is bounded by the windows.
            .data_frame_budget(usize::MAX >> 1)
            // Calls that time out are reset; how many is not a server's misbehaviour.
            .max_concurrent_reset_streams(usize::MAX >> 1)
            .handshake(opened.transport)
            .await
            .map_err(|_| closed())?;
        tokio::select! {
            biased;
            greeted = &mut greeting => greeted?,
            ended = &mut connection => {
                greeting.await?;
                return Err(match ended {
                    Ok(()) => closed(),
                    Err(error) => ConnectError::Broken {
                        endpoint: self.endpoint.clone(),
                        problem: status::of_transport(&error).1,
                    },
                });
            }
        }
        Ok((sender, connection))
    }
}

/// An error and its innermost cause on one line.
fn brief(error: &ConnectError) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error.source() {
        Some(_) => format!("{error}: {innermost}"),
        None => error.to_string(),
    }
}
