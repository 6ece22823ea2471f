//! Blocks of time of a bench, and drawing from them.

use serde::Deserialize;

use crate::bench::random::SplitMix;
use crate::bench::report;
use crate::bench::timeline::BINS;

/// How often benches are resampled.
const ROUNDS: usize = 1_000;
/// A bench is cut into about so many blocks.
const BLOCKS: usize = 40;
/// Of fewer blocks nothing can be told.
const FEWEST_BLOCKS: usize = 8;

/// What became of calls over the time of a bench, as its report has it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Slices {
    slice_seconds: f64,
    slices: Vec<Slice>,
}

#[derive(Clone, Debug, Deserialize)]
struct Slice {
    completed: u64,
    failed: u64,
    bins: Vec<[u64; 2]>,
}

impl From<&report::Timeline> for Slices {
    fn from(timeline: &report::Timeline) -> Self {
        let slices = timeline.slices.iter().map(|slice| Slice {
            completed: slice.completed,
            failed: slice.failed,
            bins: slice.bins.clone(),
        });
        Self {
            slice_seconds: timeline.slice_seconds,
            slices: slices.collect(),
        }
    }
}

/// A stretch of time of a bench.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    seconds: f64,
    completed: u64,
    failed: u64,
    bins: Vec<(usize, u32)>,
}

/// Slices, put together to about [`BLOCKS`] blocks. The last one, which may be cut, is left out.
pub(super) fn blocks(timeline: &Slices) -> Vec<Block> {
    let slices = &timeline.slices;
    let whole = &slices[..slices.len().saturating_sub(1)];
    let together = whole.len().div_ceil(BLOCKS).max(1);
    let blocks = whole.chunks_exact(together).map(|slices| {
        let mut block = Block {
            seconds: timeline.slice_seconds * together as f64,
            ..Block::default()
        };
        let mut bins = std::collections::BTreeMap::<usize, u32>::new();
        for slice in slices {
            block.completed += slice.completed;
            block.failed += slice.failed;
            for [bin, count] in &slice.bins {
                let bin = (*bin as usize).min(BINS - 1);
                let mine = bins.entry(bin).or_default();
                *mine = mine.saturating_add(*count as u32);
            }
        }
        block.bins = bins.into_iter().collect();
        block
    });
    blocks.collect()
}

/// All calls of several blocks.
pub(super) struct Sum {
    pub(super) seconds: f64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) bins: Vec<u32>,
}

impl Sum {
    pub(super) fn of<'a>(blocks: impl Iterator<Item = &'a Block>) -> Self {
        let mut sum = Self {
            seconds: 0.0,
            completed: 0,
            failed: 0,
            bins: vec![0; BINS],
        };
        for block in blocks {
            sum.seconds += block.seconds;
            sum.completed += block.completed;
            sum.failed += block.failed;
            for (bin, count) in &block.bins {
                sum.bins[*bin] = sum.bins[*bin].saturating_add(*count);
            }
        }
        sum
    }
}

/// Both benches, resampled again and again; none, if there are too few blocks.
pub(super) fn rounds(before: &[Block], now: &[Block]) -> Vec<(Sum, Sum)> {
    if before.len().min(now.len()) < FEWEST_BLOCKS {
        return Vec::new();
    }
    // The same every time: who compares the same reports gets the same answer.
    let mut random = SplitMix::new(0);
    let mut resampled = |blocks: &[Block]| {
        let indexes: Vec<usize> = (0..blocks.len())
            .map(|_| random.below(blocks.len() as u64) as usize)
            .collect();
        Sum::of(indexes.into_iter().map(|index| &blocks[index]))
    };
    (0..ROUNDS)
        .map(|_| (resampled(before), resampled(now)))
        .collect()
}
