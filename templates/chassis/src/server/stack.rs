//! Everything a call passes through on its way to a service, in one place.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::Status;
use tonic::body::Body;
use tower::{Service, ServiceBuilder};

use super::methods::Methods;
use super::router::Router;
use crate::config::{self, Follow, Section};
use crate::middleware::auth::AuthLayer;
use crate::middleware::catch_panic::CatchPanicLayer;
use crate::middleware::deadline::ServerDeadlineLayer;
use crate::middleware::limit::{InFlightLimitLayer, RateLimitLayer};
use crate::middleware::log::Log;
use crate::middleware::metrics::{CallFamily, Metrics};
use crate::middleware::observe::WatchLayer;
use crate::middleware::size::{LimitedBody, received};
use crate::middleware::trace::ServerTraceLayer;

/// Wraps `router` in the layers, the outermost first.
///
/// A call gets its span before anything is said of it; it is counted and logged with the code that
/// its caller sees, so outside of everything that can answer by itself. What is refused is refused
/// before anything is spent on it: first when there are too many calls already, then when its
/// client has had its share. Who is calling is found out within the call's time, since keys may
/// have to be fetched for it, and by then limits for each caller can hold. A panic is caught where
/// nothing of ours is between it and the handler.
pub(crate) fn build<Q>(
    router: Router,
    config: &config::Server,
    methods: Methods,
    auth: AuthLayer,
) -> impl Service<
    Request<Q>,
    Response = Response<impl http_body::Body<Data = Bytes, Error = Status> + Send + use<Q>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ use<Q>
where
    Q: http_body::Body<Data = Bytes> + Send + 'static,
    Q::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let layers = &config.layers;
    let methods = Arc::new(methods);
    let max_request = Follow::new(
        &[Section::MaxRequestSize],
        config.max_request_size.bytes(),
        |config| config.server.max_request_size.bytes(),
    );
    ServiceBuilder::new()
        .layer(ServerTraceLayer {
            enabled: layers.trace,
            methods: Arc::clone(&methods),
        })
        .layer(WatchLayer((
            Log {
                enabled: layers.log,
            },
            Metrics {
                lookup: layers.metrics.then(|| match methods.has_others() {
                    // Only calls of methods that are known get here.
                    true => CallFamily::server().any(),
                    false => CallFamily::server().known(&methods),
                }),
            },
        )))
        .layer(InFlightLimitLayer::new(
            &config.limits,
            Arc::clone(&methods),
        ))
        .layer(RateLimitLayer::of_anybody(&config.limits))
        .layer(ServerDeadlineLayer::new(
            layers.deadline,
            &config.deadline,
            methods,
        ))
        .layer(auth)
        .layer(RateLimitLayer::of_somebody(&config.limits))
        .layer(CatchPanicLayer {
            enabled: layers.catch_panic,
        })
        .map_request(move |request: Request<Q>| {
            let max_request = **max_request.load();
            let messages = received(request.extensions());
            request.map(|body| {
                let body = body.map_err(|error| Status::from_error(error.into()));
                Body::new(LimitedBody::new(body, max_request, messages))
            })
        })
        .service(router)
}
