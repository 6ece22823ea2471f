//! A rate that changes over time, or a number of callers that does.
//!
//! It is a chain of straight lines, and the number of calls up to a time is the area below it. When the
//! n-th call is due is the inverse of that: calls are at their places whatever the rate does, and no error
//! adds up.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::part_of;
use crate::duration;

/// The highest rate: above it the nanoseconds between calls are no schedule any more.
pub const HIGHEST_RATE: f64 = 1e7;
/// The lowest rate that is not 0.
pub const LOWEST_RATE: f64 = 1e-3;

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It has none of the forms.
    #[error(
        "expected `const:100/30s`, `ramp:100..500/30s`, `step:100,200,400/10s`, `spike:100..500/2s@10s`, \
         `soak:100/1h` or a file of `seconds,rate`"
    )]
    Form,
    /// A rate is no number in the range.
    #[error("`{0}` is no rate from 0 to {HIGHEST_RATE}")]
    Rate(String),
    /// A time is none.
    #[error("`{text}` is no time: {problem}")]
    Time {
        /// What stands there.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A row of a file is none.
    #[error("line {line} is not `seconds,rate`, with the seconds growing")]
    Row {
        /// The number of the line, from 1.
        line: usize,
    },
    /// There are no calls in it.
    #[error("a profile needs two points in time, and a rate above 0")]
    Empty,
}

/// Calls a second, or calls at a time, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// As the user gave it.
    text: String,
    pieces: Vec<Piece>,
    /// Whose callers these are: those from here to there, if all of them are 1.
    part: Range<f64>,
}

/// What all of a profile is.
const WHOLE: Range<f64> = 0.0..1.0;

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Piece {
    /// The calls within it.
    fn calls(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    /// The calls within its first seconds.
    fn calls_by(&self, seconds: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        (self.from + slope * seconds / 2.0) * seconds
    }

    /// After which time there were so many calls.
    fn time_at(&self, calls: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        // The root of a quadratic equation, in the form that does not cancel.
        let root = (self.from * self.from + 2.0 * slope * calls)
            .max(0.0)
            .sqrt();
        if calls <= 0.0 {
            0.0
        } else {
            2.0 * calls / (self.from + root)
        }
    }
}

impl Profile {
    /// The same rate for ever.
    pub fn constant(rate: f64) -> Self {
        let pieces = vec![Piece {
            seconds: f64::INFINITY,
            from: rate,
            to: rate,
        }];
        Self {
            text: String::new(),
            pieces,
            part: WHOLE,
        }
    }

    /// Reads the points of a file: lines of `seconds,rate`, the first at 0; a line that does not begin
    /// with a digit is a heading, if it is the first.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn from_csv(name: &str, text: &str) -> Result<Self, ProfileError> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let is_heading = index == 0 && !line.starts_with(|first: char| first.is_ascii_digit());
            if line.is_empty() || is_heading {
                continue;
            }
            let wrong = ProfileError::Row { line: index + 1 };
            let (seconds, rate) = line.split_once(',').ok_or_else(|| wrong.clone())?;
            let seconds: f64 = seconds.trim().parse().map_err(|_| wrong.clone())?;
            let is_next = match points.last() {
                None => seconds == 0.0,
                Some((before, _)) => seconds > *before && seconds.is_finite(),
            };
            if !is_next {
                return Err(wrong);
            }
            points.push((seconds, self::rate(rate.trim())?));
        }
        let pieces = points.windows(2).map(|pair| Piece {
            seconds: pair[1].0 - pair[0].0,
            from: pair[0].1,
            to: pair[1].1,
        });
        Self::new(name, pieces.collect())
    }

    fn new(text: &str, pieces: Vec<Piece>) -> Result<Self, ProfileError> {
        let calls: f64 = pieces.iter().map(Piece::calls).sum();
        if calls <= 0.0 {
            return Err(ProfileError::Empty);
        }
        Ok(Self {
            text: text.to_owned(),
            pieces,
            part: WHOLE,
        })
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        let seconds = self.pieces.iter().map(|piece| piece.seconds).sum();
        Duration::from_secs_f64(seconds)
    }

    /// The same with this share of its rates.
    pub fn scaled(&self, share: f64) -> Self {
        let scaled = |piece: &Piece| Piece {
            from: piece.from * share,
            to: piece.to * share,
            ..*piece
        };
        Self {
            text: self.shared(share),
            pieces: self.pieces.iter().map(scaled).collect(),
            part: self.part.clone(),
        }
    }

    /// The same as the profile of those callers that one of several methods has, from here to there of 1. They
    /// are whole callers: where each method's were rounded by themselves, they would not add up.
    pub fn part(&self, part: Range<f64>) -> Self {
        Self {
            text: self.shared(part.end - part.start),
            pieces: self.pieces.clone(),
            part,
        }
    }

    fn shared(&self, share: f64) -> String {
        format!("{} × {}", self.text, (share * 1e4).round() / 1e4)
    }

    /// How many callers there are at a time: at least one, unless the profile is 0 there.
    pub fn callers_at(&self, seconds: f64) -> usize {
        self.callers(self.rate_at(seconds))
    }

    /// How many there are when the profile is the highest.
    pub fn callers_at_peak(&self) -> usize {
        self.callers(self.peak())
    }

    fn callers(&self, all: f64) -> usize {
        match all > 0.0 {
            true => part_of(all, &self.part).max(1),
            false => 0,
        }
    }

    /// The highest rate.
    pub fn peak(&self) -> f64 {
        let ends = self.pieces.iter().map(|piece| piece.from.max(piece.to));
        ends.fold(0.0, f64::max)
    }

    /// The rate at a time: before the beginning that of the beginning, after the end that of the end.
    pub fn rate_at(&self, seconds: f64) -> f64 {
        let mut left = seconds.max(0.0);
        for piece in &self.pieces {
            if left < piece.seconds {
                return piece.from + (piece.to - piece.from) * left / piece.seconds;
            }
            left -= piece.seconds;
        }
        self.pieces.last().map_or(0.0, |piece| piece.to)
    }

    /// The rate on average.
    pub fn mean(&self) -> f64 {
        let calls: f64 = self.pieces.iter().map(Piece::calls).sum();
        calls / self.length().as_secs_f64()
    }

    /// The same after a warm-up at the rate that it begins with, or at the lowest one if it begins with none.
    pub(super) fn after(&self, warm_up: Duration) -> Self {
        let mut pieces = self.pieces.clone();
        if !warm_up.is_zero() {
            let rate = pieces[0].from.max(LOWEST_RATE);
            let piece = Piece {
                seconds: warm_up.as_secs_f64(),
                from: rate,
                to: rate,
            };
            pieces.insert(0, piece);
        }
        Self {
            text: self.text.clone(),
            pieces,
            part: self.part.clone(),
        }
    }

    /// The calls up to a time in seconds; after the end there are no more.
    pub(super) fn calls_by(&self, seconds: f64) -> f64 {
        let mut left = seconds;
        let mut calls = 0.0;
        for piece in &self.pieces {
            if left <= piece.seconds {
                return calls
                    + if piece.seconds.is_infinite() {
                        piece.from * left
                    } else {
                        piece.calls_by(left)
                    };
            }
            left -= piece.seconds;
            calls += piece.calls();
        }
        calls
    }

    /// After which time in seconds there were so many calls; `None` if there never are.
    pub(super) fn time_at(&self, calls: f64) -> Option<f64> {
        let mut left = calls;
        let mut seconds = 0.0;
        for piece in &self.pieces {
            if piece.seconds.is_infinite() {
                return Some(seconds + left / piece.from);
            }
            if left < piece.calls() {
                return Some(seconds + piece.time_at(left));
            }
            left -= piece.calls();
            seconds += piece.seconds;
        }
        // The last of them may be due at the very end.
        (left <= 1e-6).then_some(seconds)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let (kind, rest) = text.split_once(':').ok_or(ProfileError::Form)?;
        let (rates, times) = rest.split_once('/').ok_or(ProfileError::Form)?;
        let piece = |seconds, from, to| Piece { seconds, from, to };
        let range = || {
            let (low, high) = rates.split_once("..").ok_or(ProfileError::Form)?;
            Ok((rate(low)?, rate(high)?))
        };
        let pieces = match kind {
            "ramp" => {
                let (from, to) = range()?;
                vec![piece(time(times)?, from, to)]
            }
            "step" => {
                let seconds = time(times)?;
                let rates: Result<Vec<f64>, _> = rates.split(',').map(rate).collect();
                rates?
                    .into_iter()
                    .map(|rate| piece(seconds, rate, rate))
                    .collect()
            }
            "spike" => {
                let (low, high) = range()?;
                let (length, at) = times.split_once('@').ok_or(ProfileError::Form)?;
                let (length, at) = (time(length)?, time(at)?);
                vec![
                    piece(at, low, low),
                    piece(length, high, high),
                    piece(at, low, low),
                ]
            }
            "const" | "soak" => {
                let rate = rate(rates)?;
                vec![piece(time(times)?, rate, rate)]
            }
            _ => return Err(ProfileError::Form),
        };
        Self::new(text, pieces)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

fn rate(text: &str) -> Result<f64, ProfileError> {
    match text.parse() {
        Ok(rate) if rate == 0.0 || (LOWEST_RATE..=HIGHEST_RATE).contains(&rate) => Ok(rate),
        _ => Err(ProfileError::Rate(text.to_owned())),
    }
}

fn time(text: &str) -> Result<f64, ProfileError> {
    let time = duration::parse_positive(text).map_err(|problem| ProfileError::Time {
        text: text.to_owned(),
        problem: problem.to_string(),
    })?;
    Ok(time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        text.parse().expect(text)
    }

    #[test]
    fn profiles_have_the_calls_below_their_lines() {
        for (text, seconds, calls) in [
            ("ramp:100..500/30s", 30.0, 9_000.0),
            ("ramp:500..0/2s", 2.0, 500.0),
            ("step:100,0,400/10s", 30.0, 5_000.0),
            ("spike:100..1000/2s@10s", 22.0, 4_000.0),
            ("soak:50/1h", 3_600.0, 180_000.0),
            ("const:50/1m", 60.0, 3_000.0),
        ] {
            let profile = profile(text);
            assert_eq!(profile.to_string(), text);
            assert_eq!(profile.length().as_secs_f64(), seconds, "{text}");
            assert!((profile.mean() - calls / seconds).abs() < 1e-9, "{text}");
            assert!((profile.calls_by(seconds) - calls).abs() < 1e-6, "{text}");
            assert!(
                (profile.calls_by(2.0 * seconds) - calls).abs() < 1e-6,
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_the_inverse_of_calls() {
        let file = Profile::from_csv("a.csv", "seconds,rate\n0,10\n5,0\n7.5,200\n8,200\n")
            .expect("points");
        for profile in [file, profile("ramp:0..500/3s"), profile("spike:1..9/1s@2s")] {
            let all = profile.calls_by(1e9);
            let mut before = 0.0;
            for step in 0..1_000 {
                let calls = all * f64::from(step) / 1_000.0;
                let time = profile.time_at(calls).expect("within it");
                assert!(time >= before, "{profile}: {time} after {before}");
                assert!(
                    (profile.calls_by(time) - calls).abs() < 1e-6,
                    "{profile}: {calls}"
                );
                before = time;
            }
            assert_eq!(profile.time_at(all + 1.0), None);
        }
        assert_eq!(Profile::constant(4.0).time_at(10.0), Some(2.5));
        assert_eq!(Profile::constant(4.0).calls_by(2.5), 10.0);
    }

    #[test]
    fn the_rate_at_a_time_is_that_of_the_line_there() {
        let spike = profile("spike:10..100/2s@5s");
        let rates = [-1.0, 0.0, 4.9, 5.0, 6.9, 7.0, 12.0, 99.0].map(|time| spike.rate_at(time));
        assert_eq!(rates, [10.0, 10.0, 10.0, 100.0, 100.0, 10.0, 10.0, 10.0]);
        let ramp = profile("ramp:0..50/10s");
        assert_eq!((ramp.rate_at(3.0), ramp.peak()), (15.0, 50.0));
        let half = ramp.scaled(0.5);
        assert_eq!(
            (half.rate_at(3.0), half.peak(), half.mean()),
            (7.5, 25.0, 12.5)
        );
        assert_eq!(half.to_string(), "ramp:0..50/10s × 0.5");
    }

    #[test]
    fn a_warm_up_goes_on_as_the_profile_begins() {
        let profile = profile("ramp:100..500/10s").after(Duration::from_secs(2));
        assert_eq!(profile.calls_by(2.0), 200.0);
        assert_eq!(profile.calls_by(12.0), 3_200.0);
    }

    #[test]
    fn what_is_no_profile_is_told() {
        let problem = |text: &str| text.parse::<Profile>().expect_err("none").to_string();
        assert!(problem("ramp").starts_with("expected `const:100/30s`, `ramp:100..500/30s`"));
        assert!(problem("wave:1..2/3s").starts_with("expected"));
        assert!(problem("spike:1..2/3s").starts_with("expected"));
        assert_eq!(problem("ramp:1..x/3s"), "`x` is no rate from 0 to 10000000");
        assert_eq!(
            problem("step:1,-1/3s"),
            "`-1` is no rate from 0 to 10000000"
        );
        assert!(problem("soak:1/3").starts_with("`3` is no time: "));
        assert_eq!(
            problem("soak:0/3s"),
            "a profile needs two points in time, and a rate above 0"
        );
        let row = |text| {
            Profile::from_csv("a.csv", text)
                .expect_err("none")
                .to_string()
        };
        assert_eq!(
            row("0,1\n0,2"),
            "line 2 is not `seconds,rate`, with the seconds growing"
        );
        assert_eq!(
            row("t,r\n1,1"),
            "line 2 is not `seconds,rate`, with the seconds growing"
        );
        assert_eq!(
            row("0,1\n1"),
            "line 2 is not `seconds,rate`, with the seconds growing"
        );
        assert_eq!(
            row("0,1"),
            "a profile needs two points in time, and a rate above 0"
        );
    }
}
