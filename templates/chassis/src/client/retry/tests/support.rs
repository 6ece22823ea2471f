//! A balancer that does as it is told, and notes what it was asked for.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt};

use super::super::{AttemptBody, Idempotent, RequestBody, Retry, RetryLayer};
use crate::client::mark::Mark;
use crate::client::tried::Tried;
use crate::config;
use crate::middleware::testing::{Ended, GET_USER, read, reply};

pub(super) const MILLI: Duration = Duration::from_millis(1);

/// What an attempt comes to.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// A message and this code.
    Reply(Code),
    /// This code and nothing else, with these headers.
    Fail(Code, Vec<(&'static str, &'static str)>),
    /// The connection breaks.
    Break,
    /// No instance is ready.
    NotReady,
    /// The server ends the connection before it has looked at the call.
    Unseen,
    /// No answer, whatever comes.
    Hang,
    /// The other act, after so long.
    Later(Duration, Box<Act>),
    /// The other act, without reading the request to its end: only this many pieces.
    Early(usize, Box<Act>),
}

pub(super) fn fail(code: Code) -> Act {
    Act::Fail(code, Vec::new())
}

pub(super) fn push_back(code: Code, pushback: &'static str) -> Act {
    Act::Fail(code, vec![("grpc-retry-pushback-ms", pushback)])
}

pub(super) fn later(millis: u32, act: Act) -> Act {
    Act::Later(millis * MILLI, Box::new(act))
}

/// An attempt, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Since the beginning of the test.
    pub(super) millis: u128,
    /// What `grpc-previous-rpc-attempts` said.
    pub(super) previous: Option<String>,
    /// What `grpc-timeout` said.
    pub(super) timeout: Option<String>,
    /// The pieces of the request that were read.
    pub(super) request: Vec<Bytes>,
    /// How many attempts were noted in the list that they share, with this one.
    pub(super) tried: usize,
    /// Whether it was waited for until its end.
    pub(super) ended: bool,
}

#[derive(Debug)]
struct State {
    begin: Instant,
    script: VecDeque<Act>,
    attempts: Vec<Attempt>,
}

/// Plays its script, an act for each attempt.
#[derive(Debug, Clone)]
pub(super) struct Balancer(Arc<Mutex<State>>);

impl Balancer {
    pub(super) fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self(Arc::new(Mutex::new(State {
            begin: Instant::now(),
            script: script.into_iter().collect(),
            attempts: Vec::new(),
        })))
    }

    /// Plays `act` after all others.
    pub(super) fn add(&self, act: Act) {
        self.0.lock().expect("no panic").script.push_back(act);
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.0.lock().expect("no panic").attempts.clone()
    }

    /// When the attempts began, in milliseconds.
    pub(super) fn begins(&self) -> Vec<u128> {
        self.attempts().iter().map(|it| it.millis).collect()
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.attempts().len()
    }

    /// This balancer in its layer.
    pub(super) fn under(&self, config: &config::Retry) -> Retry<Self> {
        self.described(config, &Idempotent::default())
    }

    /// As [`Self::under`], where these methods may be done twice.
    pub(super) fn described(&self, config: &config::Retry, idempotent: &Idempotent) -> Retry<Self> {
        let config = config::Client {
            retry: config.clone(),
            ..config::Client::default()
        };
        RetryLayer::of(&config, idempotent).layer(self.clone())
    }

    fn note(&self, index: usize, note: impl FnOnce(&mut Attempt)) {
        note(&mut self.0.lock().expect("no panic").attempts[index]);
    }

    async fn act(
        self,
        index: usize,
        mut act: Act,
        body: AttemptBody,
    ) -> Result<Response<tonic::body::Body>, Status> {
        let mut pieces = usize::MAX;
        if let Act::Early(early, then) = act {
            (pieces, act) = (early, *then);
        }
        // It is held on to until the end of the attempt, as a connection does.
        let mut body = Box::pin(body);
        while pieces > 0
            && let Some(frame) = body.frame().await
        {
            let data = frame?.into_data().expect("data");
            self.note(index, |attempt| attempt.request.push(data));
            pieces -= 1;
        }
        if let Act::Later(pause, then) = act {
            tokio::time::sleep(pause).await;
            act = *then;
        }
        self.note(index, |attempt| attempt.ended = true);
        match act {
            Act::Reply(code) => Ok(reply(code)),
            Act::Fail(code, headers) => {
                let mut response = Status::new(code, "as told").into_http();
                for (name, value) in headers {
                    response
                        .headers_mut()
                        .insert(name, value.parse().expect("valid"));
                }
                Ok(response)
            }
            Act::Break => Err(Status::unavailable("the connection failed")),
            Act::Unseen => Err(Mark::Unprocessed.on(Status::unavailable("GOAWAY"))),
            Act::NotReady => Err(Mark::NotReady.on(Status::unavailable("no instance is ready"))),
            Act::Hang => {
                self.note(index, |attempt| attempt.ended = false);
                pending().await
            }
            Act::Later(..) | Act::Early(..) => panic!("one inside the other"),
        }
    }
}

impl Service<Request<AttemptBody>> for Balancer {
    type Response = Response<tonic::body::Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<AttemptBody>) -> Self::Future {
        let mut state = self.0.lock().expect("no panic");
        let (head, body) = request.into_parts();
        let index = state.attempts.len();
        // As the balancer does, each goes to another instance.
        let tried = head.extensions.get::<Tried>().map_or(0, |tried| {
            let instance = |index: usize| SocketAddr::from(([127, 0, 0, 1], index as u16));
            let mut tried = tried.lock();
            tried.add(instance(index));
            (0..=index)
                .filter(|&it| tried.contains(instance(it)))
                .count()
        });
        let attempt = Attempt {
            tried,
            millis: state.begin.elapsed().as_millis(),
            previous: text(&head.headers, "grpc-previous-rpc-attempts"),
            timeout: text(&head.headers, "grpc-timeout"),
            ..Attempt::default()
        };
        state.attempts.push(attempt);
        let act = state.script.pop_front().expect("no more attempts");
        Box::pin(self.clone().act(index, act, body))
    }
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().expect("ASCII");
    Some(value.to_owned())
}

/// A request of one piece, as that of a unary call is.
pub(super) fn unary(data: &'static [u8]) -> Request<RequestBody> {
    streaming(tokio_stream::once(Bytes::from_static(data)))
}

/// A request of pieces that come one by one.
pub(super) fn streaming(
    pieces: impl Stream<Item = Bytes> + Send + 'static,
) -> Request<RequestBody> {
    use tokio_stream::StreamExt;
    let frames = pieces.map(|piece| Ok::<_, Status>(http_body::Frame::data(piece)));
    let body = tonic::body::Body::new(StreamBody::new(frames));
    let request = Request::builder().uri(GET_USER);
    request.body(RequestBody::unwatched(body)).expect("valid")
}

pub(super) fn with_timeout(
    mut request: Request<RequestBody>,
    timeout: &'static str,
) -> Request<RequestBody> {
    let headers = request.headers_mut();
    headers.insert("grpc-timeout", timeout.parse().expect("valid"));
    request
}

/// How a call ends.
pub(super) async fn end(retry: &Retry<Balancer>, request: Request<RequestBody>) -> Ended {
    match retry.clone().oneshot(request).await {
        Ok(response) => read(response).await,
        Err(status) => Ended {
            messages: 0,
            code: status.code(),
            text: status.message().to_owned(),
        },
    }
}

/// As [`end`], its code alone.
pub(super) async fn code(retry: &Retry<Balancer>) -> Code {
    end(retry, unary(b"request")).await.code
}

/// The defaults, without jitter that would show: pauses of 100 ms are 80 to 120 ms.
pub(super) fn config() -> config::Retry {
    config::Retry {
        initial_backoff: config::Duration::from_millis(100),
        ..config::Retry::default()
    }
}
