//! What is retried, by method: the configuration, resolved once.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use super::idempotent::Idempotent;
use crate::config;
use crate::middleware::call;

/// The most attempts of a call, whatever is configured (gRFC A6, "Limits on Retries and Hedges").
const MAX_ATTEMPTS: u32 = 5;

/// How far a pause may be from what was computed (A6, "Exponential Backoff").
const JITTER: f64 = 0.2;

/// A set of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Codes(u32);

impl Codes {
    fn new(codes: &[config::RetryCode]) -> Self {
        let bits = codes.iter().map(|code| 1 << code.get() as u32);
        Self(bits.fold(0, |set, bit| set | bit))
    }

    pub(super) fn contains(self, code: Code) -> bool {
        self.0 & (1 << code as u32) != 0
    }
}

/// How the calls of a method are made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Policy {
    /// Once.
    Once,
    /// Again, when they have failed.
    Retry(Arc<RetryPolicy>),
    /// Several times, until one has succeeded.
    Hedge(Arc<HedgePolicy>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct RetryPolicy {
    /// From 2 to 5; 1 for what is not made again unless no handler has seen it.
    pub(super) max_attempts: u32,
    pub(super) codes: Codes,
    pub(super) attempt_timeout: Option<Duration>,
    initial_backoff: Duration,
    max_backoff: Duration,
    multiplier: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct HedgePolicy {
    /// From 2 to 5.
    pub(super) max_attempts: u32,
    pub(super) delay: Delay,
    pub(super) non_fatal: Codes,
    /// For requests that are streams, which cannot be sent to several instances at a time. With
    /// [`Delay::HalfOfWhatIsLeft`] its pauses are those after failures of others, too.
    pub(super) streams: Arc<RetryPolicy>,
}

/// How long an attempt waits for the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delay {
    Fixed(Duration),
    /// Of the time that the call has: enough for an answer that is slow, and for another attempt.
    HalfOfWhatIsLeft,
}

impl RetryPolicy {
    /// The pause before the retry that is the `index`-th (from 0) since the first attempt, or since
    /// a server has said when to come back.
    pub(super) fn backoff(&self, index: u32) -> Duration {
        self.backoff_with(index, random())
    }

    /// `random` is from 0 to 1.
    fn backoff_with(&self, index: u32, random: f64) -> Duration {
        let max = self.max_backoff.as_secs_f64();
        let growth = self.multiplier.powi(index.min(MAX_ATTEMPTS) as i32);
        let pause = (self.initial_backoff.as_secs_f64() * growth).min(max);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * random;
        Duration::try_from_secs_f64(pause * jitter).unwrap_or(self.max_backoff)
    }
}

impl RetryPolicy {
    /// For what is not made again.
    fn once() -> Self {
        Self {
            max_attempts: 1,
            codes: Codes::new(&[]),
            attempt_timeout: None,
            initial_backoff: Duration::ZERO,
            max_backoff: Duration::ZERO,
            multiplier: 1.0,
        }
    }
}

impl Policy {
    /// That of a method of which `is_idempotent` is said elsewhere.
    fn new(config: &config::Retry, method: &config::RetryMethod, is_idempotent: bool) -> Self {
        let is_idempotent = method.idempotent.unwrap_or(is_idempotent);
        let by_default = is_idempotent || !config.only_idempotent;
        if !method.enabled.unwrap_or(by_default) {
            return Self::Once;
        }
        if let Some(hedging) = &method.hedging {
            return match hedging.max_attempts.min(MAX_ATTEMPTS) {
                0 | 1 => Self::Once,
                max_attempts => Self::Hedge(Arc::new(HedgePolicy {
                    max_attempts,
                    delay: Delay::Fixed(hedging.delay.get()),
                    non_fatal: Codes::new(&hedging.non_fatal),
                    streams: Arc::new(RetryPolicy::once()),
                })),
            };
        }
        let max_attempts = method.max_attempts.unwrap_or(config.max_attempts);
        let attempt_timeout = method.attempt_timeout.unwrap_or(config.attempt_timeout);
        let codes = Codes::new(method.codes.as_ref().unwrap_or(&config.codes));
        let max_attempts = max_attempts.min(MAX_ATTEMPTS);
        if max_attempts <= 1 {
            return Self::Once;
        }
        let retry = Arc::new(RetryPolicy {
            max_attempts,
            codes,
            attempt_timeout: attempt_timeout.non_zero(),
            initial_backoff: method
                .initial_backoff
                .unwrap_or(config.initial_backoff)
                .get(),
            max_backoff: method.max_backoff.unwrap_or(config.max_backoff).get(),
            multiplier: method.multiplier.unwrap_or(config.multiplier).get(),
        });
        match is_idempotent && retry.attempt_timeout.is_none() {
            true => Self::Hedge(Arc::new(HedgePolicy {
                max_attempts,
                delay: Delay::HalfOfWhatIsLeft,
                non_fatal: codes,
                streams: retry,
            })),
            false => Self::Retry(retry),
        }
    }
}

/// The policies of a channel.
#[derive(Debug)]
pub(super) struct Policies {
    default: Policy,
    once: Arc<RetryPolicy>,
    /// By `service/method` and by `service`.
    by_name: HashMap<String, Policy>,
}

impl Policies {
    pub(super) fn new(config: &config::Retry, idempotent: &Idempotent) -> Self {
        let inherited = config::RetryMethod::default();
        let configured = |name: &str| {
            let own = |it: &&str| it.trim_start_matches('/') == name;
            let key = config.methods.keys().map(String::as_str).find(own);
            key.and_then(|key| config.methods.get(key))
        };
        let described = idempotent.names().map(|name| {
            let (service, _) = name.split_once('/').unwrap_or((name, ""));
            let method = configured(name).or_else(|| configured(service));
            let policy = Policy::new(config, method.unwrap_or(&inherited), true);
            (name.to_owned(), policy)
        });
        let by_name = config.methods.iter().map(|(name, method)| {
            let name = name.trim_start_matches('/').to_owned();
            (name, Policy::new(config, method, false))
        });
        Self {
            default: Policy::new(config, &inherited, false),
            once: Arc::new(RetryPolicy::once()),
            // What is said of a method in both is in the second.
            by_name: by_name.chain(described).collect(),
        }
    }

    /// For what is not made again.
    pub(super) fn once(&self) -> &Arc<RetryPolicy> {
        &self.once
    }

    /// The policy of the method with `path`: its own, else that of its service, else the default.
    pub(super) fn of(&self, path: &str) -> &Policy {
        if self.by_name.is_empty() {
            return &self.default;
        }
        let name = path.trim_start_matches('/');
        let (service, _) = call::split(path);
        let own = self.by_name.get(name).or_else(|| self.by_name.get(service));
        own.unwrap_or(&self.default)
    }
}

/// A number from 0 up to 1. Not for secrets.
fn random() -> f64 {
    // Each `RandomState` has keys of its own.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
