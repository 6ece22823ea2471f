//! The rows that `{{column NAME}}` reads: CSV with a header (RFC 4180), or a JSON object a line.

use serde_json::{Map, Value};

use super::generator::Cell;

/// Rows with named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// What is wrong with rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// There are none.
    #[error("there are no rows in it")]
    Empty,
    /// A row is none.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl Rows {
    /// Reads CSV; the first line has the names of the columns.
    ///
    /// # Errors
    /// [`RowsError`] when a row has another number of fields than the header, or there is none.
    pub fn from_csv(text: &str) -> Result<Self, RowsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let told = |error: csv::Error| RowsError::Line {
            line: error.position().map_or(1, csv::Position::line),
            problem: match error.kind() {
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => format!("it has {len} fields where the header has {expected_len}"),
                _ => error.to_string(),
            },
        };
        let columns = reader.headers().map_err(told)?;
        let columns = columns.iter().map(|name| name.trim().to_owned()).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(told)?;
            rows.push(
                record
                    .iter()
                    .map(|cell| Cell::Text(cell.to_owned()))
                    .collect(),
            );
        }
        Self { columns, rows }.unless_empty()
    }

    /// Reads a JSON object a line; all have the fields of the first.
    ///
    /// # Errors
    /// [`RowsError`] when a line is no object or lacks a field of the first, or there is none.
    pub fn from_json_lines(text: &str) -> Result<Self, RowsError> {
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let at = |problem: String| RowsError::Line {
                line: index as u64 + 1,
                problem,
            };
            let object: Map<String, Value> = serde_json::from_str(line)
                .map_err(|error| at(format!("it is no JSON object: {error}")))?;
            if columns.is_empty() {
                columns = object.keys().cloned().collect();
            }
            let cell = |name: &String| match object.get(name) {
                Some(Value::String(text)) => Ok(Cell::Text(text.clone())),
                Some(other) => Ok(Cell::Json(other.to_string())),
                None => Err(at(format!("it has no `{name}`, which the first row has"))),
            };
            rows.push(columns.iter().map(cell).collect::<Result<_, _>>()?);
        }
        Self { columns, rows }.unless_empty()
    }

    fn unless_empty(self) -> Result<Self, RowsError> {
        if self.rows.is_empty() {
            return Err(RowsError::Empty);
        }
        Ok(self)
    }

    /// The names of the columns.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The values of a column.
    pub(super) fn column(&self, name: &str) -> Option<Vec<Cell>> {
        let index = self.columns.iter().position(|column| column == name)?;
        Some(self.rows.iter().map(|row| row[index].clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_csv_and_from_json_lines() {
        let csv = Rows::from_csv("\u{feff}id, name\n1,\"Ada, \"\"A\"\"\"\n2,Bob\n").expect("rows");
        let texts = |texts: &[&str]| -> Option<Vec<Cell>> {
            Some(
                texts
                    .iter()
                    .map(|text| Cell::Text((*text).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(csv.columns(), ["id", "name"]);
        assert_eq!(csv.column("id"), texts(&["1", "2"]));
        assert_eq!(csv.column("name"), texts(&["Ada, \"A\"", "Bob"]));
        assert_eq!(csv.column("age"), None);
        let json =
            Rows::from_json_lines("{\"a\": \"x\", \"b\": [1]}\n\n{\"b\": 2, \"a\": \"y\"}\n");
        let json = json.expect("rows");
        assert_eq!(json.column("a"), texts(&["x", "y"]));
        let numbers = ["[1]", "2"].map(|json| Cell::Json(json.to_owned()));
        assert_eq!(json.column("b"), Some(numbers.to_vec()));
    }

    #[test]
    fn what_is_wrong_with_rows_is_told_with_its_line() {
        let csv = |text| Rows::from_csv(text).expect_err("wrong").to_string();
        assert_eq!(csv("id,name\n"), "there are no rows in it");
        assert_eq!(
            csv("id,name\n1,2\n3\n"),
            "line 3: it has 1 fields where the header has 2"
        );
        let json = |text| Rows::from_json_lines(text).expect_err("wrong").to_string();
        assert_eq!(json("\n"), "there are no rows in it");
        assert_eq!(
            json("{\"a\": 1}\n{\"b\": 1}"),
            "line 2: it has no `a`, which the first row has"
        );
        assert_eq!(
            json("[1]"),
            "line 1: it is no JSON object: invalid type: sequence, expected a map at line 1 column 0"
        );
    }
}
