//! From what a database says to what it means.

use std::sync::Arc;
use std::time::Duration;

use sqlx::error::ErrorKind;

use super::{Error, Violation};

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let reported = match &error {
            E::RowNotFound => return Self::NotFound,
            E::Io(_) | E::Tls(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
                return Self::Unavailable(Arc::new(error));
            }
            E::Database(reported) => reported,
            _ => return Self::Query(Arc::new(error)),
        };
        let rule = match reported.kind() {
            ErrorKind::UniqueViolation => Some(Violation::Unique),
            ErrorKind::ForeignKeyViolation => Some(Violation::ForeignKey),
            ErrorKind::NotNullViolation => Some(Violation::NotNull),
            ErrorKind::CheckViolation => Some(Violation::Check),
            _ => None,
        };
        let class = class(reported.code().as_deref().unwrap_or_default());
        let source = Arc::new(error);
        if let Some(rule) = rule {
            return Self::Violated { rule, source };
        }
        match class {
            Class::Conflict => Self::Conflict(source),
            Class::Unavailable => Self::Unavailable(source),
            Class::Cancelled => Self::Timeout(Duration::ZERO),
            Class::Refused => Self::Settings(format!(
                "the database refuses the connection: {}",
                reason(&source)
            )),
            Class::Missing => Self::NoSuchDatabase(reason(&source)),
            Class::Other => Self::Query(source),
        }
    }
}

/// What the database says.
fn reason(error: &sqlx::Error) -> String {
    let reason = error
        .as_database_error()
        .map(sqlx::error::DatabaseError::message);
    reason.unwrap_or_default().to_owned()
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Conflict,
    Unavailable,
    Cancelled,
    /// The connection, whatever is asked.
    Refused,
    /// There is no database to connect to.
    Missing,
    Other,
}

/// PostgreSQL's codes have five characters (its documentation, appendix A); SQLite's are numbers of
/// which the last eight bits are the kind (<https://www.sqlite.org/rescode.html>).
fn class(code: &str) -> Class {
    if code.len() == 5 {
        return match code {
            // serialization_failure, deadlock_detected, lock_not_available.
            "40001" | "40P01" | "55P03" => Class::Conflict,
            // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections.
            "57P01" | "57P02" | "57P03" | "53300" => Class::Unavailable,
            // query_canceled
            "57014" => Class::Cancelled,
            // read_only_sql_transaction: a server that is no longer the primary.
            "25006" => Class::Unavailable,
            // invalid_catalog_name: there is no such database.
            "3D000" => Class::Missing,
            code if code.starts_with("08") => Class::Unavailable,
            // Invalid authorization specification.
            code if code.starts_with("28") => Class::Refused,
            _ => Class::Other,
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED
        Ok(5 | 6) => Class::Conflict,
        // SQLITE_CANTOPEN
        Ok(14) => Class::Unavailable,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_told_apart() {
        for (code, expected) in [
            ("40001", Class::Conflict),
            ("40P01", Class::Conflict),
            ("57P01", Class::Unavailable),
            ("08006", Class::Unavailable),
            ("57014", Class::Cancelled),
            ("28P01", Class::Refused),
            ("3D000", Class::Missing),
            ("42P01", Class::Other),
            // SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT, SQLITE_LOCKED_SHAREDCACHE
            ("5", Class::Conflict),
            ("517", Class::Conflict),
            ("262", Class::Conflict),
            ("14", Class::Unavailable),
            ("1", Class::Other),
            ("", Class::Other),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }
}
