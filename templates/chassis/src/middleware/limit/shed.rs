//! Adaptive load shedding: how much is too much is measured.
//!
//! By Little's law, a service that answers at most `q` calls a second, each in `t` at best, has
//! `q * t` of them in flight when it is as fast as it can be; more of them only wait. Both are read
//! off the last 10 s: the most calls that ended in an interval of 100 ms, and the shortest mean
//! latency of one. More than that in flight is refused, as long as the processor is busy, and
//! another second after that so that it does not flicker. (The "BBR" limiters of
//! go-kratos/aegis and go-zero `core/load`, after "BBR: Congestion-Based Congestion Control",
//! ACM Queue 14 (5), 2016; their windows, thresholds and cool-off.)

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config;
use crate::metrics;

const INTERVAL: Duration = Duration::from_millis(100);
const INTERVALS: usize = 100;
const COOL_OFF: Duration = Duration::from_secs(1);

/// How often the processor is looked at, and how much of the average stays each time
/// (go-zero `core/stat/usage.go`).
const CPU_INTERVAL: Duration = Duration::from_millis(250);
const CPU_DECAY: f64 = 0.95;

/// Decides which calls are too many.
#[derive(Debug)]
pub(super) struct Shedder {
    begin: Instant,
    cpu_threshold: f64,
    window: Mutex<Window>,
    cpu: Cpu,
    /// When a call was last refused while the processor was busy, in nanoseconds from `begin`,
    /// plus one; 0 is never.
    last_refusal: AtomicU64,
}

impl Shedder {
    pub(super) fn new(config: &config::Shed) -> Self {
        Self::with(config.cpu_threshold.get(), Cpu::default())
    }

    pub(super) fn with(cpu_threshold: f64, cpu: Cpu) -> Self {
        Self {
            begin: Instant::now(),
            cpu_threshold,
            window: Mutex::new(Window::default()),
            cpu,
            last_refusal: AtomicU64::new(0),
        }
    }

    /// Whether one more call is too many, when there are `in_flight` already.
    pub(super) fn is_overloaded(&self, in_flight: u32, now: Instant) -> bool {
        let since_begin = now.saturating_duration_since(self.begin);
        let nanos = u64::try_from(since_begin.as_nanos()).unwrap_or(u64::MAX - 1) + 1;
        let busy = self.cpu.load(since_begin) >= self.cpu_threshold;
        let last = self.last_refusal.load(Relaxed);
        let cooling = last > 0 && u128::from(nanos - last.min(nanos)) <= COOL_OFF.as_nanos();
        if !busy && !cooling {
            return false;
        }
        // A single call at a time is never too many.
        let window = &mut *self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let is_overloaded = in_flight > 1 && window.limit(interval_at(since_begin)) < in_flight;
        if is_overloaded && busy {
            self.last_refusal.store(nanos, Relaxed);
        }
        is_overloaded
    }

    /// A call that began at `begin` has ended.
    pub(super) fn record(&self, begin: Instant, now: Instant) {
        let latency = now.saturating_duration_since(begin);
        let interval = interval_at(now.saturating_duration_since(self.begin));
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.record(interval, latency);
    }
}

fn interval_at(since_begin: Duration) -> u64 {
    (since_begin.as_nanos() / INTERVAL.as_nanos()) as u64
}

/// What happened in the last intervals.
#[derive(Debug)]
struct Window {
    intervals: [Interval; INTERVALS],
    /// The limit that was computed last, and in which interval.
    limit: Option<(u64, u32)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Interval {
    /// Which it is, counted from the beginning.
    number: u64,
    ended: u32,
    latencies: Duration,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            intervals: [Interval::default(); INTERVALS],
            limit: None,
        }
    }
}

impl Window {
    fn record(&mut self, number: u64, latency: Duration) {
        let interval = &mut self.intervals[number as usize % INTERVALS];
        if interval.number != number {
            *interval = Interval {
                number,
                ..Interval::default()
            };
        }
        interval.ended += 1;
        interval.latencies = interval.latencies.saturating_add(latency);
    }

    /// How many calls in flight are enough; `u32::MAX` while nothing is known. It stays the same
    /// for an interval.
    fn limit(&mut self, now: u64) -> u32 {
        if let Some((number, limit)) = self.limit
            && number == now
        {
            return limit;
        }
        // The interval that is going on has not seen all its calls.
        let oldest = now.saturating_sub(INTERVALS as u64 - 1);
        let seen = self.intervals.iter();
        let seen = seen.filter(|it| it.ended > 0 && (oldest..now).contains(&it.number));
        let (mut ended, mut latency) = (0, Duration::MAX);
        for interval in seen {
            ended = ended.max(interval.ended);
            latency = latency.min(interval.latencies / interval.ended);
        }
        let limit = match ended {
            0 => u32::MAX,
            _ => (f64::from(ended) * latency.div_duration_f64(INTERVAL)).round() as u32,
        };
        self.limit = Some((now, limit));
        limit
    }
}

/// The share of the processors that this process uses, from 0 to 1, as a moving average. Where the
/// system does not tell, it stays at 0, and nothing is shed.
#[derive(Debug)]
pub(super) struct Cpu {
    /// As the bits of a float.
    load: AtomicU64,
    reading: Mutex<Reading>,
    /// The processor time of this process, in seconds, where the system tells.
    read: fn() -> Option<f64>,
    processors: f64,
}

#[derive(Debug, Default)]
struct Reading {
    at: Duration,
    cpu_seconds: Option<f64>,
}

impl Default for Cpu {
    fn default() -> Self {
        // What a quota of the container leaves, on Linux.
        let processors = std::thread::available_parallelism();
        Self::with(
            metrics::process_cpu_seconds,
            processors.map_or(1.0, |processors| processors.get() as f64),
        )
    }
}

impl Cpu {
    pub(super) fn with(read: fn() -> Option<f64>, processors: f64) -> Self {
        let reading = Reading {
            at: Duration::ZERO,
            cpu_seconds: read(),
        };
        Self {
            load: AtomicU64::new(0.0_f64.to_bits()),
            reading: Mutex::new(reading),
            read,
            processors,
        }
    }

    /// The load at `now`. Whoever comes when it is time looks at the processor; nobody waits.
    fn load(&self, now: Duration) -> f64 {
        let load = f64::from_bits(self.load.load(Relaxed));
        let Ok(mut reading) = self.reading.try_lock() else {
            return load;
        };
        let elapsed = now.saturating_sub(reading.at);
        if elapsed < CPU_INTERVAL {
            return load;
        }
        let cpu_seconds = (self.read)();
        let before = std::mem::replace(
            &mut *reading,
            Reading {
                at: now,
                cpu_seconds,
            },
        );
        let (Some(before), Some(after)) = (before.cpu_seconds, cpu_seconds) else {
            return load;
        };
        let share = (after - before) / (elapsed.as_secs_f64() * self.processors);
        let kept = CPU_DECAY.powf(elapsed.div_duration_f64(CPU_INTERVAL));
        let load = load * kept + share * (1.0 - kept);
        self.load.store(load.to_bits(), Relaxed);
        load
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn busy() -> Cpu {
        let cpu = Cpu::with(|| None, 1.0);
        cpu.load.store(1.0_f64.to_bits(), Relaxed);
        cpu
    }

    /// A shedder that has seen a second of 20 calls in each 100 ms, of 50 ms each: 10 at a time.
    fn shedder(cpu: Cpu) -> (Shedder, Instant) {
        let shedder = Shedder::with(0.9, cpu);
        for call in 0..200 {
            let end = shedder.begin + 5 * MILLISECOND * call;
            shedder.record(end - 50 * MILLISECOND, end);
        }
        let now = shedder.begin + Duration::from_millis(1000);
        (shedder, now)
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_rate_times_latency_is_too_much_while_the_processor_is_busy() {
        let (shedder, now) = shedder(busy());
        assert!(!shedder.is_overloaded(0, now));
        assert!(!shedder.is_overloaded(10, now));
        assert!(shedder.is_overloaded(11, now));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_processor_takes_everything() {
        let (shedder, now) = shedder(Cpu::with(|| None, 1.0));
        assert!(!shedder.is_overloaded(10_000, now));
    }

    #[tokio::test(start_paused = true)]
    async fn it_cools_off_for_a_second() {
        let (shedder, now) = shedder(busy());
        assert!(shedder.is_overloaded(11, now));
        shedder.cpu.load.store(0.0_f64.to_bits(), Relaxed);
        assert!(shedder.is_overloaded(11, now + COOL_OFF));
        assert!(!shedder.is_overloaded(11, now + COOL_OFF + MILLISECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_refused_before_anything_is_known() {
        let shedder = Shedder::with(0.9, busy());
        assert!(!shedder.is_overloaded(10_000, shedder.begin));
    }

    #[test]
    fn the_limit_is_of_the_last_ten_seconds() {
        let mut window = Window::default();
        for _ in 0..40 {
            window.record(7, 50 * MILLISECOND);
        }
        assert_eq!(window.limit(7), u32::MAX, "the interval is going on");
        assert_eq!(window.limit(8), 20);
        assert_eq!(window.limit(106), 20);
        assert_eq!(window.limit(107), u32::MAX);
        window.record(107, MILLISECOND);
        assert_eq!(window.limit(108), 0, "one that was overwritten");
    }

    #[test]
    fn the_load_is_a_moving_average_of_what_is_used() {
        // Each look finds another 0.25 s of processor time.
        fn read() -> Option<f64> {
            static LOOKS: AtomicU64 = AtomicU64::new(0);
            Some(LOOKS.fetch_add(1, Relaxed) as f64 * 0.25)
        }
        let cpu = Cpu::with(read, 2.0);
        assert_eq!(cpu.load(249 * MILLISECOND), 0.0, "too early to look");
        let once = cpu.load(250 * MILLISECOND);
        assert!((once - 0.5 * 0.05).abs() < 1e-9, "{once}");
        let mut load = once;
        for look in 2..200 {
            load = cpu.load(CPU_INTERVAL * look);
        }
        assert!((load - 0.5).abs() < 1e-3, "{load}");
    }
}
