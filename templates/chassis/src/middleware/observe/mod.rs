//! Watching a call to its very end.
//!
//! The outcome of a gRPC call is in its trailers, after the last message: judging the head of the
//! response would count every failure as a success. So the future and the body are wrapped, and
//! the observer is told once: when trailers, an error or the end arrive, or, when the call is
//! dropped before that, `CANCELLED`.

mod body;
mod future;
mod watch;

pub(crate) use body::ObservedBody;
pub(crate) use future::{Observed, head_code, observe};
pub(crate) use watch::{Watch, WatchLayer, Watched, Watcher};

use std::cell::Cell;
use std::convert::Infallible;

use http::{HeaderMap, HeaderName};
use tonic::{Code, Status};

static STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// What wants to know how a call ended.
pub(crate) trait Observer {
    /// Called once.
    fn finish(self, code: Code);
}

/// An error of a service that stands for a code.
pub(crate) trait HasCode {
    fn code(&self) -> Code;
}

impl HasCode for Infallible {
    fn code(&self) -> Code {
        match *self {}
    }
}

impl HasCode for Status {
    fn code(&self) -> Code {
        Self::code(self)
    }
}

/// An observer that hears of the end whatever happens.
#[derive(Debug)]
pub(crate) struct Pending<O: Observer>(Option<O>);

impl<O: Observer> Pending<O> {
    pub(crate) fn new(observer: O) -> Self {
        Self(Some(observer))
    }

    pub(crate) fn finish(&mut self, code: Code) {
        if let Some(observer) = self.0.take() {
            observer.finish(code);
        }
    }

    /// The observer, which has not heard of the end yet.
    pub(crate) fn observer_mut(&mut self) -> Option<&mut O> {
        self.0.as_mut()
    }

    /// The observer back, which then hears nothing from here.
    pub(crate) fn into_observer(mut self) -> Option<O> {
        self.0.take()
    }
}

impl<O: Observer> Drop for Pending<O> {
    fn drop(&mut self) {
        self.finish(REASON.get());
    }
}

thread_local! {
    /// Why calls are dropped: by their caller, unless [`dropping_as`] says otherwise.
    static REASON: Cell<Code> = const { Cell::new(Code::Cancelled) };
}

/// Runs `drop`, in which a call is dropped for a reason of our own, such as its deadline:
/// observers of that call hear `code`.
pub(crate) fn dropping_as(code: Code, drop: impl FnOnce()) {
    let outer = REASON.replace(code);
    drop();
    REASON.set(outer);
}

/// The code in headers or trailers, if there is one.
fn code_in(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(&STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

#[cfg(test)]
mod tests;
