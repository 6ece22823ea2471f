//! How calls follow each other.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::bench::random::SplitMix;

/// The largest burst.
const LARGEST_BURST: u64 = 1_000_000;

/// How the calls of an open loop follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrivals {
    /// At equal distances.
    #[default]
    Constant,
    /// Each at random and independent of all others, as those of many clients that know nothing of each
    /// other: distances are distributed exponentially.
    Poisson,
    /// So many at once, and then none for as long as that many take.
    Burst(u64),
}

impl FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "constant" => Ok(Self::Constant),
            "poisson" => Ok(Self::Poisson),
            _ => match text.strip_prefix("burst:").map(str::parse) {
                Some(Ok(size @ 1..=LARGEST_BURST)) => Ok(Self::Burst(size)),
                Some(_) => Err(format!("a burst is of 1 to {LARGEST_BURST} calls")),
                None => Err("expected `constant`, `poisson` or `burst:N`".to_owned()),
            },
        }
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => formatter.write_str("constant"),
            Self::Poisson => formatter.write_str("poisson"),
            Self::Burst(size) => write!(formatter, "burst:{size}"),
        }
    }
}

impl Serialize for Arrivals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Random distances that are 1 on average and distributed exponentially. They are the same every time, so
/// that two benches can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gaps(SplitMix);

impl Gaps {
    /// Those of the worker `index`, which are not those of others.
    pub(super) fn of_worker(index: usize) -> Self {
        let seed = (index as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95);
        Self(SplitMix::new(seed))
    }

    pub(super) fn next(&mut self) -> f64 {
        // Of 53 bits: from above 0 up to 1.
        let uniform = ((self.0.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -uniform.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_read_as_they_are_written() {
        for text in ["constant", "poisson", "burst:1", "burst:1000000"] {
            let arrivals: Arrivals = text.parse().expect("arrivals");
            assert_eq!(arrivals.to_string(), text);
        }
        let parse = |text: &str| text.parse::<Arrivals>().expect_err("none");
        assert_eq!(parse("burst:0"), "a burst is of 1 to 1000000 calls");
        assert_eq!(
            parse("burst"),
            "expected `constant`, `poisson` or `burst:N`"
        );
    }

    #[test]
    fn gaps_are_exponential_and_the_same_every_time() {
        const COUNT: usize = 100_000;
        let mut gaps = Gaps::of_worker(3);
        let all: Vec<f64> = (0..COUNT).map(|_| gaps.next()).collect();
        let mean = all.iter().sum::<f64>() / COUNT as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        // The share of those above x is e to the power of -x.
        for limit in [0.5f64, 1.0, 3.0] {
            let above = all.iter().filter(|gap| **gap > limit).count() as f64 / COUNT as f64;
            assert!(
                (above - (-limit).exp()).abs() < 0.005,
                "{above} above {limit}"
            );
        }
        let mut again = Gaps::of_worker(3);
        assert!(all.iter().all(|gap| *gap == again.next()));
        assert_ne!(Gaps::of_worker(0).next(), Gaps::of_worker(1).next());
    }
}
