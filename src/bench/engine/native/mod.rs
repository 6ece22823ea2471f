//! The engine of our own: [`http2`](crate::bench::http2) on the transports of [`connect`], a task for each
//! connection rather than for each call.
//!
//! A wake-up reads what is there, looks at the clock once, ends and begins calls, and writes once.

mod callers;
mod streams;
mod wire;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::{sleep_until, timeout};

use self::wire::{Fate, Wire};
use super::Job;
use super::alarm::OnPanic;
use super::ledger::{Ledger, timed_out, unavailable};
use super::line::{ATTEMPTS, Backoff, Call, Line, brief};
use crate::bench::http2::{Finished, How, Request};
use crate::client::CONNECT_TIMEOUT;
use crate::client::connect::{self, ConnectError};
use crate::client::target::Endpoint;
use crate::code::Code;

/// Calls are given up in steps of this, as the timers of the runtime are no finer.
const GRAIN: Duration = Duration::from_millis(1);

/// One connection, or the lack of it, and its calls.
pub(in crate::bench::engine) struct Link {
    ledger: Rc<Ledger>,
    endpoint: Endpoint,
    request: Arc<Request>,
    state: RefCell<State>,
    /// All connections that carry calls: that of the state, and those that take no more.
    wires: RefCell<Vec<Rc<Wire>>>,
    /// Calls that wait to be sent.
    waiting: RefCell<VecDeque<Call>>,
    /// Callers, in a closed loop.
    employed: Cell<usize>,
    /// Those of them that have no call in flight.
    idle: Cell<usize>,
    /// Callers that are to go when their calls end.
    leaving: Cell<usize>,
    /// Those of them that are known to wait for the server's limit.
    limited: Cell<usize>,
    lost: Cell<u64>,
    /// Where finished calls are put on their way to the ledger.
    finished: RefCell<Vec<Finished<Call>>>,
}

/// As gRPC's channels: calls wait for an attempt to connect, and fail at once after one has failed.
enum State {
    Up(Rc<Wire>),
    Connecting,
    Down { since: Instant, why: String },
}

impl Line for Link {
    fn new(ledger: &Rc<Ledger>, number: usize) -> Rc<Self> {
        let endpoint = ledger.job.endpoint(number).clone();
        Rc::new(Self {
            request: Arc::new(request(&ledger.job, &endpoint)),
            ledger: Rc::clone(ledger),
            endpoint,
            state: RefCell::new(State::Connecting),
            wires: RefCell::default(),
            waiting: RefCell::default(),
            employed: Cell::new(0),
            idle: Cell::new(0),
            leaving: Cell::new(0),
            limited: Cell::new(0),
            lost: Cell::new(0),
            finished: RefCell::default(),
        })
    }

    async fn keep_up(self: Rc<Self>, first: oneshot::Sender<Result<(), ConnectError>>) {
        let _alarm = OnPanic(|| self.ledger.died.notify_one());
        spawn_local(Rc::clone(&self).give_up_late_calls());
        let mut first = Some(first);
        let mut backoff = Backoff::default();
        loop {
            match self.connect().await {
                Ok(wire) => {
                    let born = Instant::now();
                    self.wires.borrow_mut().push(Rc::clone(&wire));
                    let talk = Rc::clone(&wire).keep_talking(Rc::clone(&self.ledger));
                    spawn_local(talk);
                    self.state.replace(State::Up(Rc::clone(&wire)));
                    if let Some(first) = first.take() {
                        // The worker may have been told to stop meanwhile.
                        let _ = first.send(Ok(()));
                    }
                    self.refill(born);
                    let fate = wire.drive(&self, true).await;
                    self.state.replace(State::Connecting);
                    self.lost.set(self.lost.get() + 1);
                    // A server that limits the calls of a connection is not to be waited for.
                    let was_of_use = matches!(fate, Fate::Spent) && wire.has_ended_calls();
                    backoff.ended(born.elapsed(), was_of_use);
                    self.leave(wire, fate);
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
        self.hire(callers);
        self.refill(Instant::now());
        self.wake();
    }

    fn dispatch(self: &Rc<Self>, call: Call) {
        match &*self.state.borrow() {
            State::Up(wire)
                if self.waiting.borrow().is_empty() && wire.start(&self.ledger, call) =>
            {
                wire.wake();
            }
            State::Up(_) | State::Connecting => self.waiting.borrow_mut().push_back(call),
            State::Down { why, .. } => {
                self.ledger
                    .land(&call, &unavailable(why.clone()), call.sent);
                self.ledger.announce();
            }
        }
    }

    fn is_up(&self) -> bool {
        matches!(&*self.state.borrow(), State::Up(_))
    }

    fn has_room(&self) -> bool {
        match &*self.state.borrow() {
            State::Up(wire) => wire.is_closed() || wire.room() > self.waiting.borrow().len(),
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

impl Link {
    async fn connect(self: &Rc<Self>) -> Result<Rc<Wire>, ConnectError> {
        let opened = connect::open(&self.endpoint, self.ledger.job.tls.as_ref()).await?;
        let mut greeting = pin!(opened.greeting.wait());
        let wire = Wire::new(opened.transport, Arc::clone(&self.request));
        let mut greeted = pin!(wire.greet(self));
        let outcome = tokio::select! {
            biased;
            outcome = &mut greeted => match outcome {
                Ok(()) => return Ok(Rc::clone(&wire)),
                // What came first may tell more.
                Err(problem) => greeting.await.map(|()| Err(problem))?,
            },
            heard = &mut greeting => {
                heard?;
                timeout(CONNECT_TIMEOUT, greeted).await.map_err(|_| ConnectError::Silent {
                    endpoint: self.endpoint.clone(),
                    limit: CONNECT_TIMEOUT,
                })?
            }
        };
        match outcome {
            Ok(()) => Ok(Rc::clone(&wire)),
            Err(problem) => Err(ConnectError::Broken {
                endpoint: self.endpoint.clone(),
                problem,
            }),
        }
    }

    /// What becomes of a connection that takes no more calls.
    fn leave(self: &Rc<Self>, wire: Rc<Wire>, fate: Fate) {
        match fate {
            Fate::Lost(why) => self.bury(&wire, why),
            Fate::Spent => {
                let link = Rc::clone(self);
                spawn_local(async move {
                    let _alarm = OnPanic(|| link.ledger.died.notify_one());
                    let why = match wire.drive(&link, false).await {
                        Fate::Lost(why) => why,
                        Fate::Spent => String::new(),
                    };
                    link.bury(&wire, why);
                });
            }
        }
    }

    /// A connection is gone, and with it its calls.
    fn bury(&self, wire: &Rc<Wire>, why: String) {
        let now = Instant::now();
        self.wires
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, wire));
        wire.lose(why);
        self.settle(wire, now);
        self.refill(now);
    }

    fn go_down(&self, why: String) {
        let now = Instant::now();
        let since = match &*self.state.borrow() {
            State::Down { since, .. } => *since,
            State::Up(_) | State::Connecting => now,
        };
        let ended = unavailable(why.clone());
        self.state.replace(State::Down { since, why });
        for call in self.waiting.take() {
            self.land(&call, now, &ended);
        }
        // Without a connection a call fails at once: one for each attempt to connect is enough.
        for _ in 0..self.idle.get() {
            let Some(measured) = self.ledger.admit(now) else {
                break;
            };
            let call = self.ledger.take_off(now, measured);
            self.ledger.land(&call, &ended, now);
        }
        self.ledger.announce();
    }

    /// Counts the calls that ended on a connection.
    fn settle(&self, wire: &Wire, now: Instant) {
        let mut finished = self.finished.borrow_mut();
        wire.finished(&mut finished);
        if finished.is_empty() {
            return;
        }
        for ended in finished.drain(..) {
            let Finished {
                mut call,
                how,
                kept,
                ..
            } = ended;
            match how {
                How::Ended(ended) => {
                    if let (Code::OK, Some(kept)) = (ended.code, kept) {
                        self.ledger.look(&kept);
                    }
                    self.land(&call, now, &ended);
                }
                How::NotTaken(why) if call.refusals + 1 == ATTEMPTS => {
                    self.land(&call, now, &unavailable(why));
                }
                How::NotTaken(_) => {
                    call.refusals += 1;
                    self.ledger.recorder.borrow_mut().resent += u64::from(call.measured);
                    self.waiting.borrow_mut().push_back(call);
                }
            }
        }
        self.ledger.announce();
    }

    fn land(&self, call: &Call, now: Instant, ended: &crate::bench::stats::Ended) {
        self.ledger.land(call, ended, now);
        self.come_back();
    }

    /// Has the connection write what calls left with it.
    fn wake(&self) {
        if let State::Up(wire) = &*self.state.borrow() {
            wire.wake();
        }
    }

    /// Gives up the calls that take too long. All have the same time, so that no call is over before
    /// those that were sent before it, and one timer is enough.
    async fn give_up_late_calls(self: Rc<Self>) {
        let _alarm = OnPanic(|| self.ledger.died.notify_one());
        let limit = self.ledger.job.plan.timeout;
        let ended = timed_out(&self.ledger.job);
        let mut late = Vec::new();
        loop {
            let now = Instant::now();
            let is_late = |call: &Call| call.sent + limit <= now;
            let mut oldest = now;
            for wire in &*self.wires.borrow() {
                oldest = oldest.min(wire.cancel(is_late, &mut late));
            }
            self.waiting.borrow_mut().retain(|call| {
                if is_late(call) {
                    late.push(*call);
                } else {
                    oldest = oldest.min(call.sent);
                }
                !is_late(call)
            });
            if !late.is_empty() {
                late.drain(..)
                    .for_each(|call| self.land(&call, now, &ended));
                self.ledger.announce();
                self.refill(now);
                self.wake();
            }
            sleep_until((oldest + limit).max(now + GRAIN).into()).await;
        }
    }
}

/// The job's call as the server of an endpoint takes it.
fn request(job: &Job, endpoint: &Endpoint) -> Request {
    let text = |text: &str| text.as_bytes().to_vec();
    let pseudo = [
        (":method", "POST"),
        (":scheme", endpoint.scheme()),
        (":path", &job.path),
        (":authority", &endpoint.authority()),
    ];
    let pseudo = pseudo.map(|(name, value)| (text(name), text(value)));
    let rest = job.headers.iter();
    let rest = rest.map(|(name, value)| (text(name.as_str()), value.as_bytes().to_vec()));
    Request {
        headers: pseudo.into_iter().chain(rest).collect(),
        body: job.payload.fixed.clone(),
        one_response: job.one_response,
        accepts_compressed: job.accepts_compressed,
        tells_messages: job.is_stream,
    }
}
