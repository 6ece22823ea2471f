//! The search for the highest rate at which thresholds hold.
//!
//! Rates are doubled (or halved) until one holds and one does not, and then the middle between the two is
//! tried, in proportion, until they are close. A rate is taken for too high only when it was so twice in
//! a row: one hiccup of a machine is no limit of a service.
//!
//! Pure: what held in, what to try out.

use crate::bench::load::HIGHEST_RATE;

/// Two rates with less than this between them are the same for whoever asks.
const CLOSE: f64 = 1.05;
/// A service that cannot do this many calls a second is not searched for less.
const LOWEST: f64 = 1.0;

/// A search under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    first: f64,
    /// The highest rate that held.
    held: Option<f64>,
    /// The lowest rate that did not, twice.
    breached: Option<f64>,
    /// Whether the rate to try has not held once.
    is_suspect: bool,
}

impl Search {
    /// One that begins at this rate.
    pub fn from(first: f64) -> Self {
        Self {
            first,
            held: None,
            breached: None,
            is_suspect: false,
        }
    }

    /// The rate to try; `None` at the end of the search.
    pub fn next(&self) -> Option<f64> {
        let next = match (self.held, self.breached) {
            (None, None) => return Some(self.first),
            (Some(held), None) => (held * 2.0).min(HIGHEST_RATE),
            (None, Some(breached)) => (breached / 2.0).max(LOWEST),
            (Some(held), Some(breached)) if breached / held <= CLOSE => return None,
            (Some(held), Some(breached)) => three_digits((held * breached).sqrt()),
        };
        let is_new = self.held.is_none_or(|held| next > held)
            && self.breached.is_none_or(|breached| next < breached);
        is_new.then_some(next)
    }

    /// Says whether the thresholds held at the rate to try.
    pub fn tell(&mut self, held: bool) {
        let Some(rate) = self.next() else {
            return;
        };
        if held {
            self.held = Some(rate);
            self.is_suspect = false;
        } else if self.is_suspect {
            self.breached = Some(rate);
            self.is_suspect = false;
        } else {
            self.is_suspect = true;
        }
    }

    /// The highest rate that held.
    pub fn highest(&self) -> Option<f64> {
        self.held
    }
}

/// Rates to try are easy to read, and to type.
fn three_digits(rate: f64) -> f64 {
    let scale = 10f64.powi(rate.log10().floor() as i32 - 2);
    (rate / scale).round() * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a service that holds up to `limit`; what was tried.
    fn tried(mut search: Search, limit: f64) -> (Vec<f64>, Option<f64>) {
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tell(rate <= limit);
        }
        (tried, search.highest())
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        let (rates, highest) = tried(Search::from(100.0), 1_234.0);
        assert_eq!(
            rates,
            [
                100.0, 200.0, 400.0, 800.0, 1_600.0, 1_600.0, 1_130.0, 1_340.0, 1_340.0, 1_230.0,
                1_280.0, 1_280.0
            ]
        );
        assert_eq!(highest, Some(1_230.0));
        let (rates, highest) = tried(Search::from(100.0), 30.0);
        assert_eq!(rates[..6], [100.0, 100.0, 50.0, 50.0, 25.0, 35.4]);
        assert!(
            highest.is_some_and(|rate| (28.5..=30.0).contains(&rate)),
            "{highest:?}"
        );
    }

    #[test]
    fn every_limit_is_found_within_the_precision() {
        for exponent in 0..65 {
            let limit = 1.27f64.powi(exponent);
            let (rates, highest) = tried(Search::from(100.0), limit);
            let highest = highest.expect("1 a second holds");
            assert!(
                highest <= limit && limit < highest * CLOSE * 1.001,
                "{limit}: {highest}"
            );
            assert!(rates.len() < 40, "{limit}: {rates:?}");
        }
    }

    #[test]
    fn there_is_an_end_in_both_directions() {
        let (rates, highest) = tried(Search::from(4e6), f64::INFINITY);
        assert_eq!((rates, highest), (vec![4e6, 8e6, 1e7], Some(1e7)));
        let (rates, highest) = tried(Search::from(3.0), 0.0);
        assert_eq!((rates, highest), (vec![3.0, 3.0, 1.5, 1.5, 1.0, 1.0], None));
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let mut search = Search::from(100.0);
        search.tell(false);
        assert_eq!(search.next(), Some(100.0));
        search.tell(true);
        assert_eq!(
            (search.next(), search.highest()),
            (Some(200.0), Some(100.0))
        );
    }
}
