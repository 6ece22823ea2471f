//! Values that are checked when they are read, so that nothing has to check them again.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use tracing_subscriber::filter::Targets;

use super::units::{NotAValue, Parse};

/// A share, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, serde::Serialize)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// One tenth.
    pub const TENTH: Self = Self(0.1);
    /// One half.
    pub const HALF: Self = Self(0.5);
    /// Four fifths.
    pub const FOUR_FIFTHS: Self = Self(0.8);
    /// Everything.
    pub const ONE: Self = Self(1.0);

    /// `None` unless `share` is from 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        Self::new(share).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Float(share), &"a ratio from 0 to 1")
        })
    }
}

/// A share in hundredths, from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Percent(u8);

impl Percent {
    /// `percent`, at most 100.
    #[must_use]
    pub const fn of(percent: u8) -> Self {
        match percent {
            0..=100 => Self(percent),
            _ => Self(100),
        }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = u64::deserialize(deserializer)?;
        let in_range = u8::try_from(percent).ok().filter(|it| *it <= 100);
        in_range.map(Self).ok_or_else(|| {
            let expected = &"a percentage from 0 to 100";
            de::Error::invalid_value(de::Unexpected::Unsigned(percent), expected)
        })
    }
}

/// A number of things a second; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, serde::Serialize)]
pub struct PerSecond(f64);

impl PerSecond {
    /// One in ten milliseconds.
    pub const HUNDRED: Self = Self(100.0);

    /// `None` unless `rate` is 0 or more, and finite.
    #[must_use]
    pub fn new(rate: f64) -> Option<Self> {
        (rate >= 0.0 && rate.is_finite()).then_some(Self(rate))
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rate = f64::deserialize(deserializer)?;
        Self::new(rate).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Float(rate), &"a rate of 0 or more")
        })
    }
}

/// What is logged: a level, or a level for each module, as in `"info,chassis=debug"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Directives(Targets);

impl Directives {
    pub(crate) fn targets(&self) -> &Targets {
        &self.0
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Default for Directives {
    fn default() -> Self {
        Self(Targets::new().with_default(tracing::Level::INFO))
    }
}

impl FromStr for Directives {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        // `Targets` reads a word that is no level as a module at the level `trace`, so a
        // misspelt level would turn everything on.
        let is_directive = |directive: &str| {
            directive.contains('=') || directive.trim().parse::<tracing::Level>().is_ok()
        };
        let off = |directive: &str| directive.trim().eq_ignore_ascii_case("off");
        match text.split(',').all(|part| is_directive(part) || off(part)) {
            true => text.parse().map(Self).map_err(|_| NotAValue),
            false => Err(NotAValue),
        }
    }
}

impl<'de> Deserialize<'de> for Directives {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "levels such as \"info\" or \"warn,chassis=debug\"",
        ))
    }
}
