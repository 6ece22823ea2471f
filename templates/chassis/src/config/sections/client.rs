//! `[client]`.

mod balance;
mod breaker;
mod outlier;

use serde::{Deserialize, Serialize};

use super::ClientTls;
use crate::config::{Duration, Retry, Size};

pub use balance::{Balance, BalancePolicy};
pub use breaker::Breaker;
pub use outlier::{FailurePercentage, Outlier, SuccessRate};

/// `[client]`: how other services are called. Changes of `response_timeout`, `ready_timeout`,
/// `max_response_size`, `max_in_flight`, `balance`, `breaker`, `outlier` and `retry` are in force at
/// once, for the channels that there are, those of `connect_timeout`, `min_backoff`, `max_backoff`,
/// `keep_alive_interval` and `keep_alive_timeout` for connections that begin then; `tls` and `layers`
/// need a restart (certificates that change in their files do not).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// The longest wait for a connection. Default: `"2s"`.
    pub connect_timeout: Duration,
    /// The wait after a connection that could not be made, the first time; each further one is
    /// twice as long, and a random part of up to half is left out. Default: `"100ms"`, where
    /// gRPC's "Connection Backoff" waits 1 s: an instance that restarts is soon back.
    pub min_backoff: Duration,
    /// The longest of these waits. Default: `"1s"`, half of `ready_timeout`, where gRPC waits up to
    /// 120 s: no call should fail because nobody looks. Make it longer when many clients have
    /// many instances that stay away.
    pub max_backoff: Duration,
    /// The longest wait for the head of the response once the request is sent, for calls that have
    /// no deadline. Default: `"10s"`; `"0s"` is no limit.
    pub response_timeout: Duration,
    /// The longest wait for an endpoint that is ready, when none is. Default: `"2s"`;
    /// `"0s"` fails such calls at once.
    pub ready_timeout: Duration,
    /// A connection on which calls wait and nothing comes is probed with PING after as long.
    /// Default: `"1s"` (as memberlist probes: `ProbeInterval` in a LAN); `"0s"` is never. gRPC's
    /// own clients do not go below 10 s, because servers of others close connections on which
    /// PING comes too often; when one does, this becomes 5 minutes for it, which all allow
    /// (gRFC A8), and twice as long when it does again, up to an hour.
    pub keep_alive_interval: Duration,
    /// The longest wait for the answer to a PING before the connection is given up, and its calls
    /// are made again. Default: `"2s"`: a server that lives answers within milliseconds, whatever
    /// its handlers do, and after both times together a call still has most of its 10 s.
    pub keep_alive_timeout: Duration,
    /// The largest response message, as it is sent. Default: `"4MiB"`. To allow more than that,
    /// also tell the generated client, by `max_decoding_message_size`.
    pub max_response_size: Size,
    /// The most calls that a channel has in flight; more fail at once with `RESOURCE_EXHAUSTED`
    /// (a bulkhead: one slow service does not take all that this one has). Default: 0, which is
    /// no limit.
    pub max_in_flight: usize,
    /// `[client.tls]`: TLS.
    pub tls: ClientTls,
    /// `[client.balance]`: which instance gets a call.
    pub balance: Balance,
    /// `[client.breaker]`: the circuit breaker in front of each endpoint.
    pub breaker: Breaker,
    /// Which calls that failed are made again.
    pub retry: Retry,
    /// `[client.outlier]`: when an instance that fails more than the others is ejected.
    pub outlier: Outlier,
    /// Which layers wrap calls.
    pub layers: ClientLayers,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(1),
            response_timeout: Duration::from_secs(10),
            ready_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(1),
            keep_alive_timeout: Duration::from_secs(2),
            max_response_size: Size::from_mib(4),
            max_in_flight: 0,
            tls: ClientTls::default(),
            balance: Balance::default(),
            breaker: Breaker::default(),
            retry: Retry::default(),
            outlier: Outlier::default(),
            layers: ClientLayers::default(),
        }
    }
}

/// `[client.layers]`: which layers wrap calls. All are on by default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
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
