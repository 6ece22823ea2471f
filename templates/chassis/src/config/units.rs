//! Values with a unit, as people write them: `"250ms"`, `"4MiB"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A length of time, written as whole numbers with units: `"250ms"`, `"10s"`, `"1m30s"`, `"0s"`.
///
/// Units: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`. Range: 0 to 2^64 - 1 nanoseconds (584 years).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// A duration of `seconds` seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    /// A duration of `milliseconds` milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    /// The standard library's form.
    #[must_use]
    pub const fn get(self) -> std::time::Duration {
        self.0
    }

    /// `None` for zero, for settings where `"0s"` means "no limit" or "off".
    #[must_use]
    pub fn non_zero(self) -> Option<std::time::Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

const NANOS_OF: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl FromStr for Duration {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let mut rest = text.trim();
        let mut nanos = 0_u64;
        while !rest.is_empty() {
            let (number, unit, tail) = number_and_unit(rest).ok_or(NotAValue)?;
            let of_unit = factor(&NANOS_OF, unit).ok_or(NotAValue)?;
            let part = number.checked_mul(of_unit).ok_or(NotAValue)?;
            nanos = nanos.checked_add(part).ok_or(NotAValue)?;
            rest = tail;
        }
        if text.trim().is_empty() {
            return Err(NotAValue);
        }
        Ok(Self(std::time::Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "a duration such as \"10s\" or \"250ms\"",
        ))
    }
}

/// A number of bytes, written with a unit: `"512B"`, `"64KiB"`, `"4MiB"`, `"1GB"`.
///
/// `KiB`, `MiB`, `GiB` are powers of 1024; `KB`, `MB`, `GB` are powers of 1000.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    /// A size of `bytes` bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of `kibibytes` times 1024 bytes.
    #[must_use]
    pub const fn from_kib(kibibytes: u64) -> Self {
        Self(kibibytes * 1024)
    }

    /// A size of `mebibytes` times 1024 * 1024 bytes.
    #[must_use]
    pub const fn from_mib(mebibytes: u64) -> Self {
        Self(mebibytes * 1024 * 1024)
    }

    /// In bytes; sizes beyond the address space saturate.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

const BYTES_OF: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

impl FromStr for Size {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let (number, unit, tail) = number_and_unit(text.trim()).ok_or(NotAValue)?;
        let of_unit = factor(&BYTES_OF, unit).ok_or(NotAValue)?;
        if !tail.is_empty() {
            return Err(NotAValue);
        }
        number.checked_mul(of_unit).map(Self).ok_or(NotAValue)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, of_unit) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 != 0 && self.0.is_multiple_of(of_unit) {
                return write!(f, "{}{unit}", self.0 / of_unit);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse::<Self>::expecting(
            "a size such as \"4MiB\" or \"64KiB\"",
        ))
    }
}

/// A secret value: usable, never printed. It may be encrypted where it is written, as
/// `"enc:v1:…"` (`msvc secret encrypt`).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Under this name it asks for its value, so that the tree knows what a secret is.
    pub(super) const TYPE: &str = "chassis::config::Secret";

    /// Wraps `secret`.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, to be handed to whatever needs it and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(Self::TYPE, ReadSecret)
    }
}

struct ReadSecret;

impl<'de> Visitor<'de> for ReadSecret {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Secret, D::Error> {
        String::deserialize(inner).map(Secret)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }
}

/// The text is not a value of that type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAValue;

impl fmt::Display for NotAValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value of that type")
    }
}

impl std::error::Error for NotAValue {}

/// Splits `"1m30s"` into `(1, "m", "30s")`.
fn number_and_unit(text: &str) -> Option<(u64, &str, &str)> {
    let unit_start = text.find(|c: char| !c.is_ascii_digit())?;
    let number = text[..unit_start].parse().ok()?;
    let rest = text[unit_start..].trim_start();
    let unit_end = rest
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    Some((number, &rest[..unit_end], rest[unit_end..].trim_start()))
}

fn factor(table: &[(&str, u64)], unit: &str) -> Option<u64> {
    let (_, factor) = table.iter().find(|(name, _)| *name == unit)?;
    Some(*factor)
}

/// Deserializes anything that parses from a string, with an error that says what was expected.
pub(super) struct Parse<T> {
    expecting: &'static str,
    target: std::marker::PhantomData<T>,
}

impl<T> Parse<T> {
    pub(super) fn expecting(expecting: &'static str) -> Self {
        Self {
            expecting,
            target: std::marker::PhantomData,
        }
    }
}

impl<T: FromStr> Visitor<'_> for Parse<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Option<u128> {
        let duration: Duration = text.parse().ok()?;
        Some(duration.get().as_nanos())
    }

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(nanos("250ms"), Some(250_000_000));
        assert_eq!(nanos("10s"), Some(10_000_000_000));
        assert_eq!(nanos("1m30s"), Some(90_000_000_000));
        assert_eq!(nanos("0s"), Some(0));
        assert_eq!(nanos(" 2 h "), Some(7_200_000_000_000));
    }

    #[test]
    fn durations_without_a_unit_or_out_of_range_are_refused() {
        for text in ["", "10", "s", "-1s", "1.5s", "10 parsecs", "99999999999d"] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_units() {
        let bytes = |text: &str| text.parse::<Size>().ok().map(Size::bytes);
        assert_eq!(bytes("4MiB"), Some(4 * 1024 * 1024));
        assert_eq!(bytes("1KB"), Some(1000));
        assert_eq!(bytes("12B"), Some(12));
        for text in ["", "12", "MiB", "-1B", "1MiB2B", "1mib"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn units_print_as_they_are_written() {
        assert_eq!(Size::from_mib(4).to_string(), "4MiB");
        assert_eq!(Size::from_bytes(1000).to_string(), "1000B");
        assert_eq!(Duration::from_millis(250).to_string(), "250ms");
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }
}
