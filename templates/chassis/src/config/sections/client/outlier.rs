//! `[client.outlier]`.

use serde::{Deserialize, Serialize};

use crate::config::{Duration, Percent};

/// `[client.outlier]`: instances that fail more than the others are ejected for a while (gRFC A50,
/// with its defaults). Those that are ejected stay so after a change, for as long as it says, unless
/// it turns this off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outlier {
    /// Default: false. The circuit breakers leave an instance alone that fails half of its calls;
    /// this is for large services, of which one instance fails some of them. It compares the
    /// instances, so it acts on small differences: of five instances, four without and one with
    /// one failure in a hundred calls, that one is an outlier.
    pub enabled: bool,
    /// How often the instances are compared, by their calls since the last time.
    /// Default: `"10s"`; `"0s"` is never.
    pub interval: Duration,
    /// How long an instance is ejected, times how often it was ejected lately.
    /// Default: `"30s"`.
    pub base_ejection: Duration,
    /// The longest time for which it is ejected, unless `base_ejection` is longer.
    /// Default: `"300s"`.
    pub max_ejection: Duration,
    /// No more are ejected when at least this share is; so one always may be. Default: 10.
    pub max_ejection_percent: Percent,
    /// When more than this share is ejected, the fault is hardly theirs: all get calls, as in
    /// Envoy. Default: 50; 100 is never.
    pub panic_threshold: Percent,
    /// `[client.outlier.success_rate]`
    pub success_rate: SuccessRate,
    /// `[client.outlier.failure_percentage]`
    pub failure_percentage: FailurePercentage,
}

impl Default for Outlier {
    fn default() -> Self {
        Self {
            enabled: false,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejection_percent: Percent::of(10),
            panic_threshold: Percent::of(50),
            success_rate: SuccessRate::default(),
            failure_percentage: FailurePercentage::default(),
        }
    }
}

/// `[client.outlier.success_rate]`: ejects instances whose share of successes is far below the
/// mean of all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SuccessRate {
    /// Default: true, where `client.outlier.enabled` is.
    pub enabled: bool,
    /// How far is too far, in thousandths of the standard deviation. Default: 1900.
    pub stdev_factor: u32,
    /// How many of those that are found are ejected indeed. Default: 100.
    pub enforcement_percent: Percent,
    /// As many instances must have `request_volume` calls for them to be compared. Default: 5.
    pub min_hosts: usize,
    /// Instances with fewer calls in the interval are left out. Default: 100.
    pub request_volume: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            enabled: true,
            stdev_factor: 1900,
            enforcement_percent: Percent::of(100),
            min_hosts: 5,
            request_volume: 100,
        }
    }
}

/// `[client.outlier.failure_percentage]`: ejects instances whose share of failures is above a
/// limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailurePercentage {
    /// Default: true, where `client.outlier.enabled` is.
    pub enabled: bool,
    /// The limit. Default: 85.
    pub threshold: Percent,
    /// How many of those that are found are ejected indeed. Default: 100.
    pub enforcement_percent: Percent,
    /// There must be as many instances. Default: 5.
    pub min_hosts: usize,
    /// Instances with fewer calls in the interval are left out. Default: 50.
    pub request_volume: u32,
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: Percent::of(85),
            enforcement_percent: Percent::of(100),
            min_hosts: 5,
            request_volume: 50,
        }
    }
}
