//! `grpc-timeout`: 1 to 8 digits and a unit (gRPC over HTTP/2, "Requests").

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::GRPC_TIMEOUT;

const MAX_DIGITS: usize = 8;

/// The units, the finest first, with their length in nanoseconds.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// The header is there and is not what the specification says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed grpc-timeout: expected 1 to 8 digits and one of H, M, S, m, u, n")
    }
}

/// The timeout in `headers`, if there is one.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    match headers.get(&GRPC_TIMEOUT) {
        Some(value) => parse(value.as_bytes()).ok_or(Malformed).map(Some),
        None => Ok(None),
    }
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let (_, nanos) = UNITS.iter().find(|(letter, _)| letter == unit)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    // 99,999,999 hours are 11,000 years and do not fit into 64 bits of nanoseconds.
    Some(Duration::from_nanos(number.saturating_mul(*nanos)))
}

/// Writes `timeout` in the finest unit in which it has 8 digits, rounded down: a server must not
/// believe that it has more time than its caller waits. A timeout of zero is written as `0n`, and one
/// of more than 584 years as so many.
pub(crate) fn write(timeout: Duration, headers: &mut HeaderMap) {
    const LIMIT: u64 = 10_u64.pow(MAX_DIGITS as u32);
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let (mut number, unit) = UNITS
        .iter()
        .map(|(unit, of_unit)| (nanos / of_unit, *unit))
        .find(|(number, _)| *number < LIMIT)
        .unwrap_or((LIMIT - 1, b'H'));
    // Each call that is passed on has one: it is written in place, from the unit to the first digit.
    let mut text = [0; MAX_DIGITS + 1];
    let mut begin = MAX_DIGITS;
    text[begin] = unit;
    loop {
        begin -= 1;
        text[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Ok(mut value) = HeaderValue::from_bytes(&text[begin..]) {
        // It hardly ever comes again: nobody on the way need remember it.
        value.set_sensitive(true);
        headers.insert(&GRPC_TIMEOUT, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(timeout: Duration) -> String {
        let mut headers = HeaderMap::new();
        write(timeout, &mut headers);
        headers[&GRPC_TIMEOUT].to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn every_unit_is_read() {
        assert_eq!(parse(b"1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse(b"2M"), Some(Duration::from_secs(120)));
        assert_eq!(parse(b"3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse(b"4m"), Some(Duration::from_millis(4)));
        assert_eq!(parse(b"5u"), Some(Duration::from_micros(5)));
        assert_eq!(parse(b"00000006n"), Some(Duration::from_nanos(6)));
        assert!(parse(b"99999999H").is_some());
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            &b""[..],
            b"S",
            b"1",
            b"1s",
            b"-1S",
            b"+1S",
            b" 1S",
            b"1 S",
            b"1.5S",
            b"123456789n",
            b"1SS",
            b"\xd9\xa1S",
        ] {
            assert_eq!(parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn the_finest_unit_that_fits_is_written() {
        assert_eq!(written(Duration::ZERO), "0n");
        assert_eq!(written(Duration::from_millis(50)), "50000000n");
        assert_eq!(written(Duration::from_millis(100)), "100000u");
        assert_eq!(written(Duration::from_secs(3600)), "3600000m");
        assert_eq!(written(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(written(Duration::from_nanos(100_000_000)), "100000u");
        assert_eq!(written(Duration::MAX), "5124095H");
    }

    #[test]
    fn what_is_written_is_never_more_than_what_was_meant() {
        for nanos in [1, 99_999_999, 100_000_001, 123_456_789_012, u64::MAX] {
            let timeout = Duration::from_nanos(nanos);
            let read = parse(written(timeout).as_bytes()).expect("well-formed");
            assert!(read <= timeout, "{timeout:?}");
            assert!(read >= timeout.mul_f64(0.999), "{timeout:?}");
        }
    }
}
