//! `[log]` and `[metrics]`.

use serde::{Deserialize, Serialize};

use crate::config::{Directives, Duration};

/// `[log]`: what is logged, and how it looks. Logs go to the standard output.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Directives as in `"info,chassis=debug"`. Default: `"info"`.
    pub level: Directives,
    /// `pretty` or `json`. Default: `pretty`.
    pub format: LogFormat,
    /// `auto`, `always` or `never`. Default: `auto`.
    pub color: Color,
    /// Whether `PUT /log/level` of the admin server changes the level. Default: `true`.
    pub adjustable: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: Directives::default(),
            format: LogFormat::default(),
            color: Color::default(),
            adjustable: true,
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Pretty,
    /// One JSON object an event.
    Json,
}

/// Whether pretty logs are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// When the standard output is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// `[metrics]`: metrics in the Prometheus text format, at `/metrics` of the admin server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Upper bounds of the buckets of duration histograms. Default: 1 ms to 10 s.
    pub buckets: Vec<Duration>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            buckets: [
                1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000,
            ]
            .map(Duration::from_millis)
            .to_vec(),
        }
    }
}
