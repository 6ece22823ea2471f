//! Time as text, in UTC.

use std::cell::Cell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The length of `2026-01-05T10:22:33.123456Z`.
const WHOLE: usize = 27;

/// A point in time, to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Utc {
    days: u64,
    second_of_day: u64,
    micros: u32,
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            days: since_epoch.as_secs() / 86_400,
            second_of_day: since_epoch.as_secs() % 86_400,
            micros: since_epoch.subsec_micros(),
        }
    }
}

impl Utc {
    /// `10:22:33.123Z`
    pub(super) fn time(self) -> impl fmt::Display {
        Time(self)
    }

    /// `2026-01-05T10:22:33.123456Z` (RFC 3339)
    #[cfg(any(test, feature = "tls"))]
    pub(crate) fn date_time(self) -> impl fmt::Display {
        DateTime(self)
    }

    /// Appends `2026-01-05T10:22:33.123456Z` (RFC 3339). Most lines of a log are written in the same second as
    /// the line before: all but their microseconds is what that one had.
    pub(super) fn append_date_time(self, line: &mut Vec<u8>) {
        thread_local! {
            static LAST: Cell<(u64, [u8; WHOLE])> = const { Cell::new((u64::MAX, [0; WHOLE])) };
        }
        let second = self.days * 86_400 + self.second_of_day;
        let (last, mut text) = LAST.get();
        if last != second {
            text = self.whole();
            LAST.set((second, text));
        }
        fill(&mut text, [(20, 6, self.micros.into())]);
        line.extend_from_slice(&text);
    }

    /// The whole text, to the second.
    fn whole(self) -> [u8; WHOLE] {
        let (year, month, day) = self.date();
        let (hour, minute, second) = self.hms();
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        fill(&mut text, [(0, 4, year), (5, 2, month), (8, 2, day)]);
        fill(&mut text, [(11, 2, hour), (14, 2, minute), (17, 2, second)]);
        text
    }

    fn hms(self) -> (u64, u64, u64) {
        let second = self.second_of_day;
        (second / 3_600, second / 60 % 60, second % 60)
    }

    /// The Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms",
    /// `civil_from_days`).
    fn date(self) -> (u64, u64, u64) {
        let days = self.days + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = match month_from_march {
            0..=9 => month_from_march + 3,
            _ => month_from_march - 9,
        };
        (era * 400 + year_of_era + u64::from(month <= 2), month, day)
    }
}

struct Time(Utc);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute, second) = self.0.hms();
        let millis = u64::from(self.0.micros / 1_000);
        let mut text = *b"00:00:00.000Z";
        fill(
            &mut text,
            [(0, 2, hour), (3, 2, minute), (6, 2, second), (9, 3, millis)],
        );
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(any(test, feature = "tls"))]
struct DateTime(Utc);

#[cfg(any(test, feature = "tls"))]
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.whole();
        fill(&mut text, [(20, 6, self.0.micros.into())]);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Writes numbers into `text`, each from a place on with so many digits. Every line of the log has
/// a time, and the formatting machinery would take several times as long for it.
fn fill<const N: usize>(text: &mut [u8], numbers: [(usize, usize, u64); N]) {
    for (from, digits, mut number) in numbers {
        for digit in text[from..][..digits].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64, micros: u64) -> Utc {
        (UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros)).into()
    }

    #[test]
    fn dates_are_gregorian() {
        let text = |seconds| at(seconds, 0).date_time().to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.000000Z");
        assert_eq!(text(1_767_225_599), "2025-12-31T23:59:59.000000Z");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn what_is_appended_is_what_is_printed_whatever_was_before() {
        for (seconds, micros) in [(0, 0), (0, 7), (951_782_400, 1), (0, 999_999), (1, 3)] {
            let mut line = b"at ".to_vec();
            at(seconds, micros).append_date_time(&mut line);
            let printed = format!("at {}", at(seconds, micros).date_time());
            assert_eq!(String::from_utf8_lossy(&line), printed);
        }
    }

    #[test]
    fn the_short_form_is_the_time_of_day() {
        assert_eq!(
            at(1_767_225_599, 123_456).time().to_string(),
            "23:59:59.123Z"
        );
    }
}
