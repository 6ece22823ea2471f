//! Calling other services by name.
//!
//! ```no_run
//! # async fn example(config: chassis::config::Config) -> Result<(), chassis::Error> {
//! let channel = chassis::client::connect("consul:///user-service", &config).await?;
//! // let users = UserServiceClient::new(channel);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Channel`] knows all instances of its service, as they come and go, and has a connection to
//! each. A call goes to the instance that the balancing policy chooses among those that are
//! connected, that are not ejected as outliers and whose circuit breaker lets it through; if it was
//! provably not sent, it goes to another. If it failed in a way that is worth another attempt
//! (`client.retry`), it is made again.
//!
//! | what | where | configured by |
//! |---|---|---|
//! | which instances are connected to | `balance/subset.rs` | `client.balance.subset_size` |
//! | which one gets a call | `balance/policy` | `client.balance.policy` |
//! | which ones are worse than the others | `outlier` | `client.outlier` |
//! | which ones fail | `breaker` | `client.breaker` |
//! | which calls are made again | `retry` | `client.retry` |
//! | what is done instead of a call that failed | `fallback.rs` | [`Fallback`], by the caller |
//! | how many calls are in flight | `bulkhead.rs` | `client.max_in_flight` |
//! | connections | `endpoint` | `client.connect_timeout`, `client.min_backoff`, … |

#[cfg(feature = "http")]
mod addresses;
mod balance;
mod breaker;
mod bulkhead;
mod endpoint;
mod fallback;
mod mark;
mod outlier;
pub(crate) mod picker;
mod random;
mod retry;
mod stack;
mod target;
mod tried;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;

#[cfg(feature = "http")]
pub use addresses::Addresses;
pub use breaker::{BreakerChange, BreakerState, on_breaker_change};
pub use fallback::{Fallback, is_server_fault};
pub use target::{KubernetesService, Target, TargetError};

use crate::Error;
use crate::config::Config;
use crate::registry;
use crate::tls::ClientTls;
use retry::Idempotent;
use stack::Stack;

/// A connection to a service: to all its instances, as they come and go. Clones share it.
#[derive(Debug, Clone)]
pub struct Channel {
    inner: Stack,
}

/// A channel to `target`: `consul:///user-service`, `etcd:///user-service`,
/// `kubernetes:///user-service.shop:grpc`, `static:///host:port,host:port`, `dns:///host:port`, or `user-service`, which is found by the
/// configured registry.
///
/// It returns at once; calls wait for the first instance for `client.ready_timeout`.
///
/// # Errors
/// [`Error::Target`] when `target` is not one of those, [`Error::Config`] when it needs a setting
/// that is not there, and [`Error::Tls`] when the files of `[client.tls]` cannot be used.
pub async fn connect<A>(target: &str, config: &Config<A>) -> Result<Channel, Error> {
    connect_described(target, config, &[]).await
}

/// As [`connect`], to a service whose methods `descriptor_set` describes: those with
/// `option idempotency_level = NO_SIDE_EFFECTS;` or `IDEMPOTENT` are known to be safe to make again,
/// and are also asked for elsewhere when half of a call's time has passed without an answer.
///
/// ```no_run
/// # const DESCRIPTOR_SET: &[u8] = &[];
/// # async fn example(config: chassis::config::Config) -> Result<(), chassis::Error> {
/// use chassis::client::connect_described;
/// let channel = connect_described("user-service", &config, DESCRIPTOR_SET).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`connect`], and [`Error::Descriptors`] when the descriptors are not valid.
pub async fn connect_described<A>(
    target: &str,
    config: &Config<A>,
    descriptor_set: &[u8],
) -> Result<Channel, Error> {
    let idempotent = Idempotent::read(descriptor_set);
    let idempotent = idempotent.map_err(|error| Error::Descriptors(error.into()))?;
    let target: Target = target.parse()?;
    let config = config.chassis();
    let tls = ClientTls::new(&config.client.tls)?;
    let instances = registry::discover(target.clone(), &config)?;
    let inner = stack::build(&target, instances, &config.client, tls, &idempotent);
    Ok(Channel { inner })
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        ResponseFuture {
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// A call on its way.
    #[must_use = "a call is only made when it is awaited"]
    pub struct ResponseFuture {
        #[pin]
        inner: <Stack as Service<Request<Body>>>::Future,
    }
}

impl std::fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = std::task::ready!(self.project().inner.poll(cx))?;
        Poll::Ready(Ok(response.map(Body::new)))
    }
}
