//! The future of an observed call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use pin_project_lite::pin_project;
use tonic::Code;

use super::{HasCode, ObservedBody, Observer, Pending, code_in};
use crate::middleware::call;

pin_project! {
    /// Watches a call until its response has begun, and hands the rest to [`ObservedBody`].
    #[derive(Debug)]
    pub(crate) struct Observed<F, O: Observer> {
        #[pin]
        inner: F,
        pending: Option<Pending<O>>,
    }
}

impl<F, O: Observer> Observed<F, O> {
    /// Watches nothing when there is no observer.
    pub(crate) fn new(inner: F, observer: Option<O>) -> Self {
        Self {
            inner,
            pending: observer.map(Pending::new),
        }
    }
}

impl<F, O, B, E> Future for Observed<F, O>
where
    F: Future<Output = Result<Response<B>, E>>,
    O: Observer,
    E: HasCode,
{
    type Output = Result<Response<ObservedBody<B, O>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let mut pending = this.pending.take();
        if let (Err(error), Some(pending)) = (&result, &mut pending) {
            pending.finish(error.code());
        }
        Poll::Ready(result.map(|response| observe(response, pending)))
    }
}

/// Watches the rest of a call whose response has begun.
pub(crate) fn observe<B, O: Observer>(
    response: Response<B>,
    mut pending: Option<Pending<O>>,
) -> Response<ObservedBody<B, O>> {
    if let Some(pending) = &mut pending
        && let Some(code) = head_code(&response)
    {
        pending.finish(code);
    }
    response.map(|body| ObservedBody::new(body, pending))
}

/// The code of a call of which the head of the response is all there is: a status in it means that
/// there is nothing else ("Trailers-Only"), and so does an HTTP status other than 200.
pub(crate) fn head_code<B>(response: &Response<B>) -> Option<Code> {
    code_in(response.headers()).or_else(|| match response.status() {
        StatusCode::OK => None,
        status => Some(call::from_http(status)),
    })
}
