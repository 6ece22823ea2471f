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
