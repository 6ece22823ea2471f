//! `[client.breaker]`.

use serde::{Deserialize, Serialize};

use crate::config::{Duration, Ratio};

/// `[client.breaker]`: when an endpoint is left alone for a while. After a change, breakers stay open
/// or closed: an open one for `open_for` since it has opened, a closed one with its window unless
/// `window` has changed. Changes of `enabled` and `per_method` begin with closed ones.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Default: true.
    pub enabled: bool,
    /// The length of the sliding window in which outcomes count. Default: `"10s"`.
    pub window: Duration,
    /// The breaker does not open by a ratio before as many calls ended in the window. Default: 3.
    pub min_requests: u32,
    /// It opens when at least this share of the calls in the window failed. Default: 0.5.
    pub failure_ratio: Ratio,
    /// It also opens when as many calls failed one after the other, however few they are.
    /// Default: 0, which is off.
    pub consecutive_failures: u32,
    /// A call is slow when its response has not begun after that long. Default: `"0s"`, which is
    /// off: what is slow depends on the service.
    pub slow_call_duration: Duration,
    /// It also opens when at least this share of the calls in the window were slow. Default: 1.0,
    /// as in resilience4j.
    pub slow_call_ratio: Ratio,
    /// A breaker for each method of an endpoint, so that one method that fails does not take the
    /// others with it. Default: false. It is for at most 64 methods of an endpoint, those that are
    /// called first; further ones share a breaker.
    pub per_method: bool,
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
            consecutive_failures: 0,
            slow_call_duration: Duration::from_secs(0),
            slow_call_ratio: Ratio::ONE,
            per_method: false,
            open_for: Duration::from_secs(60),
            probes: 3,
        }
    }
}
