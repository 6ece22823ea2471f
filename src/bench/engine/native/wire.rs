//! The I/O of one connection.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::sync::Notify;

use super::Link;
use super::streams::Streams;
use crate::bench::dialogue::Talk;
use crate::bench::engine::ledger::Ledger;
use crate::bench::engine::line::Call;
use crate::bench::http2::{Connection, Finished, Request, put_field};
use crate::client::connect::{Sniffed, Transport};

/// How often is read before others have their turn.
const READS: usize = 16;
/// A server that makes us say so much without reading it is not listened to until it does.
const TOO_MUCH_OUTPUT: usize = 4 << 20;

/// One connection.
pub(super) struct Wire {
    pub(super) connection: RefCell<Connection<Call>>,
    pub(super) streams: RefCell<Streams>,
    /// Told when a message is to be sent where none was.
    pub(super) due: Notify,
    is_lost: Cell<bool>,
    transport: RefCell<Sniffed<Box<dyn Transport>>>,
    /// The task that drives it.
    waker: RefCell<Waker>,
    /// Whether it was told that there is something to do.
    is_woken: Cell<bool>,
    has_ended_calls: Cell<bool>,
}

/// Why a connection is not driven on.
pub(super) enum Fate {
    /// It takes no more calls; it may carry some.
    Spent,
    /// It is gone, and why.
    Lost(String),
}

impl Wire {
    pub(super) fn new(transport: Sniffed<Box<dyn Transport>>, request: Arc<Request>) -> Rc<Self> {
        Rc::new(Self {
            connection: RefCell::new(Connection::new(request)),
            streams: RefCell::default(),
            due: Notify::new(),
            is_lost: Cell::new(false),
            transport: RefCell::new(transport),
            waker: RefCell::new(Waker::noop().clone()),
            is_woken: Cell::new(false),
            has_ended_calls: Cell::new(false),
        })
    }

    /// Exchanges the settings.
    pub(super) async fn greet(&self, link: &Link) -> Result<(), String> {
        poll_fn(|context| match self.poll(link, context) {
            Poll::Ready(why) => Poll::Ready(Err(why)),
            Poll::Pending if self.connection.borrow().is_greeted() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Reads and writes until the connection is lost, or takes no more calls, or, where it is known to,
    /// carries none.
    pub(super) async fn drive(&self, link: &Link, is_current: bool) -> Fate {
        poll_fn(|context| {
            if let Poll::Ready(why) = self.poll(link, context) {
                return Poll::Ready(Fate::Lost(why));
            }
            let connection = self.connection.borrow();
            let is_over = match is_current {
                true => connection.is_spent(),
                false => connection.in_flight() == 0,
            };
            match is_over {
                true => Poll::Ready(Fate::Spent),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Ready with the reason when the connection is lost.
    fn poll(&self, link: &Link, context: &mut Context<'_>) -> Poll<String> {
        self.is_woken.set(false);
        if !self.waker.borrow().will_wake(context.waker()) {
            self.waker.replace(context.waker().clone());
        }
        for _ in 0..READS {
            let is_heard = self.connection.borrow().output().len() < TOO_MUCH_OUTPUT;
            if is_heard && let Poll::Ready(read) = self.poll_read(link, context) {
                match read {
                    Ok(()) => continue,
                    Err(why) => {
                        // It may still learn what it did wrong.
                        let _ = self.poll_write(context);
                        return Poll::Ready(why);
                    }
                }
            }
            return match self.poll_write(context) {
                Poll::Ready(Err(error)) => Poll::Ready(lost(&error.to_string())),
                // What was not heard may be now.
                Poll::Ready(Ok(())) if !is_heard => continue,
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            };
        }
        let written = self.poll_write(context);
        context.waker().wake_by_ref();
        match written {
            Poll::Ready(Err(error)) => Poll::Ready(lost(&error.to_string())),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    /// Reads once, and does what follows from it.
    fn poll_read(&self, link: &Link, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        let mut buffer = link.ledger.buffer.borrow_mut();
        let mut read = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(&mut *self.transport.borrow_mut()).poll_read(context, &mut read);
        let now = match outcome {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(&error.to_string()))),
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                return Poll::Ready(Err(lost("the server closed it")));
            }
            Poll::Ready(Ok(())) => Instant::now(),
        };
        let received = self.connection.borrow_mut().receive(read.filled());
        if link.ledger.job.is_stream {
            self.hear(&link.ledger, now);
        }
        link.settle(self, now);
        if let Err(violation) = received {
            let why = format!("the server broke the rules of HTTP/2: {violation}");
            return Poll::Ready(Err(why));
        }
        link.refill(now);
        Poll::Ready(Ok(()))
    }

    /// Writes all that there is to be written.
    fn poll_write(&self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut connection = self.connection.borrow_mut();
        let mut transport = self.transport.borrow_mut();
        let mut transport = Pin::new(&mut *transport);
        while !connection.output().is_empty() {
            match transport
                .as_mut()
                .poll_write(context, connection.output())?
            {
                Poll::Ready(0) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => connection.wrote(count),
                Poll::Pending => return Poll::Pending,
            }
        }
        transport.poll_flush(context)
    }

    /// Has the connection read and write.
    pub(super) fn wake(&self) {
        if !self.is_woken.replace(true) {
            self.waker.borrow().wake_by_ref();
        }
    }

    /// Makes a call, if there is room for it.
    pub(super) fn start(&self, ledger: &Ledger, mut call: Call) -> bool {
        if self.room() == 0 {
            return false;
        }
        let is_sampled = ledger.samples(&call);
        if ledger.job.talk != Talk::AtOnce {
            self.open(ledger, call);
        } else if ledger.job.payload.is_fixed() {
            self.connection.borrow_mut().start(call);
        } else {
            let mut fields = Vec::new();
            let body = ledger.make(&mut call, |name, value| {
                put_field(&mut fields, name.as_bytes(), value);
            });
            let mut connection = self.connection.borrow_mut();
            connection.start_with(call, &fields, &body);
        }
        if is_sampled {
            self.connection.borrow_mut().keep();
        }
        true
    }

    pub(super) fn room(&self) -> usize {
        self.connection.borrow().room()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.borrow().is_closed()
    }

    pub(super) fn finished(&self, finished: &mut Vec<Finished<Call>>) {
        self.connection.borrow_mut().finished(finished);
        if !finished.is_empty() {
            self.has_ended_calls.set(true);
            finished.iter().for_each(|ended| self.forget(ended.stream));
        }
    }

    /// Whether it was of use.
    pub(super) fn has_ended_calls(&self) -> bool {
        self.has_ended_calls.get()
    }

    /// Whether it is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    pub(super) fn lose(&self, why: String) {
        self.is_lost.set(true);
        self.due.notify_one();
        self.connection.borrow_mut().lose(why);
    }

    /// Gives up late calls; gives the time at which the oldest of the others was sent.
    pub(super) fn cancel(&self, is_late: impl Fn(&Call) -> bool, late: &mut Vec<Call>) -> Instant {
        let mut connection = self.connection.borrow_mut();
        let before = late.len();
        connection.cancel(is_late, late);
        let oldest = connection.calls().map(|call| call.sent).min();
        if late.len() > before {
            self.streams
                .borrow_mut()
                .keep(|stream| connection.call(stream).is_some());
            self.wake();
        }
        oldest.unwrap_or_else(Instant::now)
    }
}

fn lost(why: &str) -> String {
    format!("the connection was lost: {why}")
}
