//! "Did you mean": the known name that is closest to a mistyped one.

/// The known name within a third of its length in edits, the closest first.
pub(super) fn closest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (edits(typed, name), *name))
        .filter(|(edits, name)| *edits <= name.chars().count().max(3) / 3)
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from `a` to `b`
/// (optimal string alignment distance; Boytsov 2011).
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substitution.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_known_name_is_suggested() {
        let known = ["host", "port", "drain_timeout"];
        assert_eq!(closest("prot", &known), Some("port"));
        assert_eq!(closest("hosts", &known), Some("host"));
        assert_eq!(closest("drain_time_out", &known), Some("drain_timeout"));
    }

    #[test]
    fn nothing_is_suggested_for_a_name_unlike_all() {
        assert_eq!(closest("colour", &["host", "port"]), None);
        assert_eq!(closest("x", &[]), None);
    }
}
