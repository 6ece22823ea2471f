//! A time of day, and how it is written.

/// A time of day: seconds since 1970-01-01 in UTC, and the nanoseconds of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Whole seconds.
    pub seconds: u64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Moment {
    /// Appends it as RFC 3339 has it, in UTC and with nine digits after the seconds.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let (year, month, day) = date((self.seconds / 86_400) as i64);
        let of_day = self.seconds % 86_400;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        let mut digits = |at: usize, count: usize, mut value: u64| {
            for place in text[at..at + count].iter_mut().rev() {
                *place = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        digits(0, 4, year as u64);
        digits(5, 2, month);
        digits(8, 2, day);
        digits(11, 2, of_day / 3_600);
        digits(14, 2, of_day / 60 % 60);
        digits(17, 2, of_day % 60);
        digits(20, 9, self.nanos.into());
        out.extend_from_slice(&text);
    }
}

/// Year, month and day of a day since 1970-01-01 (Hinnant: "chrono-Compatible Low-Level Date Algorithms",
/// `civil_from_days`).
fn date(day: i64) -> (i64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month as u64, day as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_a_timestamp_reads_them() {
        for seconds in (0..8_000_000_000).step_by(86_399 * 17) {
            let moment = Moment {
                seconds,
                nanos: (seconds % 1_000_000_000) as u32,
            };
            let mut text = Vec::new();
            moment.put(&mut text);
            let text = String::from_utf8(text).expect("ASCII");
            let read: prost_types::Timestamp = text.parse().expect("RFC 3339");
            assert_eq!(
                (read.seconds, read.nanos),
                (seconds as i64, moment.nanos as i32),
                "{text}"
            );
        }
    }
}
