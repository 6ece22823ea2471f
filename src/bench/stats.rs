//! Counting what comes of calls.
//!
//! Pure: durations and outcomes in, counts and quantiles out.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::bench::dialogue::StreamTimes;
use crate::bench::responses::Findings;
use crate::bench::timeline::Timeline;
use crate::code::{Code, NAMES};

/// The least latency that is told from 0, in nanoseconds.
const LEAST: u64 = 1_000;
/// The greatest latency that is told from greater ones, in nanoseconds: an hour.
const GREATEST: u64 = 3_600_000_000_000;
/// Quantiles are exact to so many significant digits.
const DIGITS: u8 = 3;
/// How many different messages are kept for each code.
const SAMPLES: usize = 3;

/// Why a bench ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As planned.
    Planned,
    /// Because the user wished it.
    Interrupted,
    /// Because the server went away and did not come back; why it cannot be reached.
    Vanished(String),
}

/// What came of a bench.
#[derive(Debug)]
pub struct Outcome {
    /// Of all measured calls.
    pub recorder: Recorder,
    /// From the start of the measurement to its last answer.
    pub elapsed: Duration,
    /// Why it ended.
    pub end: End,
}

/// A distribution of durations.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    least: u64,
    greatest: u64,
    sum: f64,
    sum_of_squares: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(LEAST, GREATEST, DIGITS)
                .expect("the bounds are valid"),
            least: u64::MAX,
            greatest: 0,
            sum: 0.0,
            sum_of_squares: 0.0,
        }
    }
}

impl Latencies {
    /// Takes one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanoseconds);
        self.least = self.least.min(nanoseconds);
        self.greatest = self.greatest.max(nanoseconds);
        let value = nanoseconds as f64;
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    /// Takes all of another distribution.
    pub fn add(&mut self, other: &Self) {
        self.histogram
            .add(&other.histogram)
            .expect("both have the same bounds");
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.histogram.reset();
        self.least = u64::MAX;
        self.greatest = 0;
        self.sum = 0.0;
        self.sum_of_squares = 0.0;
    }

    /// How many durations.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The duration that a share `quantile` (0 to 1) of all does not exceed, to three digits; `None` when
    /// there are too few to tell: a quantile of 0.99 needs 100.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let beyond = (1.0 - quantile) * self.count() as f64;
        (beyond >= 1.0 - 1e-6).then(|| {
            let nanoseconds = self.histogram.value_at_quantile(quantile);
            Duration::from_nanos(nanoseconds.clamp(self.least, self.greatest))
        })
    }

    /// The share of durations up to this one.
    pub fn count_up_to(&self, duration: Duration) -> u64 {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.count_between(0, nanoseconds)
    }

    /// The shortest, exact.
    pub fn least(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_nanos(self.least))
    }

    /// The longest, exact.
    pub fn greatest(&self) -> Option<Duration> {
        (self.count() > 0).then(|| Duration::from_nanos(self.greatest))
    }

    /// The mean, exact.
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum / self.count() as f64;
        (self.count() > 0).then(|| Duration::from_nanos(mean.round() as u64))
    }

    /// The standard deviation.
    pub fn deviation(&self) -> Option<Duration> {
        let count = self.count() as f64;
        let mean = self.sum / count;
        let variance = (self.sum_of_squares / count - mean * mean).max(0.0);
        (count > 0.0).then(|| Duration::from_nanos(variance.sqrt().round() as u64))
    }
}

/// How one call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its status.
    pub code: Code,
    /// What the status says, for failures.
    pub message: String,
    /// Response messages.
    pub messages: u64,
    /// Bytes of response messages with their prefixes.
    pub bytes: u64,
}

/// A message that a status came with, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// The message.
    pub message: String,
    /// How many calls had it.
    pub count: u64,
}

/// What came of the measured calls of a worker, or of all.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    /// From the (intended) start, of calls that ended with OK.
    pub ok: Latencies,
    /// From the (intended) start, of all other calls.
    pub failed: Latencies,
    /// From the actual start, of all calls; in open loops only.
    pub service: Latencies,
    /// How much later than intended calls were sent, unless they were held back; in open loops only.
    pub lateness: Latencies,
    /// Of the messages of calls that are streams; boxed, for most are not.
    pub streams: Option<Box<StreamTimes>>,
    /// All calls over the time.
    pub timeline: Timeline,
    /// What was found in the responses that were looked at.
    pub findings: Findings,
    codes: [u64; NAMES.len()],
    samples: BTreeMap<Code, Vec<Sample>>,
    /// Response messages.
    pub messages_received: u64,
    /// Bytes of response messages with their prefixes.
    pub bytes_received: u64,
    /// Request messages.
    pub messages_sent: u64,
    /// Bytes of request messages with their prefixes.
    pub bytes_sent: u64,
    /// A number that is higher than that of any call.
    pub next_number: u64,
    /// Calls that the server did not take and that were sent again without being counted as failed.
    pub resent: u64,
    /// Calls that were due while too many were in flight, and waited.
    pub held_back: u64,
    /// Calls that waited because the server allowed no more at a time on its connections.
    pub limited: u64,
    /// Calls that were due and never sent.
    pub unsent: u64,
    /// Calls that were in flight when the bench was broken off.
    pub abandoned: u64,
    /// Connections that ended before they should have.
    pub connections_lost: u64,
    /// Processor time from the start of the measurement.
    pub cpu: Duration,
    /// How long measured calls were sent.
    pub window: Duration,
    /// Calls that ended in that time, those of the warm-up included.
    pub ended_in_window: u64,
    /// The greatest share of that time in which a worker was busy.
    pub busiest: f64,
}

impl Recorder {
    /// Takes one call that took `latency` from its (intended) start.
    pub fn record(&mut self, latency: Duration, ended: &Ended) {
        if ended.code == Code::OK {
            self.ok.record(latency);
        } else {
            self.failed.record(latency);
            self.sample(ended.code, &ended.message, 1);
        }
        self.codes[usize::from(ended.code.number())] += 1;
        self.messages_received += ended.messages;
        self.bytes_received += ended.bytes;
    }

    fn sample(&mut self, code: Code, message: &str, count: u64) {
        let samples = self.samples.entry(code).or_default();
        if let Some(sample) = samples.iter_mut().find(|sample| sample.message == message) {
            sample.count += count;
        } else if samples.len() < SAMPLES && !message.is_empty() {
            samples.push(Sample {
                message: message.to_owned(),
                count,
            });
        }
    }

    /// Takes all that another worker counted.
    pub fn add(&mut self, other: &Self) {
        self.ok.add(&other.ok);
        self.failed.add(&other.failed);
        self.service.add(&other.service);
        self.lateness.add(&other.lateness);
        for (mine, theirs) in self.codes.iter_mut().zip(other.codes) {
            *mine += theirs;
        }
        for (code, samples) in &other.samples {
            for sample in samples {
                self.sample(*code, &sample.message, sample.count);
            }
        }
        if let Some(streams) = &other.streams {
            self.streams.get_or_insert_default().add(streams);
        }
        self.findings.add(&other.findings);
        self.timeline.add(&other.timeline);
        self.messages_received += other.messages_received;
        self.bytes_received += other.bytes_received;
        self.messages_sent += other.messages_sent;
        self.bytes_sent += other.bytes_sent;
        self.next_number = self.next_number.max(other.next_number);
        self.resent += other.resent;
        self.held_back += other.held_back;
        self.limited += other.limited;
        self.unsent += other.unsent;
        self.abandoned += other.abandoned;
        self.connections_lost += other.connections_lost;
        self.cpu += other.cpu;
        self.window = self.window.max(other.window);
        self.ended_in_window += other.ended_in_window;
        self.busiest = self.busiest.max(other.busiest);
    }

    /// Calls that ended.
    pub fn completed(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// Calls that ended with anything but OK.
    pub fn failures(&self) -> u64 {
        self.completed() - self.codes[0]
    }

    /// The codes that calls ended with, with their counts and sample messages.
    pub fn codes(&self) -> Vec<(Code, u64, &[Sample])> {
        (0..self.codes.len())
            .filter(|number| self.codes[*number] > 0)
            .map(|number| {
                let code = Code::new(number as u64);
                let samples = self.samples.get(&code).map_or(&[][..], Vec::as_slice);
                (code, self.codes[number], samples)
            })
            .collect()
    }

    /// The latencies of all calls, whatever they ended with.
    pub fn all(&self) -> Latencies {
        let mut all = self.ok.clone();
        all.add(&self.failed);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: Code, message: &str) -> Ended {
        Ended {
            code,
            message: message.to_owned(),
            messages: 1,
            bytes: 10,
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_durations() {
        // A linear congruential generator: the same durations each time.
        let mut seed = 7u64;
        let mut durations: Vec<Duration> = (0..20_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Duration::from_nanos(2_000 + (seed >> 40) % 50_000_000)
            })
            .collect();
        let mut latencies = Latencies::default();
        durations.iter().for_each(|each| latencies.record(*each));
        durations.sort();
        for quantile in [0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999] {
            let rank = (quantile * durations.len() as f64).ceil() as usize - 1;
            let exact = durations[rank].as_secs_f64();
            let got = latencies.quantile(quantile).expect("enough").as_secs_f64();
            assert!(
                (got / exact - 1.0).abs() < 0.002,
                "{quantile}: {got} for {exact}"
            );
        }
        assert_eq!(latencies.least(), durations.first().copied());
        assert_eq!(latencies.greatest(), durations.last().copied());
        let mean = durations.iter().sum::<Duration>() / 20_000;
        let got = latencies.mean().expect("enough");
        assert!(
            got.abs_diff(mean) < Duration::from_nanos(10),
            "{got:?} for {mean:?}"
        );
    }

    #[test]
    fn a_quantile_that_too_few_calls_cannot_tell_is_left_out() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for _ in 0..100 {
            latencies.record(Duration::from_millis(1));
        }
        assert!(latencies.quantile(0.99).is_some());
        assert_eq!(latencies.quantile(0.999), None);
    }

    #[test]
    fn what_workers_count_adds_up() {
        let mut whole = Recorder::default();
        let mut parts = [Recorder::default(), Recorder::default()];
        for index in 0..1_000u64 {
            let code = Code::new(index % 3);
            let outcome = ended(code, if index % 2 == 0 { "even" } else { "odd" });
            let latency = Duration::from_micros(10 + index);
            whole.record(latency, &outcome);
            parts[index as usize % 2].record(latency, &outcome);
        }
        let mut sum = Recorder::default();
        parts.iter().for_each(|part| sum.add(part));
        let counts = |recorder: &Recorder| -> Vec<(Code, u64, u64)> {
            let codes = recorder.codes().into_iter();
            codes
                .map(|(code, count, samples)| {
                    (code, count, samples.iter().map(|sample| sample.count).sum())
                })
                .collect()
        };
        assert_eq!(counts(&sum), counts(&whole));
        assert_eq!(sum.completed(), 1_000);
        assert_eq!(sum.failures(), 666);
        assert_eq!(sum.all().quantile(0.9), whole.all().quantile(0.9));
        assert_eq!((sum.messages_received, sum.bytes_received), (1_000, 10_000));
    }

    #[test]
    fn only_a_few_messages_of_a_code_are_kept() {
        let mut recorder = Recorder::default();
        for index in 0..10 {
            let outcome = ended(Code::INTERNAL, &format!("failure {}", index % 5));
            recorder.record(Duration::from_millis(1), &outcome);
        }
        let (code, count, samples) = recorder.codes()[0];
        assert_eq!((code, count), (Code::INTERNAL, 10));
        let shown: Vec<_> = samples
            .iter()
            .map(|sample| (sample.message.as_str(), sample.count))
            .collect();
        assert_eq!(
            shown,
            [("failure 0", 2), ("failure 1", 2), ("failure 2", 2)]
        );
    }
}
