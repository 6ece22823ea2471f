//! What became of calls over the time of a bench, in memory that is bounded however long it runs: when
//! there are too many slices of time, each two become one.
//!
//! Within a slice, latencies fall into bins of 16 for each doubling (each is 4.4 % wide), which is what
//! charts and comparisons need; the quantiles of a report come from a finer histogram of all.
//!
//! Pure: times in, counts out.

use std::time::Duration;

/// The first length of a slice.
const FIRST_WIDTH: Duration = Duration::from_millis(100);
/// So many slices at most.
const MOST_SLICES: usize = 256;
/// Bins for each doubling of the latency.
const BINS_PER_OCTAVE: usize = 16;
/// From 1 µs on: 2 to the power of 32 of these are more than an hour.
const OCTAVES: usize = 32;
/// The bin of shorter latencies and all the others.
pub const BINS: usize = 1 + BINS_PER_OCTAVE * OCTAVES;

/// A slice of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Calls that were due in it and ended, by their latency.
    bins: Box<[u32]>,
    /// How many.
    pub completed: u64,
    /// How many of them ended with anything but OK.
    pub failed: u64,
    /// The sum of their latencies, in seconds.
    pub sum: f64,
    /// The longest latency.
    pub longest: Duration,
}

impl Default for Slice {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS].into(),
            completed: 0,
            failed: 0,
            sum: 0.0,
            longest: Duration::ZERO,
        }
    }
}

impl Slice {
    fn record(&mut self, latency: Duration, failed: bool) {
        let bin = &mut self.bins[bin(latency)];
        *bin = bin.saturating_add(1);
        self.completed += 1;
        self.failed += u64::from(failed);
        self.sum += latency.as_secs_f64();
        self.longest = self.longest.max(latency);
    }

    /// Takes all of another slice.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine = mine.saturating_add(*theirs);
        }
        self.completed += other.completed;
        self.failed += other.failed;
        self.sum += other.sum;
        self.longest = self.longest.max(other.longest);
    }

    /// The bins that are not empty, with their counts.
    pub fn bins(&self) -> impl Iterator<Item = (usize, u32)> {
        let bins = self.bins.iter().copied().enumerate();
        bins.filter(|(_, count)| *count > 0)
    }

    /// The latency that a share `quantile` (0 to 1) of the calls does not exceed, to 4.4 %; none without
    /// calls.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let found = quantile_of(self.bins(), self.completed, quantile)?;
        Some(Duration::from_secs_f64(found / 1e6).min(self.longest))
    }
}

/// The microseconds that a share `quantile` of so many calls in bins does not exceed: within a bin, calls are
/// taken to be spread evenly.
pub fn quantile_of(
    bins: impl Iterator<Item = (usize, u32)>,
    count: u64,
    quantile: f64,
) -> Option<f64> {
    let rank = quantile * count as f64;
    let mut below = 0.0;
    let mut last = None;
    for (bin, in_bin) in bins {
        let in_bin = f64::from(in_bin);
        if below + in_bin >= rank {
            let (from, to) = bounds(bin);
            let share = ((rank - below) / in_bin).clamp(0.0, 1.0);
            return Some(from + (to - from) * share);
        }
        below += in_bin;
        last = Some(bounds(bin).1);
    }
    last
}

/// The bin of a latency.
fn bin(latency: Duration) -> usize {
    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    // In units of 1/16 µs, so that the bits after the highest one are those within the doubling.
    let units = nanoseconds.saturating_mul(BINS_PER_OCTAVE as u64) / 1_000;
    if units < BINS_PER_OCTAVE as u64 {
        return 0;
    }
    let octave = units.ilog2() as usize - BINS_PER_OCTAVE.ilog2() as usize;
    let within = (units >> octave) as usize - BINS_PER_OCTAVE;
    (1 + octave * BINS_PER_OCTAVE + within).min(BINS - 1)
}

/// From where to where a bin goes, in microseconds.
pub fn bounds(bin: usize) -> (f64, f64) {
    let Some(above) = bin.checked_sub(1) else {
        return (0.0, 1.0);
    };
    let (octave, within) = (above / BINS_PER_OCTAVE, above % BINS_PER_OCTAVE);
    let width = (1u64 << octave) as f64 / BINS_PER_OCTAVE as f64;
    let from = (1u64 << octave) as f64 + within as f64 * width;
    (from, from + width)
}

/// All slices of a bench, from the first measured call on.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    width: Duration,
    slices: Vec<Slice>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            width: FIRST_WIDTH,
            slices: Vec::new(),
        }
    }
}

impl Timeline {
    /// Takes a call that was due `at` this time.
    pub fn record(&mut self, at: Duration, latency: Duration, failed: bool) {
        while at >= self.width * MOST_SLICES as u32 {
            self.widen();
        }
        let index = (at.as_nanos() / self.width.as_nanos()) as usize;
        if index >= self.slices.len() {
            self.slices.resize_with(index + 1, Slice::default);
        }
        self.slices[index].record(latency, failed);
    }

    /// Takes all of another one.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.width < other.width {
            self.widen();
        }
        while other.width < self.width {
            other.widen();
        }
        if self.slices.len() < other.slices.len() {
            let length = other.slices.len();
            self.slices.resize_with(length, Slice::default);
        }
        for (mine, theirs) in self.slices.iter_mut().zip(&other.slices) {
            mine.add(theirs);
        }
    }

    /// How long each slice is.
    pub fn width(&self) -> Duration {
        self.width
    }

    /// The slices, one after the other.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.slices.chunks(2).map(|pair| {
            let mut slice = pair[0].clone();
            if let Some(second) = pair.get(1) {
                slice.add(second);
            }
            slice
        });
        self.slices = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_within_its_bin_and_bins_follow_each_other() {
        for bin in 1..BINS {
            assert_eq!(bounds(bin).0, bounds(bin - 1).1, "{bin}");
        }
        let mut nanoseconds = 1u64;
        while nanoseconds < 3_600_000_000_000 {
            let microseconds = nanoseconds as f64 / 1e3;
            let (from, to) = bounds(bin(Duration::from_nanos(nanoseconds)));
            assert!(
                (from..to).contains(&microseconds),
                "{microseconds} is not from {from} to {to}"
            );
            nanoseconds += nanoseconds / 7 + 1;
        }
        assert_eq!(bin(Duration::MAX), BINS - 1);
    }

    #[test]
    fn quantiles_of_a_slice_are_within_a_bin_of_the_exact_ones() {
        let mut slice = Slice::default();
        (1..=10_000).for_each(|each| slice.record(Duration::from_micros(each * 3), each % 10 == 0));
        for quantile in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = quantile * 30_000.0;
            let got = slice.quantile(quantile).expect("calls").as_secs_f64() * 1e6;
            assert!(
                (got / exact - 1.0).abs() < 0.01,
                "{quantile}: {got} for {exact}"
            );
        }
        assert_eq!((slice.completed, slice.failed), (10_000, 1_000));
        assert_eq!(Slice::default().quantile(0.5), None);
    }

    #[test]
    fn slices_become_wider_the_longer_it_takes_and_nothing_is_lost() {
        let mut timeline = Timeline::default();
        let day = 24 * 3_600;
        for second in 0..day {
            let at = Duration::from_secs(second);
            timeline.record(at, Duration::from_millis(1 + second % 5), second % 2 == 0);
        }
        assert!(timeline.slices().len() <= MOST_SLICES);
        assert_eq!(timeline.width(), Duration::from_millis(409_600));
        let completed: u64 = timeline.slices().iter().map(|slice| slice.completed).sum();
        let failed: u64 = timeline.slices().iter().map(|slice| slice.failed).sum();
        assert_eq!((completed, failed), (day, day / 2));
        assert_eq!(timeline.slices()[0].completed, 410);
    }

    #[test]
    fn timelines_of_workers_add_up_whatever_their_widths() {
        let mut long = Timeline::default();
        long.record(Duration::from_secs(100), Duration::from_millis(7), false);
        let mut short = Timeline::default();
        short.record(Duration::from_millis(150), Duration::from_millis(1), true);
        let mut sum = short.clone();
        sum.add(&long);
        let mut other_sum = long.clone();
        other_sum.add(&short);
        assert_eq!(sum, other_sum);
        assert_eq!(sum.width(), Duration::from_millis(400));
        assert_eq!(sum.slices().len(), 251);
        assert_eq!(
            (sum.slices()[0].failed, sum.slices()[250].completed),
            (1, 1)
        );
    }
}
