//! Weighted round robin, as an order that is made ahead: a pick only counts on.
//!
//! The order is nginx's smooth one (commit "Upstream: smooth weighted round-robin balancing",
//! 2012): weights of 5, 1 and 1 give a a b a c a a, not a a a a a b c.

/// An order is at most that long, or as long as there are endpoints: weights that would need more
/// are rounded.
const MAX_TURNS: usize = 4096;

/// The turns of endpoints with these weights, as indexes; empty when all weights are the same.
pub(in crate::client::balance) fn order(weights: &[u16]) -> Vec<u32> {
    if weights.windows(2).all(|pair| pair[0] == pair[1]) {
        return Vec::new();
    }
    let weights = reduced(weights);
    let total: i64 = weights.iter().sum();
    let mut current = vec![0; weights.len()];
    let turn = |_| {
        for (current, weight) in current.iter_mut().zip(&weights) {
            *current += weight;
        }
        // The first of the highest.
        let highest = (0..current.len()).rev().max_by_key(|&index| current[index]);
        let highest = highest.unwrap_or_default();
        current[highest] -= total;
        highest as u32
    };
    (0..total).map(turn).collect()
}

/// The smallest whole numbers with the same ratios, or nearly the same when those are too large.
fn reduced(weights: &[u16]) -> Vec<i64> {
    let divisor = weights.iter().fold(0, |a, &b| gcd(a, i64::from(b))).max(1);
    let weights: Vec<i64> = weights.iter().map(|&it| i64::from(it) / divisor).collect();
    let total: i64 = weights.iter().sum();
    let limit = MAX_TURNS.max(weights.len()) as i64;
    if total <= limit {
        return weights;
    }
    let rounded = |weight: i64| match weight {
        0 => 0,
        // Nobody is forgotten.
        weight => ((weight * limit + total / 2) / total).max(1),
    };
    weights.into_iter().map(rounded).collect()
}

fn gcd(a: i64, b: i64) -> i64 {
    match b {
        0 => a,
        b => gcd(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(turns: &[u32], endpoints: usize) -> Vec<usize> {
        let count = |endpoint| turns.iter().filter(|&&it| it as usize == endpoint).count();
        (0..endpoints).map(count).collect()
    }

    #[test]
    fn turns_are_smooth() {
        assert_eq!(order(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(order(&[100, 300]), [1, 0, 1, 1]);
    }

    #[test]
    fn equal_weights_need_no_order() {
        assert!(order(&[7, 7, 7]).is_empty());
        assert!(order(&[]).is_empty());
    }

    #[test]
    fn an_endpoint_without_weight_gets_no_turn() {
        assert_eq!(order(&[0, 2, 1]), [1, 2, 1]);
    }

    #[test]
    fn weights_that_would_need_too_many_turns_are_rounded() {
        let turns = order(&[65535, 32768, 1]);
        assert_eq!(counts(&turns, 3), [2731, 1365, 1]);
    }
}
