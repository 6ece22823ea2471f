//! `[client.balance]`.

use serde::{Deserialize, Serialize};

use crate::config::Duration;

/// `[client.balance]`: which instance gets a call. A change holds for calls that begin then; what
/// was measured, and the connections to instances that stay in the subset, are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Balance {
    /// Default: `"round_robin"`.
    pub policy: BalancePolicy,
    /// A client keeps connections to at most as many instances, which it chooses by itself: for
    /// services with so many instances that a connection from each client to each would be too
    /// many. Default: 0, which is all of them.
    pub subset_size: usize,
    /// `p2c`: how long a measured latency matters; after it, it counts for about a third.
    /// Default: `"10s"`, as in linkerd and finagle.
    pub decay: Duration,
    /// `p2c`: a call that fails counts as one that took as long, because an instance that fails at
    /// once would look like the fastest. Default: `"5s"`, as in linkerd; `"0s"` counts failures
    /// with the time they took.
    pub failure_penalty: Duration,
    /// `p2c`: an instance that is compared with a better one gets the call all the same when it
    /// has had nothing to do for as long, so that its latency is measured anew. Default: `"1s"`,
    /// as in go-zero; `"0s"` is never.
    pub force_pick_after: Duration,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            policy: BalancePolicy::default(),
            subset_size: 0,
            decay: Duration::from_secs(10),
            failure_penalty: Duration::from_secs(5),
            force_pick_after: Duration::from_secs(1),
        }
    }
}

/// How the instance for a call is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BalancePolicy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// One after the other, each as often as its `weight` in the metadata of the registry says
    /// (`[registry.meta]` of the instance): a whole number from 0 to 65535; 0 gets no calls unless
    /// all have 0, no weight is 1.
    WeightedRoundRobin,
    /// Any, each as likely as the others.
    Random,
    /// The better one of two that are chosen at random, by latency and calls in flight.
    P2c,
}
