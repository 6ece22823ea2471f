//! The server's side: continues the caller's trace.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use super::body::TracedBody;
use super::future::Traced;
use super::messages::Sent;
use super::scope::Scope;
use super::span::{self, Recording, Side, SpanEnd};
use crate::middleware::call;
use crate::middleware::observe::{HasCode, Observed};
use crate::server::Methods;
use crate::telemetry::propagation;

/// Wraps a server in a span for each call, health checks and reflection apart.
#[derive(Debug, Clone)]
pub(crate) struct ServerTraceLayer {
    pub(crate) enabled: bool,
    pub(crate) methods: Arc<Methods>,
}

#[cfg(test)]
impl ServerTraceLayer {
    /// For methods of which nothing is known.
    pub(crate) fn for_any() -> Self {
        Self {
            enabled: true,
            methods: Arc::default(),
        }
    }
}

impl<S> Layer<S> for ServerTraceLayer {
    type Service = ServerTrace<S>;

    fn layer(&self, inner: S) -> ServerTrace<S> {
        ServerTrace {
            inner,
            layer: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ServerTrace<S> {
    inner: S,
    layer: ServerTraceLayer,
}

impl<S, Q, B> Service<Request<Q>> for ServerTrace<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: HasCode,
{
    type Response = Response<TracedBody<B>>;
    type Error = S::Error;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let path = request.uri().path();
        let scope = match self.layer.enabled && !call::is_infrastructure(path) {
            true => {
                let parent = propagation::extract(request.headers());
                Scope::begin(parent, || span::server(path))
            }
            false => Scope::None,
        };
        let recording = scope.span().and_then(Recording::of);
        if let Some(recording) = &recording {
            if let Some(server) = request.uri().authority() {
                recording.server(server.host(), server.port_u16());
            }
            let connection = request.extensions().get::<TcpConnectInfo>();
            if let Some(peer) = connection.and_then(TcpConnectInfo::remote_addr) {
                recording.peer(peer);
            }
        }
        let streams = self.layer.methods.streams_responses(path);
        if let Some(recording) = &recording {
            request.extensions_mut().insert(recording.clone());
        }
        let sent = recording.clone().filter(|_| streams).map(Sent::of);
        let observer = recording.map(|span| SpanEnd {
            span,
            side: Side::Server,
        });
        let inner = {
            let _entered = scope.enter();
            self.inner.call(request)
        };
        Traced::new(scope, Observed::new(inner, observer), streams, sent)
    }
}
