//! `[client.retry]`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use tonic::Code;

use crate::config::units::Parse;
use crate::config::{Duration, NotAValue, Ratio, Size};
use crate::middleware::call;

/// `[client.retry]`: which calls that failed are made again (gRFC A6, "gRPC Retry Design"). A change
/// holds for calls that begin then; the budget stays as full as it was.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Default: true.
    pub enabled: bool,
    /// The attempts of a call, the first included; 1 is no retry, more than 5 are 5 (A6, "Limits
    /// on Retries and Hedges"). Default: 3.
    pub max_attempts: u32,
    /// The pause before the first retry, give or take a fifth (A6, "Exponential Backoff").
    /// Default: `"50ms"`: the retry goes to another instance, so there is little to wait for.
    pub initial_backoff: Duration,
    /// The longest pause, give or take a fifth. Default: `"1s"` (the example of A6).
    pub max_backoff: Duration,
    /// By how much each pause is longer than the one before. Default: 2 (the example of A6).
    pub multiplier: Multiplier,
    /// The codes after which a call is made again. Default: `["UNAVAILABLE"]`, by which a server
    /// says that it has not done what it was asked for. A call whose connection broke ends with it
    /// too, and may have been done: turn retries off for methods that must not be called twice.
    pub codes: Vec<RetryCode>,
    /// An attempt of a unary call that has no response for as long is given up and made again.
    /// Default: `"0s"`, never: an instance that is slow is not one that hangs, and what it was
    /// asked for may be done twice. (An instance that hangs does not answer PING:
    /// `client.keep_alive_interval`.)
    pub attempt_timeout: Duration,
    /// What is kept of a request, to be sent again, until its response begins; a larger one is sent
    /// once. Default: `"256KiB"` (gRPC Core's default of `grpc.per_rpc_retry_buffer_size`).
    pub buffer: Size,
    /// What is kept of all requests of a channel at a time. Default: `"16MiB"` (the default of
    /// `retryBufferSize` in grpc-java).
    pub channel_buffer: Size,
    /// Whether only methods that are known to be idempotent are made again: those that their proto
    /// says it of (`chassis::client::connect_described`), or `methods`. Default: false, as in gRPC,
    /// which leaves it to the codes.
    pub only_idempotent: bool,
    /// `[client.retry.throttle]`
    pub throttle: RetryThrottle,
    /// `[client.retry.methods."user.v1.UserService/GetUser"]`: what is different for a method, or
    /// for all methods of a service (`"user.v1.UserService"`).
    pub methods: BTreeMap<String, RetryMethod>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            max_attempts: 3,
            initial_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            multiplier: Multiplier(2.0),
            codes: vec![RetryCode(Code::Unavailable)],
            attempt_timeout: Duration::default(),
            buffer: Size::from_bytes(256 * 1024),
            channel_buffer: Size::from_mib(16),
            only_idempotent: false,
            throttle: RetryThrottle::default(),
            methods: BTreeMap::new(),
        }
    }
}

/// `[client.retry.throttle]`: the budget for retries (A6, "Throttling Retry Attempts and Hedged
/// RPCs"). Each failure costs a token; below half of the tokens nothing is retried.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryThrottle {
    /// Default: true.
    pub enabled: bool,
    /// Default: 1000, so that the calls that one instance held when it died or hung, up to 500 of
    /// them, are all made again. (A6 allows no more; its example is 10.)
    pub max_tokens: u32,
    /// What a success brings back, in tokens: the share of retries among calls in the long run.
    /// Default: 0.1 (the example of A6).
    pub token_ratio: Ratio,
}

impl Default for RetryThrottle {
    fn default() -> Self {
        Self {
            enabled: true,
            max_tokens: 1000,
            token_ratio: Ratio::TENTH,
        }
    }
}

/// `[client.retry.methods."…"]`: what is not set is as in `[client.retry]`.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryMethod {
    /// Whether calls of this method are made again.
    pub enabled: Option<bool>,
    /// As [`Retry::max_attempts`].
    pub max_attempts: Option<u32>,
    /// As [`Retry::initial_backoff`].
    pub initial_backoff: Option<Duration>,
    /// As [`Retry::max_backoff`].
    pub max_backoff: Option<Duration>,
    /// As [`Retry::multiplier`].
    pub multiplier: Option<Multiplier>,
    /// As [`Retry::codes`].
    pub codes: Option<Vec<RetryCode>>,
    /// As [`Retry::attempt_timeout`].
    pub attempt_timeout: Option<Duration>,
    /// Whether calls of this method may be done twice. Default: what the proto says, where that is
    /// known, else false. A call that may be, whose request is a single message and that has no
    /// `attempt_timeout`, is made elsewhere as well when half of its time has passed and no
    /// response has begun; the first response counts.
    pub idempotent: Option<bool>,
    /// Several attempts at a time, instead of one after the other. Default: none.
    pub hedging: Option<Hedging>,
}

/// `[client.retry.methods."…".hedging]`: attempts that do not wait for each other's failure (A6,
/// "Hedging Policy"). The first success counts, the others are cancelled; a stream of responses is
/// one as soon as it begins. Only for methods that may be done several times; calls whose requests
/// are streams are made once.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hedging {
    /// The attempts of a call, the first included; at most 5. Default: 2.
    pub max_attempts: u32,
    /// How long each waits for the ones before. Default: `"100ms"`; `"0s"` sends all at once.
    pub delay: Duration,
    /// The codes after which the next attempt is made at once; another code ends the call.
    /// Default: `["UNAVAILABLE"]`.
    pub non_fatal: Vec<RetryCode>,
}

impl Default for Hedging {
    fn default() -> Self {
        Self {
            max_attempts: 2,
            delay: Duration::from_millis(100),
            non_fatal: vec![RetryCode(Code::Unavailable)],
        }
    }
}

/// A factor of at least 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, serde::Serialize)]
pub struct Multiplier(f64);

impl Multiplier {
    /// `None` unless `factor` is a number of at least 1.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        (factor.is_finite() && factor >= 1.0).then_some(Self(factor))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Multiplier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let factor = f64::deserialize(deserializer)?;
        Self::new(factor).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Float(factor), &"a factor of at least 1")
        })
    }
}

/// A status code that is not OK, written as in `"UNAVAILABLE"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryCode(Code);

impl RetryCode {
    /// `None` for OK.
    #[must_use]
    pub fn new(code: Code) -> Option<Self> {
        (code != Code::Ok).then_some(Self(code))
    }

    /// As a code.
    #[must_use]
    pub const fn get(self) -> Code {
        self.0
    }
}

impl FromStr for RetryCode {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        // gRPC has 17 codes, 0 to 16; 0 is OK.
        let code = (1..=16).map(Code::from).find(|it| call::name(*it) == text);
        code.map(Self).ok_or(NotAValue)
    }
}

impl<'de> Deserialize<'de> for RetryCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "a status code such as \"UNAVAILABLE\"",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_failures() {
        let code = |text: &str| text.parse::<RetryCode>().ok().map(RetryCode::get);
        assert_eq!(code("UNAVAILABLE"), Some(Code::Unavailable));
        assert_eq!(code("UNAUTHENTICATED"), Some(Code::Unauthenticated));
        for text in ["OK", "unavailable", "14", ""] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn a_factor_does_not_shrink() {
        assert_eq!(Multiplier::new(1.5).map(Multiplier::get), Some(1.5));
        for factor in [0.99, 0.0, -2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Multiplier::new(factor), None, "{factor}");
        }
    }
}
