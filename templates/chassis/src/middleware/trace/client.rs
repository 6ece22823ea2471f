//! The client's side: hands the trace on.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Authority;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::body::TracedBody;
use super::future::Traced;
use super::messages::{Sent, SentBody};
use super::scope::Scope;
use super::span::{self, Recording, Side, SpanEnd};
use crate::client::Target;
use crate::middleware::observe::{HasCode, Observed};
use crate::telemetry::propagation;

/// Wraps a client in a span for each call, whose context goes along in the metadata.
#[derive(Debug, Clone)]
pub(crate) struct ClientTraceLayer {
    enabled: bool,
    server: Arc<Server>,
}

/// What spans say of where calls go.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    address: String,
    port: Option<u16>,
}

impl ClientTraceLayer {
    /// For calls of `target`.
    pub(crate) fn new(enabled: bool, target: &Target) -> Self {
        Self {
            enabled,
            server: Arc::new(Server::of(target)),
        }
    }
}

impl Server {
    /// The name of a service is the address of all its instances; a list of addresses is one, and
    /// has no port of its own.
    fn of(target: &Target) -> Self {
        let text = target.to_string();
        let text = match text.split_once(":///") {
            Some((_, name)) => name.to_owned(),
            None => text,
        };
        let authority = text.parse::<Authority>().ok();
        match authority.filter(|it| it.port().is_some()) {
            Some(authority) => Self {
                address: authority.host().to_owned(),
                port: authority.port_u16(),
            },
            None => Self {
                address: text,
                port: None,
            },
        }
    }
}

impl<S> Layer<S> for ClientTraceLayer {
    type Service = ClientTrace<S>;

    fn layer(&self, inner: S) -> ClientTrace<S> {
        ClientTrace {
            inner,
            enabled: self.enabled,
            server: Arc::clone(&self.server),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ClientTrace<S> {
    inner: S,
    enabled: bool,
    server: Arc<Server>,
}

impl<S, B> Service<Request<Body>> for ClientTrace<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: HasCode,
{
    type Response = Response<TracedBody<B>>;
    type Error = S::Error;
    type Future = Traced<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let scope = match self.enabled {
            true => {
                let parent = opentelemetry::Context::current();
                Scope::begin(parent, || span::client(request.uri().path()))
            }
            false => Scope::None,
        };
        if let Some(context) = scope.context() {
            propagation::inject(context, request.headers_mut());
        }
        let recording = scope.span().and_then(Recording::of);
        if let Some(recording) = &recording {
            recording.server(&self.server.address, self.server.port);
            // Whom it goes to is not known before an endpoint is picked.
            request.extensions_mut().insert(recording.clone());
            let sent = Sent::of(recording.clone());
            request = request.map(|body| Body::new(SentBody::new(body, sent)));
        }
        let observer = recording.map(|span| SpanEnd {
            span,
            side: Side::Client,
        });
        let inner = {
            let _entered = scope.enter();
            self.inner.call(request)
        };
        // What makes the messages is another process.
        Traced::new(scope, Observed::new(inner, observer), false, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_or_the_name_of_a_group() {
        let server = |target: &str| {
            let Server { address, port } = Server::of(&target.parse().expect(target));
            (address, port)
        };
        let expected = |address: &str, port| (address.to_owned(), port);
        assert_eq!(server("consul:///users"), expected("users", None));
        assert_eq!(server("users"), expected("users", None));
        assert_eq!(server("dns:///users:80"), expected("users", Some(80)));
        assert_eq!(server("static:///[::1]:2"), expected("[::1]", Some(2)));
        assert_eq!(
            server("static:///10.0.0.1:1,10.0.0.2:1"),
            expected("10.0.0.1:1,10.0.0.2:1", None)
        );
    }
}
