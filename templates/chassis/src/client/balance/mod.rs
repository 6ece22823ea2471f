//! From a call to an endpoint: one that the policy chooses among those that are ready.

mod members;
mod metrics;
mod policy;
mod pool;
mod subset;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tonic::Status;
use tonic::codegen::Service;

use super::endpoint::{EndpointBody, Picked, SendError};
use super::mark::Mark;
use super::retry::AttemptBody;
use super::target::Target;
use super::tried::Tried;
use crate::config::{self, Follow, Section};
use crate::registry::Instances;
use crate::tls::ClientTls;
use pool::{Pool, Unpicked};

/// How often a call that was provably not sent is sent again, each time to the next endpoint.
const MAX_UNSENT: usize = 8;

/// A client over the endpoints of one service. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Balance {
    pool: Arc<Pool>,
    ready_timeout: Follow<Duration>,
}

impl Balance {
    pub(super) fn new(
        target: &Target,
        instances: Instances,
        config: &config::Client,
        tls: Option<ClientTls>,
    ) -> Self {
        Self {
            pool: Arc::new(Pool::new(target, instances, config, tls)),
            ready_timeout: Follow::new(
                &[Section::ReadyTimeout],
                config.ready_timeout.get(),
                |config| config.client.ready_timeout.get(),
            ),
        }
    }
}

impl Balance {
    /// A place for a call of the method with this path, if there is one now.
    pub(super) fn pick(&self, path: &str) -> Option<Picked> {
        self.pool.pick(path, None).ok()
    }
}

impl Service<Request<AttemptBody>> for Balance {
    type Response = Response<EndpointBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<EndpointBody>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Which endpoint has room is decided call by call; waiting is limited by the call's
        // deadline, which is not known here.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<AttemptBody>) -> Self::Future {
        let ready_timeout = **self.ready_timeout.load();
        Box::pin(send(Arc::clone(&self.pool), request, ready_timeout))
    }
}

/// Sends `request` to an endpoint, and to another one if it was not sent at all.
async fn send(
    pool: Arc<Pool>,
    mut request: Request<AttemptBody>,
    ready_timeout: Duration,
) -> Result<Response<EndpointBody>, Status> {
    let mut unsent = 0;
    loop {
        let path = request.uri().path();
        let tried = request.extensions().get::<Tried>();
        let picked = match pool.pick(path, tried) {
            Ok(picked) => picked,
            Err(Unpicked::Open) => return Err(pool.unavailable(path)),
            Err(Unpicked::NotReady) => {
                let ready = tokio::time::timeout(ready_timeout, pool.ready(path, tried)).await;
                match ready {
                    Ok(Ok(picked)) => picked,
                    Ok(Err(_)) => return Err(pool.unavailable(path)),
                    Err(_) => return Err(Mark::NotReady.on(pool.unavailable(path))),
                }
            }
        };
        match picked.send(request).await {
            Ok(response) => return Ok(response),
            Err(SendError::Unsent(back)) if unsent < MAX_UNSENT => {
                request = *back;
                unsent += 1;
            }
            Err(SendError::Unsent(back)) => return Err(pool.unavailable(back.uri().path())),
            Err(SendError::Failed(status)) => return Err(status),
        }
    }
}
