//! Calls that failed are made again (gRFC A6, "gRPC Retry Design").
//!
//! The layer is directly above the balancer, so that each attempt goes to another instance, and
//! below the deadline, which all attempts share. What was provably not sent is sent again by the
//! balancer itself and is no attempt here. In short:
//!
//! - A call is made again when it failed with a code of its policy and nothing of a response has
//!   come. Once a response has begun, it is what the caller gets.
//! - The default is `UNAVAILABLE` alone, up to three attempts. `RESOURCE_EXHAUSTED` is retried when
//!   the server says when to come back, and no code when it says that one need not.
//! - Between attempts is a pause, exponentially longer, with jitter. When the deadline would pass in
//!   it, the call fails at once, with what it failed with.
//! - A budget, shared by all calls of a channel, ends retries when they do not help.
//! - What no handler has seen, because its connection was about to end (GOAWAY) or the server refused
//!   its stream, is sent again at once, and counts for nothing (A6, "Transparent Retries").
//! - A call of a method that is known to be idempotent, whose request is a single message, does not
//!   wait for its deadline at an instance that says nothing: when half of its time has passed and no
//!   response has begun it is made elsewhere as well, and the first response counts.
//! - Requests are kept for that, within limits; streams too, as they pass.
//!
//! A change of the settings holds for calls that begin then; the budget and the memory that is taken
//! are those of before.
//!
//! Servers read in `grpc-previous-rpc-attempts` how many attempts there were before, and so do
//! callers in the metadata of the response.

mod body;
mod buffer;
mod call;
mod future;
mod hedge;
mod idempotent;
mod metrics;
mod outcome;
mod policy;
mod stream;
mod throttle;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::config::{self, Follow, Section};
use crate::middleware::deadline::SentBody;
pub(super) use body::AttemptBody;
use buffer::Budget;
use call::Call;
use future::RetryFuture;
pub(super) use idempotent::Idempotent;
use policy::{Policies, Policy};
use throttle::Throttle;

/// What callers send.
pub(super) type RequestBody = SentBody<Body>;

/// Wraps the balancer so that calls that failed are made again; with retries turned off, in
/// nothing.
#[derive(Debug, Clone)]
pub(super) struct RetryLayer {
    shared: Follow<Option<Arc<Shared>>>,
}

/// What the calls of a channel have in common.
#[derive(Debug)]
struct Shared {
    policies: Policies,
    throttle: Arc<Throttle>,
    budget: Arc<Budget>,
    /// What limits calls that have no deadline.
    response_timeout: Option<Duration>,
}

impl RetryLayer {
    /// For methods of which nothing is known.
    #[cfg(test)]
    fn new(retry: &config::Retry) -> Self {
        let config = config::Client {
            retry: retry.clone(),
            ..config::Client::default()
        };
        Self::of(&config, &Idempotent::default())
    }

    /// For a channel to a service whose methods `idempotent` may be done twice.
    pub(super) fn of(config: &config::Client, idempotent: &Idempotent) -> Self {
        let first = Shared::new(config, idempotent, None);
        let idempotent = idempotent.clone();
        let sections = &[Section::Retry, Section::ResponseTimeout];
        Self {
            shared: Follow::renewing(sections, first, move |before, config| {
                Ok(Shared::new(&config.client, &idempotent, before.as_deref()))
            }),
        }
    }
}

impl Shared {
    /// With what was learned `before`; `None` when nothing is made again.
    fn new(
        config: &config::Client,
        idempotent: &Idempotent,
        before: Option<&Self>,
    ) -> Option<Arc<Self>> {
        let retry = &config.retry;
        let (buffer, channel_buffer) = (retry.buffer.bytes(), retry.channel_buffer.bytes());
        let shared = || Self {
            policies: Policies::new(retry, idempotent),
            throttle: match before {
                Some(before) => before.throttle.renewed(&retry.throttle),
                None => Arc::new(Throttle::new(&retry.throttle)),
            },
            budget: Arc::new(match before {
                Some(before) => before.budget.renewed(buffer, channel_buffer),
                None => Budget::new(buffer, channel_buffer),
            }),
            response_timeout: config.response_timeout.non_zero(),
        };
        retry.enabled.then(|| Arc::new(shared()))
    }
}

/// The memory for requests.
#[cfg(test)]
fn budget(shared: &Follow<Option<Arc<Shared>>>) -> Arc<Budget> {
    let shared = shared.load();
    let shared = (**shared).as_deref().expect("enabled");
    Arc::clone(&shared.budget)
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry {
            inner,
            shared: self.shared.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Retry<S> {
    inner: S,
    shared: Follow<Option<Arc<Shared>>>,
}

impl<S, B> Service<Request<RequestBody>> for Retry<S>
where
    S: Service<Request<AttemptBody>, Response = Response<B>, Error = Status>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Status;
    type Future = RetryFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let shared = self.shared.load();
        let Some(shared) = &**shared else {
            return RetryFuture::once(self.inner.call(request.map(AttemptBody::Given)));
        };
        let policy = shared.policies.of(request.uri().path()).clone();
        // The service that is ready is the one that is called; the clone makes the other attempts.
        let clone = self.inner.clone();
        let (call, request) = Call::new(clone, Arc::clone(shared), request);
        let first = self.inner.call(request);
        match policy {
            Policy::Retry(policy) => RetryFuture::retried(first, call, policy),
            Policy::Hedge(policy) if call.is_whole() => {
                RetryFuture::hedged(hedge::hedge(call, policy, first))
            }
            Policy::Hedge(policy) => RetryFuture::retried(first, call, Arc::clone(&policy.streams)),
            // What no handler has seen is sent again all the same.
            Policy::Once => RetryFuture::retried(first, call, Arc::clone(shared.policies.once())),
        }
    }
}
