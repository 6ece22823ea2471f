//! What the arguments of `msvc bench` may be.

use std::path::PathBuf;
use std::str::FromStr;

use crate::bench::load::{HIGHEST_RATE, LOWEST_RATE, Profile, ProfileError};
use crate::bench::threshold::{Threshold, ThresholdError};

pub(super) fn rate(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (LOWEST_RATE..=HIGHEST_RATE).contains(&value) {
        Ok(value)
    } else {
        Err(format!(
            "expected a rate from {LOWEST_RATE} to {HIGHEST_RATE}"
        ))
    }
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    number
        .filter(|percent| (0.0..=1e6).contains(percent))
        .ok_or_else(|| "expected a share such as `5%`".to_owned())
}

/// Several thresholds at once.
#[derive(Clone, Debug)]
pub(super) struct Limits(pub(super) Vec<Threshold>);

impl FromStr for Limits {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let each = text.split(',').map(|limit| limit.trim().parse());
        each.collect::<Result<_, _>>().map(Self)
    }
}

/// A profile, or the file that has it.
#[derive(Clone, Debug)]
pub(super) enum GivenProfile {
    Known(Profile),
    File(PathBuf),
}

impl FromStr for GivenProfile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        match text.strip_prefix('@') {
            Some(path) => Ok(Self::File(path.into())),
            None => text.parse().map(Self::Known),
        }
    }
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    /// More threads, connections or calls at a time than this are a slip.
    const HIGHEST: usize = 1_000_000_000;
    match text.parse() {
        Ok(value @ 1..=HIGHEST) => Ok(value),
        _ => Err(format!("expected a number from 1 to {HIGHEST}")),
    }
}

/// How many calls are made at a time in a closed loop.
#[derive(Clone, Debug)]
pub(super) enum Concurrency {
    /// Always so many.
    Constant(usize),
    /// As many as a profile says.
    Profile(GivenProfile),
}

impl FromStr for Concurrency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains(':') || text.starts_with('@') {
            let profile = text
                .parse()
                .map_err(|error: ProfileError| error.to_string());
            return profile.map(Self::Profile);
        }
        positive(text).map(Self::Constant)
    }
}
