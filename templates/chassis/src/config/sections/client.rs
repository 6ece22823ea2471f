//! `[client]`.

use serde::Deserialize;

use crate::config::{Duration, Ratio, Retry, Size};

/// `[client]`: how other services are called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// The longest wait for a connection. Default: `"2s"`.
    pub connect_timeout: Duration,
    /// The longest wait for the head of the response once the request is sent, for calls that have
    /// no deadline. Default: `"10s"`; `"0s"` is no limit.
    pub response_timeout: Duration,
    /// The longest wait for an endpoint that is ready, when none is. Default: `"2s"`;
    /// `"0s"` fails such calls at once.
    pub ready_timeout: Duration,
    /// How often a connection with calls in flight is probed with PING. Default: `"20s"`;
    /// `"0s"` is never.
    pub keep_alive_interval: Duration,
    /// The longest wait for the answer to a PING before the connection is given up.
    /// Default: `"10s"`.
    pub keep_alive_timeout: Duration,
    /// The largest response message, as it is sent. Default: `"4MiB"`. To allow more than that,
    /// also tell the generated client, by `max_decoding_message_size`.
    pub max_response_size: Size,
    /// The circuit breaker in front of each endpoint.
    pub breaker: Breaker,
    /// Which calls that failed are made again.
    pub retry: Retry,
    /// Which layers wrap calls.
    pub layers: ClientLayers,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(10),
            ready_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(10),
            max_response_size: Size::from_mib(4),
            breaker: Breaker::default(),
            retry: Retry::default(),
            layers: ClientLayers::default(),
        }
    }
}

/// `[client.breaker]`: when an endpoint is left alone for a while.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Default: true.
    pub enabled: bool,
    /// The length of the sliding window in which outcomes count. Default: `"10s"`.
    pub window: Duration,
    /// The breaker does not open before as many calls ended in the window. Default: 3.
    pub min_requests: u32,
    /// It opens when at least this share of the calls in the window failed. Default: 0.5.
    pub failure_ratio: Ratio,
    /// How long it stays open before it lets probes through. Default: `"60s"`.
    pub open_for: Duration,
    /// The probes that are let through, and must all succeed, for it to close. Default: 3.
    pub probes: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            enabled: true,
            window: Duration::from_secs(10),
            min_requests: 3,
            failure_ratio: Ratio::HALF,
            open_for: Duration::from_secs(60),
            probes: 3,
        }
    }
}

/// `[client.layers]`: which layers wrap calls. All are on by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClientLayers {
    /// Spans, and the trace context passed on.
    pub trace: bool,
    /// Call metrics.
    pub metrics: bool,
    /// The deadline of the call being served passed on.
    pub deadline: bool,
}

impl Default for ClientLayers {
    fn default() -> Self {
        Self {
            trace: true,
            metrics: true,
            deadline: true,
        }
    }
}
