//! One call on one connection.

use std::cell::RefCell;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use tokio::sync::Semaphore;
use tokio::time::sleep_until;

use super::super::Job;
use super::super::ledger::Ledger;
use super::super::line::Call;
use crate::bench::dialogue::{Dialogue, Talk};
use crate::bench::framing::MessageCounter;
use crate::bench::stats::Ended;
use crate::client::status;
use crate::code::{Code, decode_message};

/// The server did not take the call: it may be sent again (gRFC A6, "transparent retries").
pub(super) struct NotTaken {
    /// Why, should it not be sent again.
    pub(super) why: String,
    /// Whether the connection takes no more calls at all.
    pub(super) is_spent: bool,
}

/// What a call carries.
pub(super) struct Made {
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
    /// Where the response is kept, if it is to be looked at.
    pub(super) kept: Option<RefCell<Vec<u8>>>,
}

/// Makes a call.
pub(super) async fn exchange(
    mut sender: SendRequest<Bytes>,
    ledger: &Ledger,
    uri: &Uri,
    (call, made): (&mut Call, &Made),
) -> Result<Ended, NotTaken> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.clone();
    request.headers_mut().clone_from(&made.headers);
    let (response, mut body) = sender
        .send_request(request, false)
        .map_err(|error| not_taken(&error, true))?;
    let begun = *call;
    let dialogue = RefCell::new(Dialogue::new(begun.sent));
    let answered = Semaphore::new(0);
    let listen = async {
        let hear = |messages| {
            let now = Instant::now();
            ledger.hear(&begun, &mut dialogue.borrow_mut(), messages, now);
            answered.add_permits(messages as usize);
        };
        match response.await {
            Ok(response) => receive(response, &ledger.job, (hear, &made.kept)).await,
            Err(error) => broken(&error, 0, 0),
        }
    };
    if ledger.job.talk == Talk::AtOnce {
        if let Err(error) = body.send_data(made.body.clone(), true) {
            return broken(&error, 0, 0);
        }
        return listen.await;
    }
    (call.messages, call.bytes) = (0, 0);
    let talk = talk(ledger, call, &mut body, (&dialogue, &answered));
    let (mut talk, mut listen) = (pin!(talk), pin!(listen));
    tokio::select! {
        ended = &mut listen => ended,
        // What is wrong with the sending shows in the response.
        () = &mut talk => listen.await,
    }
}

/// Sends messages one by one.
async fn talk(
    ledger: &Ledger,
    call: &mut Call,
    body: &mut SendStream<Bytes>,
    (dialogue, answered): (&RefCell<Dialogue>, &Semaphore),
) {
    let count = ledger.job.payload.count;
    for index in 0..count {
        match ledger.job.talk {
            Talk::Every { interval } => {
                let due = call.sent + interval.saturating_mul(index as u32);
                sleep_until(due.into()).await;
            }
            Talk::InTurn if index > 0 => match answered.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return,
            },
            Talk::InTurn | Talk::AtOnce => {}
        }
        let now = Instant::now();
        let message = Bytes::copy_from_slice(&ledger.message(call, index, now));
        let length = message.len() as u32;
        if body.send_data(message, index + 1 == count).is_err() {
            return;
        }
        call.messages += 1;
        call.bytes += length;
        dialogue.borrow_mut().say(now);
    }
}

async fn receive(
    response: Response<RecvStream>,
    job: &Job,
    (hear, kept): (impl Fn(u64), &Option<RefCell<Vec<u8>>>),
) -> Result<Ended, NotTaken> {
    let (head, mut body) = response.into_parts();
    let mut counter = MessageCounter::accepting(job.accepts_compressed);
    let encoding = head.headers.get("grpc-encoding");
    counter.compressed(encoding.is_some_and(|encoding| encoding != "identity"));
    while let Some(chunk) = body.data().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return broken(&error, counter.finish().unwrap_or(0), counter.bytes()),
        };
        // What is released no more was a stream that ended meanwhile.
        let _ = body.flow_control().release_capacity(chunk.len());
        // A body that comes with an error of HTTP is a page to read, not messages.
        if head.status != StatusCode::OK {
            continue;
        }
        let before = counter.messages();
        let fed = counter.feed(&chunk);
        if let Some(kept) = kept {
            kept.borrow_mut().extend_from_slice(&chunk);
        }
        if job.is_stream && counter.messages() > before {
            hear(counter.messages() - before);
        }
        if let Err(error) = fed {
            let (messages, bytes) = (counter.finish().unwrap_or(0), counter.bytes());
            return Ok(failed(Code::INTERNAL, error.to_string(), messages, bytes));
        }
    }
    let trailers = match body.trailers().await {
        Ok(trailers) => trailers,
        Err(error) => return broken(&error, counter.finish().unwrap_or(0), counter.bytes()),
    };
    let (messages, bytes) = (counter.finish(), counter.bytes());
    let (code, message) = outcome(head.status, &head.headers, trailers.as_ref());
    let ended = match (code, messages) {
        (Code::OK, Err(error)) => failed(Code::INTERNAL, error.to_string(), 0, bytes),
        (Code::OK, Ok(count)) if job.one_response && count != 1 => failed(
            Code::INTERNAL,
            format!("the server sent {count} responses where there is exactly one"),
            count,
            bytes,
        ),
        (code, messages) => failed(code, message, messages.unwrap_or(0), bytes),
    };
    Ok(ended)
}

/// Code and message from the trailers, else from the head where that is all there is.
fn outcome(http: StatusCode, head: &HeaderMap, trailers: Option<&HeaderMap>) -> (Code, String) {
    let headers = trailers.unwrap_or(head);
    if let Some(value) = headers.get("grpc-status") {
        let code = Code::from_header(value.as_bytes());
        let message = match headers.get("grpc-message") {
            Some(message) if code != Code::OK => decode_message(message.as_bytes()),
            _ => String::new(),
        };
        return (code, message);
    }
    if http == StatusCode::OK {
        (Code::UNKNOWN, "the server sent no grpc-status".to_owned())
    } else {
        (
            Code::from_http(http.as_u16()),
            format!("the server answered with HTTP status {http}"),
        )
    }
}

fn failed(code: Code, message: String, messages: u64, bytes: u64) -> Ended {
    Ended {
        code,
        message,
        messages,
        bytes,
    }
}

fn not_taken(error: &h2::Error, is_spent: bool) -> NotTaken {
    let (_, why) = status::of_transport(error);
    NotTaken { why, is_spent }
}

/// What a broken stream or connection means.
fn broken(error: &h2::Error, messages: u64, bytes: u64) -> Result<Ended, NotTaken> {
    let is_graceful =
        error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    let is_refused =
        error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    if is_graceful || is_refused {
        return Err(not_taken(error, is_graceful));
    }
    let (code, message) = status::of_transport(error);
    Ok(failed(code, message, messages, bytes))
}
