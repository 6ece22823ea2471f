//! How often a step is tried, and for how long.

use std::time::Duration;

/// How often a step is tried, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How often the action is tried before the saga is undone, at least once. Default: 5. The
    /// compensation is tried until it succeeds, or says that it never will.
    pub attempts: u32,
    /// The longest that one attempt may take; then it is not known whether it had its effect.
    /// Default: 10 s.
    pub timeout: Duration,
    /// The first pause between attempts, which doubles with each. Default: 100 ms.
    pub min_backoff: Duration,
    /// The longest pause. Default: 10 s.
    pub max_backoff: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 5,
            timeout: Duration::from_secs(10),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl Policy {
    /// The defaults, with so many attempts.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self {
            attempts,
            ..Self::default()
        }
    }

    /// The same with another limit on the time of an attempt.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}
