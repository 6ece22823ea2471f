//! A log line for each call: method, peer, code and latency; the trace id comes with the span.
//!
//! Calls are logged at `info`, or at `warn` when the server failed; health checks and reflection
//! at `debug`. The target is [`TARGET`], so `log.level = "info,rpc=off"` silences them alone.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer, Service};

use super::call;
use super::observe::{HasCode, Observed, ObservedBody, Observer};
use super::trace::Scope;

/// The target of the lines.
pub(crate) const TARGET: &str = "rpc";

/// Wraps a server in logging.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogLayer {
    pub(crate) enabled: bool,
}

impl<S> Layer<S> for LogLayer {
    type Service = Log<S>;

    fn layer(&self, inner: S) -> Log<S> {
        Log {
            inner,
            enabled: self.enabled,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Log<S> {
    inner: S,
    enabled: bool,
}

impl<S, Q, B> Service<Request<Q>> for Log<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: HasCode,
{
    type Response = Response<ObservedBody<B, Line>>;
    type Error = S::Error;
    type Future = Observed<S::Future, Line>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let line = self.enabled.then(|| Line::begin(&request));
        Observed::new(self.inner.call(request), line)
    }
}

/// The line of a call, written when it ends.
#[derive(Debug)]
pub(crate) struct Line {
    path: Box<str>,
    peer: Option<SocketAddr>,
    begin: Instant,
    /// A call that is dropped ends outside of it.
    scope: Scope,
}

impl Line {
    fn begin<Q>(request: &Request<Q>) -> Self {
        let peer = request.extensions().get::<TcpConnectInfo>();
        Self {
            path: request.uri().path().into(),
            peer: peer.and_then(TcpConnectInfo::remote_addr),
            begin: Instant::now(),
            scope: Scope::current(),
        }
    }
}

impl Observer for Line {
    fn finish(self, code: Code) {
        let method = self.path.trim_start_matches('/');
        let peer = self.peer.map(tracing::field::display);
        let latency = self.begin.elapsed();
        let code_name = call::name(code);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(target: TARGET, peer, code = code_name, ?latency, "{method}")
            };
        }
        let _entered = self.scope.enter();
        if call::is_infrastructure(&self.path) {
            line!(debug);
        } else if call::is_server_fault(code) {
            line!(warn);
        } else {
            line!(info);
        }
    }
}

#[cfg(test)]
mod tests;
