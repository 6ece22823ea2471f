//! Telling others of a change.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// A few calls pass, to see whether they succeed.
    HalfOpen,
}

/// A circuit breaker came from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerChange {
    /// What the channel is pointed at, as in `consul:///user-service`.
    pub target: Arc<str>,
    /// The endpoint behind the breaker.
    pub endpoint: SocketAddr,
    /// The path of the method, as in `/user.v1.UserService/GetUser`, where each has a breaker of
    /// its own (`client.breaker.per_method`).
    pub method: Option<Arc<str>>,
    /// The state it left.
    pub from: BreakerState,
    /// The state it came to.
    pub to: BreakerState,
    /// Counts the changes of this breaker, from 1: changes that follow quickly on each other may
    /// be told out of order.
    pub number: u64,
}

type Hook = Arc<dyn Fn(&BreakerChange) + Send + Sync>;

static HOOKS: LazyLock<ArcSwap<Vec<Hook>>> = LazyLock::new(ArcSwap::default);

/// Has `hook` called whenever a circuit breaker of any channel changes, for as long as the process
/// lives. It runs where the call runs that brought the change about, so it must be quick: send
/// what is to be done elsewhere.
///
/// ```
/// chassis::client::on_breaker_change(|change| {
///     if change.to == chassis::client::BreakerState::Open {
///         tracing::error!(target = %change.target, endpoint = %change.endpoint, "page somebody");
///     }
/// });
/// ```
pub fn on_breaker_change(hook: impl Fn(&BreakerChange) + Send + Sync + 'static) {
    let hook: Hook = Arc::new(hook);
    HOOKS.rcu(|hooks| {
        let mut hooks = Vec::clone(hooks);
        hooks.push(Arc::clone(&hook));
        hooks
    });
}

/// Calls the hooks. Not under the lock of the breaker, which a hook may look at.
pub(super) fn tell(change: &BreakerChange) {
    for hook in HOOKS.load().iter() {
        hook(change);
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        })
    }
}
