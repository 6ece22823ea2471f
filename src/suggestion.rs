//! What somebody may have meant who mistyped a name. Pure.

/// The names that resemble a mistyped one, the best first, at most three.
pub fn similar<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8;
    const MOST: usize = 3;
    let lower = given.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| {
            let name_lower = name.to_lowercase();
            let score = if name_lower == lower {
                1.0
            } else {
                strsim::jaro_winkler(&name_lower, &lower)
            };
            (score, name)
        })
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.truncate(MOST);
    scored
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// "did you mean `a` or `b`?", where there is something to mean.
pub fn did_you_mean(names: &[String]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => None,
        Some((only, [])) => Some(format!("did you mean {only}?")),
        Some((last, others)) => Some(format!("did you mean {} or {last}?", others.join(", "))),
    }
}

/// What may have been meant by what a parser did not expect: "unknown field `byte`, expected one of
/// `serde`, `bytes`".
pub fn of_expected(message: &str) -> Option<String> {
    let (given, expected) = message.split_once(", expected ")?;
    let given = given.strip_prefix("unknown ")?.split('`').nth(1)?;
    // Every second part stands in backticks.
    let known = expected.split('`').skip(1).step_by(2);
    did_you_mean(&similar(given, known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_suggested() {
        for (message, expected) in [
            (
                "unknown field `byte`, expected one of `serde`, `bytes`, `boxed`",
                Some("did you mean `bytes`?"),
            ),
            (
                "unknown variant `consl`, expected `consul` or `etcd`",
                Some("did you mean `consul`?"),
            ),
            ("unknown field `colour`, expected `name`", None),
            ("invalid type: string, expected u16", None),
        ] {
            assert_eq!(of_expected(message).as_deref(), expected, "{message}");
        }
    }
}
