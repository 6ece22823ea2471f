//! Calling other services by name.

mod target;

use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport;

pub use target::{Target, TargetError};

use crate::Error;
use crate::config::Config;

/// A connection to a service: to all its instances, as they come and go. Clones share it.
#[derive(Debug, Clone)]
pub struct Channel {
    inner: transport::Channel,
}

/// A channel to `target`: `consul:///user-service`, `static:///host:port,host:port` or
/// `dns:///host:port`.
///
/// It returns at once; calls wait for the first endpoint for `client.ready_timeout`.
///
/// # Errors
/// [`Error::Target`] when `target` is not one of those.
pub async fn connect<A>(target: &str, config: &Config<A>) -> Result<Channel, Error> {
    let target: Target = target.parse()?;
    let Target::Static(addresses) = target else {
        todo!()
    };
    let _ = config;
    let inner = transport::Endpoint::from_shared(format!("http://{}", addresses[0]))
        .expect("valid")
        .connect_lazy();
    Ok(Channel { inner })
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = transport::channel::ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request)
    }
}
