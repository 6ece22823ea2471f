//! Everything a call passes through on its way to another service, in one place.

use tower::ServiceBuilder;

use super::balance::Balance;
use super::bulkhead::{Bulkhead, BulkheadLayer};
use super::retry::{Idempotent, Retry, RetryLayer};
use super::target::Target;
use crate::config::{self, Follow, Section};
use crate::middleware::deadline::{ClientDeadline, ClientDeadlineLayer};
use crate::middleware::metrics::{CallFamily, Metrics};
use crate::middleware::observe::{WatchLayer, Watched};
use crate::middleware::size::{SizeLimit, SizeLimitLayer};
use crate::middleware::trace::{ClientTrace, ClientTraceLayer};
use crate::registry::Instances;
use crate::tls::ClientTls;

/// The balancer inside its layers.
pub(super) type Stack =
    ClientTrace<Watched<ClientDeadline<Bulkhead<SizeLimit<Retry<Balance>>>>, Metrics>>;

/// Layers around the balancer over `instances`, the outermost first.
///
/// A call is counted with the code that its caller sees, so outside of the deadline; the deadline
/// includes the search for an endpoint. The bulkhead has one place for a call, however often it is
/// tried. What acts on a single attempt (the breaker) is below the balancer, what acts on the whole
/// call (retries) directly above it.
pub(super) fn build(
    target: &Target,
    instances: Instances,
    config: &config::Client,
    tls: Option<ClientTls>,
    idempotent: &Idempotent,
) -> Stack {
    let layers = &config.layers;
    ServiceBuilder::new()
        .layer(ClientTraceLayer::new(layers.trace, target))
        .layer(WatchLayer(Metrics {
            lookup: layers.metrics.then(|| CallFamily::client().any()),
        }))
        .layer(ClientDeadlineLayer {
            enabled: layers.deadline,
            response_timeout: Follow::new(
                &[Section::ResponseTimeout],
                config.response_timeout.non_zero(),
                |config| config.client.response_timeout.non_zero(),
            ),
        })
        .layer(BulkheadLayer::new(target, config.max_in_flight))
        .layer(SizeLimitLayer {
            max_message: Follow::new(
                &[Section::MaxResponseSize],
                config.max_response_size.bytes(),
                |config| config.client.max_response_size.bytes(),
            ),
        })
        .layer(RetryLayer::of(config, idempotent))
        .service(Balance::new(target, instances, config, tls))
}
