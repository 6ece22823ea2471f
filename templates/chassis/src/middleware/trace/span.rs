//! The spans of calls, by OpenTelemetry's semantic conventions for gRPC in the form that is the
//! release candidate of the stable one (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>):
//! since 1.38, `rpc.system.name` and `rpc.response.status_code` stand for what were `rpc.system`
//! and `rpc.grpc.status_code`, and `rpc.method` for `rpc.service` and `rpc.method`.
//!
//! The name and the kind are fields, which every subscriber sees. The rest is only worth its price
//! in a span that is recorded, and goes to OpenTelemetry directly.

use std::fmt::Write;
use std::net::SocketAddr;

use opentelemetry::trace::{Status as SpanStatus, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tonic::Code;
use tracing::{Span, info_span};

use crate::middleware::call;
use crate::middleware::observe::Observer;

/// The length of the longest text of an address: IPv6 with IPv4 in it.
const LONGEST_ADDRESS: usize = 45;

/// The span of a call that this process answers.
pub(super) fn server(path: &str) -> Span {
    let method = path.trim_start_matches('/');
    info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "server",
        rpc.system.name = "grpc",
        rpc.method = method,
    )
}

/// The span of a call that this process makes.
pub(super) fn client(path: &str) -> Span {
    let method = path.trim_start_matches('/');
    info_span!(
        "rpc",
        otel.name = method,
        otel.kind = "client",
        rpc.system.name = "grpc",
        rpc.method = method,
    )
}

/// Which side of a call a span is of: they differ in what is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// A span that is recorded. A request has it as an extension, so that it can be told what is found out
/// on the way.
#[derive(Debug, Clone)]
pub(crate) struct Recording(Context);

impl Recording {
    /// `None` when the span in `context` is not sampled, or nobody collects spans.
    pub(crate) fn of(context: &Context) -> Option<Self> {
        let is_recording = context.span().is_recording();
        is_recording.then(|| Self(context.clone()))
    }

    pub(super) fn context(&self) -> &Context {
        &self.0
    }

    /// The server that was asked for: an address, or the name of a group of instances.
    pub(super) fn server(&self, address: &str, port: Option<u16>) {
        self.set(KeyValue::new("server.address", address.to_owned()));
        if let Some(port) = port {
            self.set(KeyValue::new("server.port", i64::from(port)));
        }
    }

    /// The other end of the connection; the last one, when there were several attempts.
    pub(crate) fn peer(&self, peer: SocketAddr) {
        let mut address = String::with_capacity(LONGEST_ADDRESS);
        // Writing to a string does not fail.
        let _ = write!(address, "{}", peer.ip());
        self.set(KeyValue::new("network.peer.address", address));
        let port = i64::from(peer.port());
        self.set(KeyValue::new("network.peer.port", port));
    }

    pub(crate) fn set(&self, attribute: KeyValue) {
        self.0.span().set_attribute(attribute);
    }

    /// How it ended.
    pub(crate) fn end(&self, status: SpanStatus) {
        self.0.span().set_status(status);
    }
}

/// Writes the outcome into the span.
#[derive(Debug)]
pub(crate) struct SpanEnd {
    pub(super) span: Recording,
    pub(super) side: Side,
}

impl Observer for SpanEnd {
    fn finish(self, code: Code) {
        let name = call::name(code);
        self.span
            .set(KeyValue::new("rpc.response.status_code", name));
        let is_error = match self.side {
            Side::Server => call::is_server_fault(code),
            Side::Client => code != Code::Ok,
        };
        if is_error {
            self.span.set(KeyValue::new("error.type", name));
            self.span.end(SpanStatus::error(""));
        }
    }
}
