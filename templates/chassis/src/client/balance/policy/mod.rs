//! Which endpoint is tried next.

mod p2c;
mod weighted;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::Instant;

use crate::client::endpoint::{Endpoint, Weighing};
use crate::client::random::{below, random};
use crate::config::{self, BalancePolicy};

pub(super) use weighted::order;

/// The policy of a channel, with what it keeps while endpoints come and go.
#[derive(Debug)]
pub(super) enum Policy {
    /// In the order of the candidates, which has an endpoint as often as its weight says.
    InOrder {
        /// Counts the picks. It begins anywhere, so that clients that start together do not all
        /// call the same instance first.
        next: Apart,
        weighted: bool,
    },
    Random,
    P2c(Weighing),
}

/// A counter that shares no cache line, nor the one that is fetched with it, with what every pick
/// reads: each count would take that away from all other threads.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Apart(AtomicU32);

/// The endpoints to choose from, and the order in which they take turns.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Indexes of `endpoints`; empty stands for one after the other.
    pub(super) turns: Vec<u32>,
}

/// Which endpoint to try, and which one if that cannot take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) first: usize,
    pub(super) second: Option<usize>,
}

impl Policy {
    /// Loads that are known are compared on when `origin` is what it was.
    pub(super) fn new(config: &config::Balance, origin: Instant) -> Self {
        let in_order = |weighted| Self::InOrder {
            next: Apart(AtomicU32::new(random() as u32)),
            weighted,
        };
        match config.policy {
            BalancePolicy::RoundRobin => in_order(false),
            BalancePolicy::WeightedRoundRobin => in_order(true),
            BalancePolicy::Random => Self::Random,
            BalancePolicy::P2c => Self::P2c(Weighing::new(config, origin)),
        }
    }

    /// Whether endpoints have weights.
    pub(super) fn is_weighted(&self) -> bool {
        matches!(self, Self::InOrder { weighted: true, .. })
    }

    /// How loads are compared; `None` when they are not.
    pub(super) fn weighing(&self) -> Option<Weighing> {
        match self {
            Self::P2c(weighing) => Some(*weighing),
            Self::InOrder { .. } | Self::Random => None,
        }
    }

    /// One of the candidates, of which there must be some. It takes no lock. The time is needed
    /// where loads are compared.
    pub(super) fn choose(&self, candidates: &Candidates, now: Option<Instant>) -> Choice {
        let count = candidates.endpoints.len();
        let only = |first| Choice {
            first,
            second: None,
        };
        match self {
            _ if count == 1 => only(0),
            Self::InOrder { next, .. } => {
                let turn = next.0.fetch_add(1, Ordering::Relaxed);
                let turns = &candidates.turns;
                // Divisions of 32 bits are faster than those of 64.
                match turns.is_empty() {
                    true => only((turn % count as u32) as usize),
                    false => only(turns[(turn % turns.len() as u32) as usize] as usize),
                }
            }
            Self::Random => only(below(count, random() as u32)),
            Self::P2c(weighing) => {
                let load = |index: usize| candidates.endpoints[index].load();
                let now = weighing.tick(now.unwrap_or_else(Instant::now));
                p2c::choose(count, load, weighing, random(), now)
            }
        }
    }
}
