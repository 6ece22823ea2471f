//! The engine on the `h2` crate: a general client of HTTP/2 that many have used for long.
//!
//! It costs several times the processor time of the [native](super::native) engine, and is what that one is
//! held against: both must find the same of every server.

mod exchange;

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use http::{HeaderName, HeaderValue, Uri};
use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout_at;

use self::exchange::{Made, NotTaken, exchange};
use super::alarm::OnPanic;
use super::ledger::{Ledger, timed_out, unavailable};
use super::line::{ATTEMPTS, Backoff, Call, Line, brief};
use super::pacer::until;
use crate::bench::stats::Ended;
use crate::client::connect::{self, ConnectError, FirstBytes, Sniffed, Transport};
use crate::client::status;
use crate::client::target::Endpoint;
use crate::code::Code;

/// How much a server may send on a stream before it is read; large, for reading is all we do.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same for a connection.
const CONNECTION_WINDOW: u32 = 1 << 30;
/// The largest frame that a server may send.
const LARGEST_FRAME: u32 = 1 << 20;

type Io = Connection<Sniffed<Box<dyn Transport>>, Bytes>;

/// One connection, or the lack of it.
pub(in crate::bench::engine) struct Link {
    ledger: Rc<Ledger>,
    uri: Uri,
    endpoint: Endpoint,
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
    /// Callers, in a closed loop.
    employed: Cell<usize>,
    /// Callers that are to go when their calls end.
    leaving: Cell<usize>,
    /// Calls that have a place.
    calls: Cell<usize>,
    /// Told when there may be room for a call.
    room: Notify,
}

/// The place of a call on a connection; free again when dropped.
struct Place(Rc<Link>);

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
    /// Makes calls, one after the other.
    async fn caller(self: Rc<Self>) {
        let ledger = &self.ledger;
        let _alarm = OnPanic(|| ledger.died.notify_one());
        let ends = ledger.clock().ends;
        let mut now = Instant::now();
        let mut is_limited = false;
        while !ledger.is_over() && ends.is_none_or(|end| now < end) {
            if self.leaving.get() > 0 {
                self.leaving.set(self.leaving.get() - 1);
                return;
            }
            if !self.has_room() {
                if now >= ledger.clock().measured_from && !is_limited {
                    is_limited = true;
                    ledger.recorder.borrow_mut().limited += 1;
                }
                tokio::select! {
                    () = self.room() => {}
                    () = ledger.over.notified() => {}
                    () = until(ends) => {}
                }
                now = Instant::now();
                continue;
            }
            let Some(measured) = ledger.admit(now) else {
                self.pass_on();
                return;
            };
            let call = ledger.take_off(now, measured);
            let place = self.take();
            now = self.call(call).await;
            drop(place);
            is_limited = false;
            if self.down().is_some() {
                // Without a connection a call fails at once: one for each attempt to connect is enough.
                tokio::select! {
                    () = self.changed() => {}
                    () = ledger.over.notified() => {}
                    () = until(ends) => {}
                }
                now = Instant::now();
            }
        }
    }

    /// Makes one call; gives the time of its end.
    async fn call(&self, mut call: Call) -> Instant {
        let job = &self.ledger.job;
        let until = call.sent + job.plan.timeout;
        let made = self.made(&mut call);
        let ended = match timeout_at(until.into(), self.attempt(&mut call, &made)).await {
            Ok(ended) => ended,
            Err(_) => timed_out(job),
        };
        let end = Instant::now();
        if let (Code::OK, Some(kept)) = (ended.code, &made.kept) {
            self.ledger.look(&kept.borrow());
        }
        self.ledger.land(&call, &ended, end);
        self.ledger.announce();
        end
    }

    /// What a call carries.
    fn made(&self, call: &mut Call) -> Made {
        let job = &self.ledger.job;
        let kept = self.ledger.samples(call).then(RefCell::default);
        if job.payload.is_fixed() {
            return Made {
                body: job.payload.fixed.clone(),
                headers: job.headers.clone(),
                kept,
            };
        }
        let mut headers = job.headers.clone();
        let body = self.ledger.make(call, |name, value| {
            // Names were given as names, and values are printable.
            if let (Ok(name), Ok(value)) = (name.parse(), HeaderValue::from_bytes(value)) {
                headers.append::<HeaderName>(name, value);
            }
        });
        Made {
            body: Bytes::copy_from_slice(&body),
            headers,
            kept,
        }
    }

    /// Sends a call until the server takes it.
    async fn attempt(&self, call: &mut Call, made: &Made) -> Ended {
        let mut attempts = 0;
        loop {
            let (sender, generation) = match self.sender().await {
                Ok(up) => up,
                Err(why) => return unavailable(why),
            };
            match exchange(sender, &self.ledger, &self.uri, (call, made)).await {
                Ok(ended) => return ended,
                Err(NotTaken { why, is_spent }) => {
                    if is_spent {
                        self.retire(generation);
                    }
                    attempts += 1;
                    if attempts == ATTEMPTS {
                        return unavailable(why);
                    }
                    if call.measured {
                        self.ledger.recorder.borrow_mut().resent += 1;
                    }
                }
            }
        }
    }

    /// A way to make a call and the generation of its connection, or why there is none. Waits while an
    /// attempt to connect is under way.
    async fn sender(&self) -> Result<(SendRequest<Bytes>, u64), String> {
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

    /// Waits until there may be room for one more; whoever has no use for it passes it on.
    async fn room(&self) {
        self.room.notified().await;
    }

    /// Wakes another one who waits for room.
    fn pass_on(&self) {
        self.room.notify_one();
    }

    /// Takes a place for a call.
    fn take(self: &Rc<Self>) -> Place {
        self.calls.set(self.calls.get() + 1);
        Place(Rc::clone(self))
    }

    /// Says that the connection of this generation takes no more calls.
    fn retire(&self, generation: u64) {
        self.spent.set(generation);
        if self.generation.get() == generation {
            self.set(State::Connecting);
            self.is_spent.notify_one();
        }
    }

    /// Waits for the next attempt to connect to succeed or fail.
    async fn changed(&self) {
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
                        spawn_local(connection);
                        return;
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<(SendRequest<Bytes>, Io), ConnectError> {
        let opened = connect::open(&self.endpoint, self.ledger.job.tls.as_ref()).await?;
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

impl Line for Link {
    fn new(ledger: &Rc<Ledger>, number: usize) -> Rc<Self> {
        let endpoint = ledger.job.endpoint(number).clone();
        Rc::new(Self {
            uri: ledger.job.uri(&endpoint),
            endpoint,
            ledger: Rc::clone(ledger),
            state: RefCell::new(State::Connecting),
            changed: Notify::new(),
            generation: Cell::new(0),
            spent: Cell::new(0),
            is_spent: Notify::new(),
            lost: Cell::new(0),
            employed: Cell::new(0),
            leaving: Cell::new(0),
            calls: Cell::new(0),
            room: Notify::new(),
        })
    }

    async fn keep_up(self: Rc<Self>, first: oneshot::Sender<Result<(), ConnectError>>) {
        let mut first = Some(first);
        let mut backoff = Backoff::default();
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
                    backoff.ended(born.elapsed(), false);
                }
                Err(error) => {
                    self.go_down(brief(&error));
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(error));
                    }
                }
            }
            backoff.pause().await;
        }
    }

    fn employ(self: &Rc<Self>, callers: usize) {
        let before = self.employed.replace(callers);
        let staying = callers.saturating_sub(before).min(self.leaving.get());
        let leaving = self.leaving.get() - staying + before.saturating_sub(callers);
        self.leaving.set(leaving);
        for _ in 0..callers.saturating_sub(before) - staying {
            spawn_local(Rc::clone(self).caller());
        }
    }

    fn dispatch(self: &Rc<Self>, call: Call) {
        let place = self.take();
        let link = Rc::clone(self);
        spawn_local(async move {
            let _alarm = OnPanic(|| link.ledger.died.notify_one());
            link.call(call).await;
            drop(place);
        });
    }

    fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    fn has_room(&self) -> bool {
        match &*self.state.borrow() {
            // Beyond what the server allows, `h2` queues calls in the client.
            State::Up(sender) => match sender.current_max_send_streams() {
                // It takes none for now: calls wait for it, until they time out.
                0 => true,
                most => self.calls.get() < most,
            },
            State::Connecting | State::Down { .. } => true,
        }
    }

    fn down(&self) -> Option<(Duration, String)> {
        match &*self.state.borrow() {
            State::Down { since, why } => Some((since.elapsed(), why.clone())),
            State::Up(_) | State::Connecting => None,
        }
    }

    fn lost(&self) -> u64 {
        self.lost.get()
    }
}
