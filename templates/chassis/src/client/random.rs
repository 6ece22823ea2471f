//! Random numbers for choosing among endpoints: fast, and not for secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

/// Never 0, where the generator would stay.
fn seed() -> u64 {
    RandomState::new().hash_one(0_u8) | 1
}

/// A number of 64 random bits, by xorshift64* (Vigna, "An experimental exploration of Marsaglia's
/// xorshift generators, scrambled", 2016), with a state for each thread.
pub(super) fn random() -> u64 {
    let mut state = STATE.get();
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    STATE.set(state);
    state.wrapping_mul(0x2545_F491_4F6C_DD1D)
}

/// `bits`, of 32, as a number below `limit`, each about as likely (Lemire, "Fast Random Integer
/// Generation in an Interval", 2019, without the rejection that makes it exact).
pub(super) fn below(limit: usize, bits: u32) -> usize {
    ((u64::from(bits) * limit as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_limit_are_spread_evenly() {
        assert_eq!(below(3, 0), 0);
        assert_eq!(below(3, u32::MAX), 2);
        let mut counts = [0_u32; 4];
        for _ in 0..40_000 {
            counts[below(4, random() as u32)] += 1;
        }
        // Ten standard deviations off would be a fault.
        assert!(counts.iter().all(|it| (9_100..10_900).contains(it)));
    }
}
