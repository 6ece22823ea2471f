//! Text that is in every line of a call, written without the formatting machinery: that would take
//! several times as long for it as the rest of the call's line.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// Appends `number` in decimal.
pub(super) fn number(number: u64, line: &mut Vec<u8>) {
    // As many digits as the largest has.
    let mut digits = [0; 20];
    let mut from = digits.len();
    let mut rest = number;
    loop {
        from -= 1;
        digits[from] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[from..]);
}

/// Appends `bytes` in hexadecimal.
pub(super) fn hex<const N: usize>(bytes: [u8; N], line: &mut Vec<u8>) {
    line.extend_from_slice(digits(bytes).as_flattened());
}

/// The two digits of each of `bytes`, in hexadecimal.
pub(crate) fn digits<const N: usize>(bytes: [u8; N]) -> [[u8; 2]; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [[0; 2]; N];
    for (pair, byte) in digits.iter_mut().zip(bytes) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 0xf)],
        ];
    }
    digits
}

/// Appends what `Display` prints.
pub(super) fn address(address: SocketAddr, line: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else {
        // Writing into memory does not fail.
        let _ = write!(line, "{address}");
        return;
    };
    for (octet, after) in v4.ip().octets().into_iter().zip(*b"...:") {
        number(octet.into(), line);
        line.push(after);
    }
    number(v4.port().into(), line);
}

/// Appends what `Debug` prints: `1.5ms`.
pub(super) fn duration(duration: Duration, line: &mut Vec<u8>) {
    let (seconds, nanos) = (duration.as_secs(), u64::from(duration.subsec_nanos()));
    // The whole units, the rest, the digits that the rest has at most, and the unit.
    let (whole, rest, digits, unit) = match (seconds, nanos) {
        (0, 0..1_000) => (nanos, 0, 0, "ns"),
        (0, 1_000..1_000_000) => (nanos / 1_000, nanos % 1_000, 3, "µs"),
        (0, _) => (nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
        _ => (seconds, nanos, 9, "s"),
    };
    number(whole, line);
    if rest > 0 {
        line.push(b'.');
        let from = line.len();
        line.resize(from + digits, b'0');
        let mut rest = rest;
        for digit in line[from..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        while line.ends_with(b"0") {
            line.pop();
        }
    }
    line.extend_from_slice(unit.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).expect("UTF-8")
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for value in [0, 7, 10, 99, 100, 65_535, u64::MAX] {
            assert_eq!(written(|line| number(value, line)), value.to_string());
        }
    }

    #[test]
    fn addresses_are_as_they_print() {
        for text in [
            "10.0.0.7:4711",
            "255.255.255.255:65535",
            "0.0.0.0:0",
            "[::1]:80",
        ] {
            let parsed: SocketAddr = text.parse().expect("an address");
            assert_eq!(written(|line| address(parsed, line)), text);
        }
    }

    #[test]
    fn durations_are_as_they_print() {
        // One, and then digits in every place, around the limits of each unit.
        let around = (0..20).map(|power| 10_u64.pow(power));
        let around = around.flat_map(|power| [power - 1, power, power + 1, 1_234_567_891 % power]);
        for nanos in around.chain([1_500_000, 1_010, 90_000_000_000, u64::MAX]) {
            let value = Duration::from_nanos(nanos);
            assert_eq!(written(|line| duration(value, line)), format!("{value:?}"));
        }
    }

    #[test]
    fn bytes_are_two_digits_each() {
        assert_eq!(written(|line| hex([0x00, 0x0f, 0xa0], line)), "000fa0");
    }
}
