//! The power of two choices: of two endpoints chosen at random, the one with the lower cost
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). Looking at two is
//! nearly as good as looking at all, and clients that know the same do not all run to the same one.

use super::Choice;
use crate::client::endpoint::{Load, Tick, Weighing};
use crate::client::random::below;

/// The better one of two of `count` endpoints, at least 2, that `random` chooses, unless the other
/// one had no call for so long that it must get one.
pub(super) fn choose<'a>(
    count: usize,
    load: impl Fn(usize) -> Option<&'a Load>,
    weighing: &Weighing,
    random: u64,
    now: Tick,
) -> Choice {
    let one = below(count, random as u32);
    let other = below(count - 1, (random >> 32) as u32);
    // Any but the first.
    let other = other + usize::from(other >= one);
    let cost = |index| load(index).map_or(0.0, |load| load.cost(weighing, now));
    let (better, worse) = match cost(one) <= cost(other) {
        true => (one, other),
        false => (other, one),
    };
    let (first, second) = match load(worse).is_some_and(|it| it.is_starved(weighing, now)) {
        true => (worse, better),
        false => (better, worse),
    };
    if let Some(load) = load(first) {
        load.picked(now);
    }
    Choice {
        first,
        second: Some(second),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::client::random;
    use crate::config;

    const MILLI: Duration = Duration::from_millis(1);

    struct Scene {
        loads: Vec<Load>,
        weighing: Weighing,
        now: Instant,
    }

    impl Scene {
        /// Endpoints whose calls take that many milliseconds.
        fn new(latencies: &[u32]) -> Self {
            let now = Instant::now();
            let weighing = Weighing::new(&config::Balance::default(), now);
            let load = |&latency: &u32| {
                let load = Load::new(&weighing);
                load.responded(&weighing, latency * MILLI, now);
                load
            };
            let loads = latencies.iter().map(load).collect();
            Self {
                loads,
                weighing,
                now,
            }
        }

        fn choose(&self, random: u64) -> Choice {
            let load = |index: usize| Some(&self.loads[index]);
            let now = self.weighing.tick(self.now);
            choose(self.loads.len(), load, &self.weighing, random, now)
        }
    }

    #[test]
    fn two_are_compared_and_the_better_one_is_tried_first() {
        let scene = Scene::new(&[1, 50, 3]);
        for _ in 0..1_000 {
            let Choice { first, second } = scene.choose(random::random());
            let second = second.expect("two are chosen");
            let latencies = [1, 50, 3];
            assert!(latencies[first] < latencies[second], "{first} {second}");
        }
    }

    #[test]
    fn every_pair_is_chosen() {
        let scene = Scene::new(&[1, 2, 3]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let choice = scene.choose(random::random());
            seen.insert((choice.first, choice.second));
        }
        let pairs = [(0, Some(1)), (0, Some(2)), (1, Some(2))];
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), pairs);
    }

    #[test]
    fn the_worse_one_gets_a_call_when_it_had_none_for_a_second() {
        let mut scene = Scene::new(&[1, 50]);
        let first = |scene: &Scene| scene.choose(random::random()).first;
        assert_eq!(first(&scene), 0);
        scene.now += Duration::from_millis(1001);
        assert_eq!([first(&scene), first(&scene), first(&scene)], [1, 0, 0]);
    }
}
