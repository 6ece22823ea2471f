//! What a statement does, in two words, for spans and metrics (pure).

/// The operation and the table of a statement, as in `SELECT` and `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) operation: &'static str,
    pub(crate) table: Option<String>,
}

/// The operations that are told apart: statements may be anything, series must be few.
const OPERATIONS: [&str; 8] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP",
];

impl Summary {
    /// Of `sql`, without parsing it: the first word, and what follows the first `FROM`, `INTO`,
    /// `UPDATE` or `TABLE`.
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = sql
            .split(|it: char| it.is_whitespace() || "(),;".contains(it))
            .filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let operation = OPERATIONS
            .into_iter()
            .find(|it| it.eq_ignore_ascii_case(first));
        let operation = operation.unwrap_or("OTHER");
        let mut is_next = operation == "UPDATE";
        let mut table = None;
        for word in words {
            let is = |other: &str| word.eq_ignore_ascii_case(other);
            if is_next
                && !["ONLY", "IF", "NOT", "EXISTS", "OR", "SELECT"]
                    .iter()
                    .any(|it| is(it))
            {
                table = is_name(word).then(|| word.replace('"', ""));
                break;
            }
            is_next |= is("FROM") || is("INTO") || is("TABLE");
        }
        Self { operation, table }
    }

    /// As in `SELECT orders`.
    pub(crate) fn text(&self) -> String {
        match &self.table {
            Some(table) => format!("{} {table}", self.operation),
            None => self.operation.to_owned(),
        }
    }
}

fn is_name(word: &str) -> bool {
    let is_part = |it: char| it.is_alphanumeric() || "_.\"".contains(it);
    word.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_summed_up() {
        for (sql, expected) in [
            ("SELECT * FROM orders WHERE id = $1", "SELECT orders"),
            ("select count(*)\n  from \"orders\"", "SELECT orders"),
            ("INSERT INTO orders(id) VALUES ($1)", "INSERT orders"),
            (
                "UPDATE ONLY shop.orders SET paid = TRUE",
                "UPDATE shop.orders",
            ),
            ("DELETE FROM orders", "DELETE orders"),
            (
                "CREATE TABLE IF NOT EXISTS orders (id TEXT)",
                "CREATE orders",
            ),
            ("SELECT 1", "SELECT"),
            ("SELECT a FROM (SELECT b FROM c)", "SELECT b"),
            ("PRAGMA user_version", "OTHER"),
            ("", "OTHER"),
        ] {
            assert_eq!(Summary::of(sql).text(), expected, "{sql}");
        }
    }
}
