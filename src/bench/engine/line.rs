//! What the engines have in common: a connection that comes back when it is lost, and calls on it.

use std::error::Error as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::ledger::Ledger;
use crate::client::connect::ConnectError;

/// How often a call that the server does not take is sent.
pub(super) const ATTEMPTS: u8 = 3;
/// The wait before the second attempt to come back; the first is made at once.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lived for so long was a good one: the next attempt is made at once.
const GOOD_LIFE: Duration = Duration::from_secs(1);

/// A call that was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// When it should have been sent: latency counts from here.
    pub intended: Instant,
    /// When it was.
    pub sent: Instant,
    /// Whether it counts.
    pub measured: bool,
    /// How often the server did not take it.
    pub refusals: u8,
    /// Which it is of those of the bench.
    pub number: u64,
    /// How many messages were sent for it.
    pub messages: u32,
    /// Their bytes, with their prefixes.
    pub bytes: u32,
}

/// A connection that comes back when it is lost, and calls on it.
pub(super) trait Line: Sized + 'static {
    /// The connection with this number of those of a worker's bench.
    fn new(ledger: &Rc<Ledger>, number: usize) -> Rc<Self>;

    /// Connects, again and again; tells the outcome of the first attempt. Runs until it is dropped.
    async fn keep_up(self: Rc<Self>, first: oneshot::Sender<Result<(), ConnectError>>);

    /// Has so many callers from now on each make a call and wait for its answer before the next; those that are
    /// too many go when their calls end.
    fn employ(self: &Rc<Self>, callers: usize);

    /// Makes one call, which took off.
    fn dispatch(self: &Rc<Self>, call: Call);

    /// Whether there is a connection.
    fn is_up(&self) -> bool;

    /// Whether the server takes another call at once (RFC 9113, 5.1.2, SETTINGS_MAX_CONCURRENT_STREAMS):
    /// what waits in the client for that is no time of the service.
    fn has_room(&self) -> bool;

    /// For how long there has been no connection, and why.
    fn down(&self) -> Option<(Duration, String)>;

    /// How many connections ended.
    fn lost(&self) -> u64;
}

/// How long to wait before the next attempt to connect.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    wait: Duration,
}

impl Backoff {
    /// A connection that was of use ended; one that lived long enough always was.
    pub(super) fn ended(&mut self, life: Duration, was_of_use: bool) {
        if was_of_use || life >= GOOD_LIFE {
            self.wait = Duration::ZERO;
        }
    }

    /// Waits, each time longer.
    pub(super) async fn pause(&mut self) {
        sleep(self.wait).await;
        self.wait = (self.wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
    }
}

/// An error and its innermost cause on one line.
pub(super) fn brief(error: &ConnectError) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match error.source() {
        Some(_) => format!("{error}: {innermost}"),
        None => error.to_string(),
    }
}
