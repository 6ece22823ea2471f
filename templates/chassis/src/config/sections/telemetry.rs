//! `[log]`, `[tracing]` and `[metrics]`.

use serde::Deserialize;

use crate::config::{Directives, Duration, HttpUrl, Ratio};

/// `[log]`: what is logged, and how it looks. Logs go to the standard output.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Directives as in `"info,chassis=debug"`. Default: `"info"`.
    pub level: Directives,
    /// `pretty` or `json`. Default: `pretty`.
    pub format: LogFormat,
    /// `auto`, `always` or `never`. Default: `auto`.
    pub color: Color,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Pretty,
    /// One JSON object an event.
    Json,
}

/// Whether pretty logs are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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

/// `[tracing]`: distributed tracing with OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// The OTLP/gRPC collector, as in `"http://127.0.0.1:4317"`. Default: none, nothing is
    /// exported; log lines have trace ids all the same.
    pub endpoint: Option<HttpUrl>,
    /// The share of traces that start here and are recorded, from 0 to 1. Default: 1. A trace that
    /// a caller started is recorded if the caller recorded it.
    pub sample_ratio: Ratio,
    /// The longest wait for the collector, for a batch of spans and on shutdown.
    /// Default: `"5s"`.
    pub export_timeout: Duration,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: Ratio::ONE,
            export_timeout: Duration::from_secs(5),
        }
    }
}

/// `[metrics]`: metrics in the Prometheus text format, at `/metrics` of the admin server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
