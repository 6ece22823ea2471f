//! `[app.sagas]`, or wherever a service puts it.

use chassis::config::Duration;
use serde::Deserialize;

/// How sagas are worked on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How long a process that is not heard of keeps a saga; then another one takes it up. More than
    /// clocks differ. Default: `"30s"`.
    pub lease: Duration,
    /// How often it is looked for sagas of processes that died, and for those whose next attempt is due. Those that this process starts are
    /// taken up at once. Default: `"1s"`.
    pub poll_interval: Duration,
    /// Sagas that this process works on at a time, at least 1. One that waits for its next attempt for
    /// longer than `poll_interval` is not among them. Default: 100.
    pub max_running: u32,
    /// How long sagas that were completed or compensated are kept. Default: `"168h"`, a week.
    pub retention: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            poll_interval: Duration::from_secs(1),
            max_running: 100,
            retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
