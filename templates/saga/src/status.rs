//! Where a saga is.

use serde::{Deserialize, Serialize};

/// Where a saga is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Its steps are acted.
    Running,
    /// A step failed for good, and what was done is undone.
    Compensating,
    /// All steps were acted. It has ended.
    Completed,
    /// All that was done is undone. It has ended.
    Compensated,
    /// A compensation says that it never will succeed: somebody has to see to it, and then to call
    /// [`Handle::resume`](crate::Handle::resume).
    Stuck,
}

impl Status {
    /// Whether nothing happens by itself any more.
    #[must_use]
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Compensating)
    }

    /// As it is written in tables, pages and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Completed => "completed",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }

    /// The one that is written like this.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let all = [
            Self::Running,
            Self::Compensating,
            Self::Completed,
            Self::Compensated,
            Self::Stuck,
        ];
        all.into_iter().find(|it| it.name() == name)
    }
}
