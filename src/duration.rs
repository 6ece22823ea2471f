//! Durations as people write them: `500ms`, `10s`, `1m30s`; and as people read them.
//!
//! Pure: text in, values out.

use std::time::Duration;

/// The units, the longest first, with their length in nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number without a unit.
    #[error("a unit is missing: `{0}s` or `{0}ms`?")]
    NoUnit(String),
    /// Something else.
    #[error("not a duration such as `500ms`, `10s` or `1m30s`")]
    Invalid,
}

/// Reads a duration: one or more numbers, each with its unit (`h`, `m`, `s`, `ms`, `us`, `ns`). Only
/// `0` needs no unit.
///
/// # Errors
/// [`DurationError`] when the text is something else or too long to count.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    let mut rest = text;
    let mut nanoseconds = 0f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(DurationError::Invalid)?;
        let number: f64 = rest[..digits].parse().map_err(|_| DurationError::Invalid)?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, unit) = UNITS
            .iter()
            .find(|(name, _)| *name == &rest[..letters])
            .ok_or(DurationError::Invalid)?;
        nanoseconds += number * *unit as f64;
        rest = &rest[letters..];
    }
    if text.is_empty() || nanoseconds > i64::MAX as f64 {
        return Err(DurationError::Invalid);
    }
    Ok(Duration::from_nanos(nanoseconds.round() as u64))
}

/// As [`parse`], for durations that must last.
///
/// # Errors
/// As [`parse`], and for zero.
pub fn parse_positive(text: &str) -> Result<Duration, DurationError> {
    parse(text).and_then(|duration| {
        if duration.is_zero() {
            Err(DurationError::Invalid)
        } else {
            Ok(duration)
        }
    })
}

/// Three significant digits and the unit that suits: `842 µs`, `1.20 ms`, `31.5 s`.
pub fn human(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() as f64;
    let (value, unit) = match nanoseconds {
        n if n < 999.5 => return format!("{n:.0} ns"),
        n if n < 999_500.0 => (n / 1e3, "µs"),
        n if n < 999_500_000.0 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// The shortest form that [`parse`] reads back: `10s`, `1m30s`, `250ms`.
pub fn exact(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (name, unit) in UNITS {
        let count = rest / u128::from(unit);
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
            rest %= u128::from(unit);
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5s", 1_500),
            ("2h", 7_200_000),
            ("0", 0),
        ] {
            assert_eq!(
                parse(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_unit_is_named() {
        assert_eq!(
            parse("10").expect_err("no unit").to_string(),
            "a unit is missing: `10s` or `10ms`?"
        );
        for text in ["", "s", "10x", "-1s", "1s2", "ten", "1..2s", "inf", "NaN"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for milliseconds in [0, 1, 250, 1_000, 61_001, 7_200_000] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(&exact(duration)), Ok(duration));
        }
    }

    #[test]
    fn people_read_three_digits() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (842_400, "842 µs"),
            (999_700, "1.00 ms"),
            (12_340_000, "12.3 ms"),
            (31_500_000_000, "31.5 s"),
        ] {
            assert_eq!(human(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
