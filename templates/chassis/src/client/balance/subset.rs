//! A part of the instances, for services with so many that a connection from each client to each
//! would be too many: rendezvous hashing (gRFC A68, with the hash of the standard library).
//!
//! Each client ranks all instances by a hash with a seed of its own, and takes the first of them.
//! So clients spread evenly over instances, and an instance that comes or goes changes at most one
//! of a client's.

use std::hash::BuildHasher;

use crate::registry::Instance;

/// The first `size` of the instances, in their order here, as `seed` ranks them; all when `size`
/// is 0.
pub(super) fn subset<'a>(
    instances: &'a [Instance],
    size: usize,
    seed: &impl BuildHasher,
) -> Vec<&'a Instance> {
    let mut all: Vec<&Instance> = instances.iter().collect();
    if size == 0 || all.len() <= size {
        return all;
    }
    all.sort_by_cached_key(|instance| seed.hash_one(instance.address));
    all.truncate(size);
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{DefaultHasher, Hash};
    use std::net::SocketAddr;

    use super::*;

    /// A client's seed, the same in every run.
    struct Seed(u64);

    impl BuildHasher for Seed {
        type Hasher = DefaultHasher;

        fn build_hasher(&self) -> DefaultHasher {
            let mut hasher = DefaultHasher::new();
            self.0.hash(&mut hasher);
            hasher
        }
    }

    fn instances(numbers: impl IntoIterator<Item = u16>) -> Vec<Instance> {
        let instance = |number| Instance::from(SocketAddr::from(([10, 0, 0, 1], number)));
        numbers.into_iter().map(instance).collect()
    }

    fn ports(instances: &[Instance], size: usize, seed: u64) -> BTreeSet<u16> {
        let subset = subset(instances, size, &Seed(seed));
        subset.iter().map(|it| it.address.port()).collect()
    }

    #[test]
    fn all_are_taken_when_there_are_few_or_there_is_no_limit() {
        let instances = instances(1..=5);
        for size in [0, 5, 6] {
            assert_eq!(ports(&instances, size, 1), BTreeSet::from_iter(1..=5));
        }
    }

    #[test]
    fn an_instance_that_comes_or_goes_changes_at_most_one() {
        let before = instances(1..=100);
        for seed in 0..50 {
            let old = ports(&before, 10, seed);
            assert_eq!(old.len(), 10);
            let more = ports(&instances(1..=101), 10, seed);
            assert!(old.difference(&more).count() <= 1);
            let fewer = ports(&instances(2..=100), 10, seed);
            let lost: Vec<_> = old.difference(&fewer).collect();
            assert!(lost.is_empty() || lost == [&1]);
        }
    }

    #[test]
    fn clients_spread_over_the_instances() {
        let instances = instances(1..=20);
        let mut counts = [0_u32; 21];
        for seed in 0..1_000 {
            for port in ports(&instances, 5, seed) {
                counts[usize::from(port)] += 1;
            }
        }
        // 250 each; the deviation of a binomial distribution is 14.
        assert!(counts[1..].iter().all(|it| (190..310).contains(it)));
    }
}
