//! The process as the operating system sees it, under the names that every Prometheus client uses.
//! Read from `/proc` when asked; on systems without it there is nothing to see.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;

use super::constant;

/// The unit of times in `/proc/{pid}/stat`. User space sees 100 on every architecture of Linux
/// (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    /// When the process began, in seconds since 1970.
    started: f64,
}

impl Default for Process {
    fn default() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            // Where the system does not say, it is nearly when metrics are first asked for.
            started: started(&stat, &system).unwrap_or_else(now),
        }
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            Some(value) => {
                let metric = constant(value);
                let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
                metric.encode(encoder)
            }
            None => Ok(()),
        };
        gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            Some(self.started),
        )?;
        gauge(
            "process_uptime_seconds",
            "How long ago that was",
            Some((now() - self.started).max(0.0)),
        )?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        gauge(
            "process_resident_memory_bytes",
            "Memory that is resident",
            status_field(&status, "VmRSS:").map(|kib| kib * 1024.0),
        )?;
        gauge(
            "process_virtual_memory_bytes",
            "Memory that is mapped",
            status_field(&status, "VmSize:").map(|kib| kib * 1024.0),
        )?;
        gauge(
            "process_threads",
            "Threads of the operating system",
            status_field(&status, "Threads:"),
        )?;
        gauge(
            "process_open_fds",
            "File descriptors that are open",
            fs::read_dir("/proc/self/fd")
                .ok()
                .map(|fds| fds.count() as f64),
        )?;
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        gauge(
            "process_max_fds",
            "File descriptors that may be open",
            max_open_files(&limits),
        )?;
        if let Some(seconds) = process_cpu_seconds() {
            let metric = ConstCounter::new(seconds);
            let encoder = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time in user and kernel mode",
                None,
                metric.metric_type(),
            )?;
            metric.encode(encoder)?;
        }
        Ok(())
    }
}

/// The number after `name` in `/proc/self/status`.
fn status_field(status: &str, name: &str) -> Option<f64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The processor time of this process, where the system tells.
pub(crate) fn process_cpu_seconds() -> Option<f64> {
    cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time of `/proc/self/stat`, fields 14 and 15. The second field, the name of the
/// program, may hold blanks and parentheses, so fields are counted from its end.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_PER_SECOND)
}

/// The boot of the system, `btime` of `/proc/stat`, and how long after it the process began, field 22
/// of `/proc/self/stat`.
fn started(stat: &str, system: &str) -> Option<f64> {
    let boot = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = boot.trim().parse().ok()?;
    Some(boot + field(stat, 22)? / TICKS_PER_SECOND)
}

/// A field of `/proc/self/stat` after the second, counted from 1.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number - 3)?.parse().ok()
}

/// The soft limit of `Max open files` in `/proc/self/limits`.
fn max_open_files(limits: &str) -> Option<f64> {
    let rest = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_understood() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 10 0 0 0 250 50 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(started(stat, "cpu 1 2\nbtime 1000\n"), Some(1001.0));
        assert_eq!(
            status_field("VmSize:\t  10 kB\nVmRSS:\t   5 kB\n", "VmRSS:"),
            Some(5.0)
        );
        let limits =
            "Max processes 1 2 processes\nMax open files            1024    4096   files\n";
        assert_eq!(max_open_files(limits), Some(1024.0));
    }

    #[test]
    fn files_that_are_not_there_say_nothing() {
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(status_field("", "VmRSS:"), None);
        assert_eq!(
            max_open_files("Max open files unlimited unlimited files"),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_rendered() {
        let text = crate::metrics::render();
        for name in [
            "process_start_time_seconds",
            "process_uptime_seconds",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_threads",
            "process_open_fds",
            "process_max_fds",
            "process_cpu_seconds_total",
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{name} in {text}");
        }
    }
}
