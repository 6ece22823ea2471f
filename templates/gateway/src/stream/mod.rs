//! Streams of messages over HTTP: lines of JSON (<https://github.com/ndjson/ndjson-spec>) in both
//! directions, and server-sent events (WHATWG HTML, section 9.2) for responses.
//!
//! A line of a response is `{"result":…}`, and the last one `{"error":…}` when the call has failed:
//! by then its HTTP status is sent. An event has the message as its data; one of the type `error`
//! says why the call has failed, one of the type `end` that it has not.

mod raw;
mod requests;
mod responses;

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, header};
use tonic::Status;

pub(crate) use raw::{Bodies, Pieces};
pub(crate) use requests::{Requests, reading};
pub(crate) use responses::{How, Responses, outcome};

use crate::status::Failure;

/// How the messages of a response are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Lines,
    Events,
}

impl Format {
    /// What the client accepts; lines unless it asks for events.
    pub(crate) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        match accepted.any(|value| value.contains("text/event-stream")) {
            true => Self::Events,
            false => Self::Lines,
        }
    }

    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        })
    }
}

/// Why the requests of a client ended a call. What comes of the call then says less than this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blame(Arc<Mutex<Option<Failure>>>);

impl Blame {
    pub(crate) fn put(&self, failure: Failure) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// Ends the call with a failure.
    fn end(&self, failure: Failure) -> Status {
        let status = failure.status.clone();
        self.put(failure);
        status
    }

    pub(crate) fn take(&self) -> Option<Failure> {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }
}

#[cfg(test)]
mod tests;
