//! `[server]` and `[admin]`.

use serde::{Deserialize, Serialize};

use super::{Auth, Limits, Rate, ServerTls};
use crate::config::{Duration, PerSecond, Size};

/// `[server]`: the gRPC server. Changes of `propagation_delay`, `drain_timeout`, `background_timeout`,
/// `max_request_size`, `deadline`, `limits` and `auth` are in force at once, those of `connections` and `http2` for
/// connections that begin then; `host`, `port`, `advertise`, `stop_on_stdin_close`, `tls` and `layers` need a restart
/// (certificates that change in their files do not).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on: an IP address or a host name. Default: `"0.0.0.0"`.
    pub host: String,
    /// Default: 50051. 0 takes any free port.
    pub port: u16,
    /// The `"host"` or `"host:port"` under which others reach this instance, when that is not the
    /// address it listens on. Default: `server.host` when it is specific, else the address of the
    /// network interface that leads outside.
    pub advertise: Option<String>,
    /// On shutdown, the time between leaving the registry and closing connections, in which
    /// clients learn that this instance is going. Default: `"2s"`; skipped when the service is not
    /// registered.
    pub propagation_delay: Duration,
    /// On shutdown, the longest wait for calls in flight. Default: `"30s"`.
    pub drain_timeout: Duration,
    /// On shutdown, the longest wait for the work beside the calls, once they are done. Default:
    /// `"10s"`.
    pub background_timeout: Duration,
    /// Whether the end of standard input asks the service to stop, as SIGTERM does, so that it does
    /// not outlive the process that started it. Default: false.
    pub stop_on_stdin_close: bool,
    /// The largest request message, as it is sent. Default: `"4MiB"`. To allow more than that,
    /// also tell the generated server, by `max_decoding_message_size`.
    pub max_request_size: Size,
    /// Limits on the time a call may take.
    pub deadline: Deadline,
    /// Limits on the number of calls.
    pub limits: Limits,
    /// Who may call.
    pub auth: Auth,
    /// TLS.
    pub tls: ServerTls,
    /// Limits on connections.
    pub connections: Connections,
    /// HTTP/2 settings.
    pub http2: Http2,
    /// Which layers wrap the services.
    pub layers: ServerLayers,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 50051,
            advertise: None,
            propagation_delay: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(30),
            background_timeout: Duration::from_secs(10),
            stop_on_stdin_close: false,
            max_request_size: Size::from_mib(4),
            deadline: Deadline::default(),
            limits: Limits::default(),
            auth: Auth::default(),
            tls: ServerTls::default(),
            connections: Connections::default(),
            http2: Http2::default(),
            layers: ServerLayers::default(),
        }
    }
}

/// `[server.deadline]`: the most time a call gets, whatever its client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deadline {
    /// For calls with one response message. Default: `"60s"`; `"0s"` is no limit.
    pub unary: Duration,
    /// For calls that stream responses. Default: `"0s"`, no limit.
    pub streaming: Duration,
}

impl Default for Deadline {
    fn default() -> Self {
        Self {
            unary: Duration::from_secs(60),
            streaming: Duration::default(),
        }
    }
}

/// `[server.connections]`: limits on connections, against clients that take them and do nothing
/// with them.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections at a time; the others are closed at once. Default: 0, as many as the process
    /// can have files open.
    pub max: u32,
    /// The longest wait for the handshake of HTTP/2 (and of TLS). Default: `"10s"`; `"0s"` is no
    /// limit.
    pub handshake_timeout: Duration,
    /// The longest wait for the rest of a frame that has begun, or of the metadata of a call;
    /// messages may take as long as their call. Default: `"10s"`; `"0s"` is no limit.
    pub frame_timeout: Duration,
    /// How old a connection gets, give or take a tenth; then its client is told to make another
    /// one, which spreads clients over new instances. Default: `"0s"`, no limit (as in gRFC A9).
    pub max_age: Duration,
    /// How long a connection may have no calls; then its client is told to make another one when it
    /// has some. Default: `"0s"`, no limit (as in gRFC A9): clients of this chassis keep one ready.
    pub max_idle: Duration,
    /// How long the calls on an old connection may go on. Default: `"0s"`, no limit (as in
    /// gRFC A9).
    pub max_age_grace: Duration,
    /// Calls that a client gives up, on one connection; above it, the connection is closed
    /// (CVE-2023-44487, "rapid reset"). Default: a rate of 100 and a burst of 1000; a rate of 0 is
    /// no limit. (nghttp2 has 33 and 1000, for browsers; deadlines and hedging cancel more.)
    pub resets: Rate,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 0,
            handshake_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(10),
            max_age: Duration::default(),
            max_idle: Duration::default(),
            max_age_grace: Duration::default(),
            resets: Rate {
                rate: PerSecond::HUNDRED,
                burst: 1000,
            },
        }
    }
}

/// `[server.http2]`: HTTP/2 settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// Calls at a time on one connection. Default: 1024.
    pub max_concurrent_streams: u32,
    /// How often a connection is probed with PING. Default: `"60s"`; `"0s"` is never.
    pub keep_alive_interval: Duration,
    /// The longest wait for the answer to a PING before the connection is closed.
    /// Default: `"20s"` (as in gRFC A8).
    pub keep_alive_timeout: Duration,
    /// The largest metadata of a call, as HTTP/2 counts it (names, values, and 32 bytes for each
    /// entry); above it, a call ends with HTTP status 431. Default: `"16KiB"` (as in hyper).
    pub max_header_list_size: Size,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            keep_alive_interval: Duration::from_secs(60),
            keep_alive_timeout: Duration::from_secs(20),
            max_header_list_size: Size::from_kib(16),
        }
    }
}

/// `[server.layers]`: which layers wrap the services. All are on by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent switch"
)]
pub struct ServerLayers {
    /// Spans, continuing the caller's trace.
    pub trace: bool,
    /// A log line a call.
    pub log: bool,
    /// Request metrics.
    pub metrics: bool,
    /// `grpc-timeout` and `[server.deadline]`.
    pub deadline: bool,
    /// A panic becomes `INTERNAL` instead of a broken connection.
    pub catch_panic: bool,
}

impl Default for ServerLayers {
    fn default() -> Self {
        Self {
            trace: true,
            log: true,
            metrics: true,
            deadline: true,
            catch_panic: true,
        }
    }
}

/// `[admin]`: the HTTP server for `/healthz`, `/readyz` and `/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Default: true.
    pub enabled: bool,
    /// Default: `server.host`.
    pub host: Option<String>,
    /// Default: `server.port` + 1000 (any free port when that is not a port).
    pub port: Option<u16>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            host: None,
            port: None,
        }
    }
}

impl Admin {
    /// How far the admin port is above the gRPC port, unless set.
    const PORT_OFFSET: u16 = 1000;

    /// The address to listen on.
    pub(crate) fn address(&self, server: &Server) -> (String, u16) {
        let host = self.host.as_ref().unwrap_or(&server.host).clone();
        let by_convention = match server.port {
            0 => 0,
            port => port.checked_add(Self::PORT_OFFSET).unwrap_or(0),
        };
        (host, self.port.unwrap_or(by_convention))
    }
}
