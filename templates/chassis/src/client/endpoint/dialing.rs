//! How connections are made and probed: as it is configured now, and as their servers bear it.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::{self, Follow, Section};

/// The time between PINGs that servers allow for by default (gRFC A8, "Server Enforcement").
const CALM: Duration = Duration::from_secs(5 * 60);

/// The longest time between PINGs to which a server that finds them too many brings it: a peer that
/// is gone is noticed in the end.
const CALMEST: Duration = Duration::from_secs(60 * 60);

/// What is configured for connections that begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) struct Dialing {
    pub(super) connect_timeout: Duration,
    pub(super) keep_alive_interval: Option<Duration>,
    pub(super) keep_alive_timeout: Duration,
    /// Between attempts to connect, from this one on.
    pub(super) min_backoff: Duration,
    pub(super) max_backoff: Duration,
}

impl Dialing {
    /// That of `config`, and of what comes after it.
    pub(in crate::client) fn follow(config: &config::Client) -> Follow<Self> {
        let sections = &[
            Section::ConnectTimeout,
            Section::KeepAliveInterval,
            Section::KeepAliveTimeout,
            Section::MinBackoff,
            Section::MaxBackoff,
        ];
        Follow::new(sections, Self::of(config), |config| {
            Self::of(&config.client)
        })
    }

    fn of(config: &config::Client) -> Self {
        Self {
            connect_timeout: config.connect_timeout.get(),
            keep_alive_interval: config.keep_alive_interval.non_zero(),
            keep_alive_timeout: config.keep_alive_timeout.get(),
            min_backoff: config.min_backoff.get(),
            max_backoff: config.max_backoff.get(),
        }
    }

    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.min_backoff, self.max_backoff)
    }
}

/// How often the connections to one address are probed: as it is configured, or less for a server
/// that finds that too much.
#[derive(Debug, Default)]
pub(super) struct Probing {
    at_least: Duration,
}

impl Probing {
    /// `configured`, as far as the server bears it; `None` is never.
    pub(super) fn interval(&self, configured: Option<Duration>) -> Option<Duration> {
        configured.map(|it| it.max(self.at_least))
    }

    /// PINGs every `interval` were too many: how often they come from now on.
    pub(super) fn objected(&mut self, interval: Duration) -> Duration {
        self.at_least = calmer(interval);
        self.at_least
    }

    /// A connection with a PING every `interval` has `lasted` as long.
    pub(super) fn ended(&mut self, interval: Duration, lasted: Duration) {
        if has_borne(interval, lasted) {
            self.at_least = Duration::ZERO;
        }
    }
}

/// The time between PINGs for a server to which those every `interval` were too many (gRFC A8: twice
/// as long), which is never less than it was.
fn calmer(interval: Duration) -> Duration {
    let twice = interval.saturating_mul(2).clamp(CALM, CALMEST);
    twice.max(interval)
}

/// Whether a connection that `lasted` as long shows that a PING every `interval` is well, so that the
/// next one, of another server maybe, begins as configured.
fn has_borne(interval: Duration, lasted: Duration) -> bool {
    lasted > interval.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_objects_again_and_again_is_probed_still() {
        let configured = Some(Duration::from_secs(1));
        let mut probing = Probing::default();
        let interval = |probing: &Probing| probing.interval(configured).expect("it is probed");
        let mut minutes = Vec::new();
        for _ in 0..200 {
            let calmer = probing.objected(interval(&probing));
            assert_eq!(interval(&probing), calmer);
            minutes.push(calmer.as_secs() / 60);
        }
        assert_eq!(minutes[..6], [5, 10, 20, 40, 60, 60]);
        assert_eq!(interval(&probing), CALMEST);
        assert_eq!(probing.interval(None), None);
        // What is configured is not made shorter.
        assert_eq!(probing.interval(Some(CALMEST * 3)), Some(CALMEST * 3));
        assert_eq!(calmer(CALMEST * 3), CALMEST * 3);

        probing.ended(CALMEST, CALMEST);
        assert_eq!(interval(&probing), CALMEST);
        probing.ended(CALMEST, CALMEST * 3);
        assert_eq!(probing.interval(configured), configured);
    }
}
