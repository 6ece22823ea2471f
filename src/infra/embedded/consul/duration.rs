//! Durations as Go's `time.ParseDuration` reads them: `1m30s`, `500ms`, `1.5h`.

use std::time::Duration;

/// Reads a duration; one that is negative is zero, for nothing here tells the two apart.
///
/// # Errors
/// What Go says of the text.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration \"{text}\"");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = unsigned;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c| !is_number(c)).unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let end = rest.find(is_number).unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "" => return Err(format!("time: missing unit in duration \"{text}\"")),
                unit => {
                    return Err(format!(
                        "time: unknown unit \"{unit}\" in duration \"{text}\""
                    ));
                }
            };
        rest = &rest[end..];
    }
    if text.starts_with('-') {
        return Ok(Duration::ZERO);
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        assert_eq!(parse("-1s"), Ok(Duration::ZERO));
    }

    #[test]
    fn others_are_refused_in_gos_words() {
        let refusal = |text| parse(text).expect_err(text);
        assert_eq!(refusal(""), "time: invalid duration \"\"");
        assert_eq!(refusal("x"), "time: invalid duration \"x\"");
        assert_eq!(refusal("5"), "time: missing unit in duration \"5\"");
        assert_eq!(refusal("1s5"), "time: missing unit in duration \"1s5\"");
        assert_eq!(refusal("1x"), "time: unknown unit \"x\" in duration \"1x\"");
    }
}
