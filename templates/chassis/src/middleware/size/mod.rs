//! A limit on the size of messages: `RESOURCE_EXHAUSTED` before a message that is too large has
//! been read (the code that gRPC's status codes name for it).
//!
//! A gRPC message has a prefix of a byte for compression and four for its length (gRPC over
//! HTTP/2, "Length-Prefixed-Message"), so its size is known at its beginning. A message that is
//! compressed is limited as it is sent; `tonic` limits what it grows to, 4 MiB unless the
//! generated client or server is told otherwise by `max_decoding_message_size`.

mod body;

use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use tower::{Layer, Service};

pub(crate) use body::{Boundaries, LimitedBody};

use crate::config::Follow;
use crate::middleware::trace::{Direction, Messages, Recording};

/// Wraps a client so that the messages of its responses are limited.
#[derive(Debug, Clone)]
pub(crate) struct SizeLimitLayer {
    /// In bytes.
    pub(crate) max_message: Follow<usize>,
}

impl<S> Layer<S> for SizeLimitLayer {
    type Service = SizeLimit<S>;

    fn layer(&self, inner: S) -> SizeLimit<S> {
        SizeLimit {
            inner,
            max_message: self.max_message.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SizeLimit<S> {
    inner: S,
    max_message: Follow<usize>,
}

impl<S, Q, B> Service<Request<Q>> for SizeLimit<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
{
    type Response = Response<LimitedBody<B>>;
    type Error = S::Error;
    type Future = future::LimitedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let max_message = **self.max_message.load();
        let messages = received(request.extensions());
        future::LimitedFuture::new(self.inner.call(request), max_message, messages)
    }
}

/// Who wants to know of the messages that are received, for a call with these extensions.
pub(crate) fn received(extensions: &Extensions) -> Option<Box<Messages>> {
    let span = extensions.get::<Recording>()?.clone();
    Some(Box::new(Messages::new(span, Direction::Received)))
}

mod future {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use http::Response;
    use pin_project_lite::pin_project;

    use super::{LimitedBody, Messages};

    pin_project! {
        /// The future of a call whose response is limited.
        #[derive(Debug)]
        pub(crate) struct LimitedFuture<F> {
            #[pin]
            inner: F,
            max_message: usize,
            messages: Option<Box<Messages>>,
        }
    }

    impl<F> LimitedFuture<F> {
        pub(super) fn new(inner: F, max_message: usize, messages: Option<Box<Messages>>) -> Self {
            Self {
                inner,
                max_message,
                messages,
            }
        }
    }

    impl<F, B, E> Future for LimitedFuture<F>
    where
        F: Future<Output = Result<Response<B>, E>>,
    {
        type Output = Result<Response<LimitedBody<B>>, E>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let this = self.project();
            let response = ready!(this.inner.poll(cx))?;
            let (max_message, messages) = (*this.max_message, this.messages.take());
            Poll::Ready(Ok(
                response.map(|body| LimitedBody::new(body, max_message, messages))
            ))
        }
    }
}
