//! Ranges of numbers that must not shrink.

/// From one number to another, both included.
pub type Range = (i32, i32);

/// Which parts of the earlier ranges the present ones do not cover, each with its earlier range.
pub fn shrunk(before: &[Range], after: &[Range]) -> Vec<(Range, Vec<Range>)> {
    before
        .iter()
        .map(|&range| (range, missing(range, after)))
        .filter(|(_, missing)| !missing.is_empty())
        .collect()
}

fn missing((start, end): Range, present: &[Range]) -> Vec<Range> {
    let mut sorted = present.to_vec();
    sorted.sort_unstable();
    let mut missing = Vec::new();
    // Wider than the numbers themselves, so that the end of the last range has a successor.
    let (mut next, end) = (i64::from(start), i64::from(end));
    for (from, to) in sorted {
        let (from, to) = (i64::from(from), i64::from(to));
        if to < next {
            continue;
        }
        if from > end {
            break;
        }
        if from > next {
            missing.push((next, from - 1));
        }
        next = to + 1;
    }
    if next <= end {
        missing.push((next, end));
    }
    let narrow = |number: i64| i32::try_from(number).expect("between two i32");
    missing
        .into_iter()
        .map(|(from, to)| (narrow(from), narrow(to)))
        .collect()
}

/// A range as protos have it: `5` or `5 to 7`.
pub fn shown(&(start, end): &Range, max: i32) -> String {
    match () {
        () if start == end => start.to_string(),
        () if end == max => format!("{start} to max"),
        () => format!("{start} to {end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_present_ranges_leave_open_is_missing() {
        const MAX: i32 = i32::MAX;
        for (before, after, expected) in [
            ((5, 9), &[][..], &[(5, 9)][..]),
            ((5, 9), &[(1, 20)], &[]),
            ((5, 9), &[(6, 7)], &[(5, 5), (8, 9)]),
            ((5, 9), &[(8, 20), (1, 5)], &[(6, 7)]),
            ((5, 9), &[(5, 7), (8, 9)], &[]),
            ((5, 9), &[(10, 12), (1, 4)], &[(5, 9)]),
            ((5, MAX), &[(7, MAX)], &[(5, 6)]),
            ((i32::MIN, 0), &[(-3, -1)], &[(i32::MIN, -4), (0, 0)]),
        ] {
            assert_eq!(missing(before, after), expected, "{before:?} {after:?}");
        }
    }
}
