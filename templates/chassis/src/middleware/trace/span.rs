//! The spans of calls, by OpenTelemetry's semantic conventions for RPC and gRPC.

use tonic::Code;
use tracing::field::Empty;
use tracing::{Span, info_span};

use crate::middleware::call;
use crate::middleware::observe::Observer;

/// The span of a call that this process answers.
pub(super) fn server(path: &str) -> Span {
    let (service, method) = call::split(path);
    info_span!(
        "rpc",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    )
}

/// The span of a call that this process makes.
pub(super) fn client(path: &str) -> Span {
    let (service, method) = call::split(path);
    info_span!(
        "rpc",
        otel.name = path.trim_start_matches('/'),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    )
}

/// Which side of a call a span is of: they differ in what is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// Writes the outcome into the span.
#[derive(Debug)]
pub(crate) struct SpanEnd {
    pub(super) span: Span,
    pub(super) side: Side,
}

impl Observer for SpanEnd {
    fn finish(self, code: Code) {
        let is_error = match self.side {
            Side::Server => call::is_server_fault(code),
            Side::Client => code != Code::Ok,
        };
        self.span.record("rpc.grpc.status_code", code as i64);
        if is_error {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}
