//! Everything a call passes through on its way to a service, in one place.

use std::convert::Infallible;

use http::{Request, Response};
use tonic::body::Body;
use tower::util::BoxCloneSyncService;

use super::router::Router;

/// The services inside their layers.
pub(crate) type Stack = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Wraps `router` in the layers, the outermost first.
pub(crate) fn build(router: Router) -> Stack {
    Stack::new(router)
}
