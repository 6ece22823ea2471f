//! What can go wrong, and what a caller is told of it.

mod class;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};

/// What went wrong.
///
/// As a [`Status`] it says no more than a caller may know; the rest is logged then.
///
/// | error | code |
/// |---|---|
/// | [`NotFound`](Self::NotFound) | `NOT_FOUND` |
/// | [`Violated`](Self::Violated), of a unique key | `ALREADY_EXISTS` |
/// | [`Violated`](Self::Violated), of anything else | `FAILED_PRECONDITION` |
/// | [`Conflict`](Self::Conflict) | `ABORTED` |
/// | [`Unavailable`](Self::Unavailable) | `UNAVAILABLE` |
/// | [`Exhausted`](Self::Exhausted) | `RESOURCE_EXHAUSTED` |
/// | [`Timeout`](Self::Timeout) | `DEADLINE_EXCEEDED` |
/// | [`CommitUnknown`](Self::CommitUnknown) | `UNKNOWN` |
/// | others | `INTERNAL` |
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// The settings name no database that can be opened.
    Settings(String),
    /// The server has no database of the name in the settings; what it says.
    NoSuchDatabase(String),
    /// There is no row where one was wanted.
    NotFound,
    /// The statement breaks a rule of the tables.
    Violated {
        /// What kind of rule.
        rule: Violation,
        /// What the database says.
        source: Arc<sqlx::Error>,
    },
    /// The transaction collides with others. It may succeed when it is tried again.
    Conflict(Arc<sqlx::Error>),
    /// The database cannot be reached, or the connection was lost: nothing of the transaction holds.
    Unavailable(Arc<sqlx::Error>),
    /// All connections were in use, and none became free within `acquire_timeout`. To try again makes
    /// it worse: it is for the caller to come later, or for `max_connections` to be more.
    Exhausted {
        /// How many there are.
        connections: u32,
    },
    /// The connection was lost while the transaction was committed, or the database did not answer: it
    /// may hold or not.
    CommitUnknown(Arc<sqlx::Error>),
    /// The statement took longer than `statement_timeout`.
    Timeout(Duration),
    /// A statement of the transaction failed before: nothing of it holds, and nothing more can be done
    /// in it. So it is in PostgreSQL, and here in SQLite as well.
    Aborted,
    /// A migration failed. Those before it hold.
    Migration {
        /// As in `orders/0002_index`.
        name: String,
        /// Why.
        source: Box<Error>,
    },
    /// A migration is not what it was when it was applied to this database.
    Changed {
        /// As in `orders/0002_index`.
        name: String,
    },
    /// Anything else: a statement that is wrong, a column of another type.
    Query(Arc<sqlx::Error>),
}

/// What kind of rule a statement breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// There is a row with that key.
    Unique,
    /// There is no row that it refers to, or there are rows that refer to it.
    ForeignKey,
    /// A column that needs a value has none.
    NotNull,
    /// A check.
    Check,
}

impl Error {
    /// Whether the same may succeed when it is tried again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Unavailable(_))
    }

    /// Whether there is a row with that key.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Violated {
                rule: Violation::Unique,
                ..
            }
        )
    }

    /// Whether a statement failed, or what led to it: of all errors that caused `error`, the first of
    /// ours.
    pub(crate) fn cause_of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            // What a `Status` is made from is shared with it.
            if let Some(found) = error.downcast_ref::<Arc<Self>>() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }

    /// A name of low cardinality, for metrics and spans.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::NoSuchDatabase(_) => "no_such_database",
            Self::NotFound => "not_found",
            Self::Violated { .. } => "violation",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "unavailable",
            Self::Exhausted { .. } => "exhausted",
            Self::CommitUnknown(_) => "commit_unknown",
            Self::Timeout(_) => "timeout",
            Self::Aborted => "aborted",
            Self::Migration { .. } | Self::Changed { .. } => "migration",
            Self::Query(_) => "query",
        }
    }

    /// The database's own code: SQLSTATE of PostgreSQL, the extended result code of SQLite.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let error = match self {
            Self::Violated { source, .. }
            | Self::Conflict(source)
            | Self::Unavailable(source)
            | Self::CommitUnknown(source)
            | Self::Query(source) => source,
            Self::Migration { source, .. } => return source.code(),
            _ => return None,
        };
        let code = error.as_database_error()?.code()?;
        Some(code.into_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(problem) => f.write_str(problem),
            Self::NoSuchDatabase(reason) => {
                write!(f, "the database refuses the connection: {reason}")
            }
            Self::NotFound => f.write_str("there is no such row"),
            Self::Violated { rule, .. } => f.write_str(match rule {
                Violation::Unique => "there is a row with that key already",
                Violation::ForeignKey => {
                    "a row that is referred to is missing, or still referred to"
                }
                Violation::NotNull => "a column that needs a value has none",
                Violation::Check => "a value is not allowed by its table",
            }),
            Self::Conflict(_) => f.write_str("the transaction collides with others"),
            Self::Unavailable(_) => f.write_str("the database cannot be reached"),
            Self::Exhausted { connections } => write!(
                f,
                "none of the {connections} connections to the database became free in time"
            ),
            Self::CommitUnknown(_) => {
                f.write_str("there was no answer to the commit, which may hold or not")
            }
            Self::Timeout(limit) if limit.is_zero() => f.write_str("the statement was cancelled"),
            Self::Timeout(limit) => write!(f, "the statement took longer than {limit:?}"),
            Self::Aborted => f.write_str("a statement of the transaction failed before"),
            Self::Migration { name, .. } => write!(f, "migration `{name}` failed"),
            Self::Changed { name } => write!(
                f,
                "migration `{name}` is not what was applied to this database: add another one \
                 instead of changing it"
            ),
            Self::Query(_) => f.write_str("the statement failed"),
        }
    }
}

/// What `Display` prints, and the causes.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Violated { source, .. }
            | Self::Conflict(source)
            | Self::Unavailable(source)
            | Self::CommitUnknown(source)
            | Self::Query(source) => Some(&**source),
            Self::Migration { source, .. } => Some(&**source),
            Self::Settings(_)
            | Self::NoSuchDatabase(_)
            | Self::NotFound
            | Self::Exhausted { .. }
            | Self::Timeout(_)
            | Self::Aborted
            | Self::Changed { .. } => None,
        }
    }
}

/// So that a service that cannot open its database does not start, and says why.
impl From<Error> for chassis::Error {
    fn from(error: Error) -> Self {
        Self::part("database", error)
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let (code, message) = match &error {
            Error::NotFound => (Code::NotFound, "not found"),
            Error::Violated {
                rule: Violation::Unique,
                ..
            } => (Code::AlreadyExists, "already exists"),
            Error::Violated { .. } => (Code::FailedPrecondition, "a rule of the data is broken"),
            Error::Conflict(_) => (Code::Aborted, "collides with other changes"),
            Error::Unavailable(_) => (Code::Unavailable, "the database cannot be reached"),
            Error::Exhausted { .. } => (Code::ResourceExhausted, "the database is busy"),
            Error::CommitUnknown(_) => (Code::Unknown, "the outcome is not known"),
            Error::Timeout(_) => (Code::DeadlineExceeded, "the database took too long"),
            _ => (Code::Internal, "the database failed"),
        };
        let is_ours = !matches!(error, Error::NotFound | Error::Violated { .. });
        if is_ours {
            tracing::error!(error = ?error, "storage");
        }
        let mut status = Self::new(code, message);
        status.set_source(Arc::new(error));
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_little_and_keeps_its_cause() {
        let status = Status::from(Error::Query(Arc::new(sqlx::Error::Protocol(
            "secret".to_owned(),
        ))));
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, "the database failed")
        );
        let status = Status::from(Error::Conflict(Arc::new(sqlx::Error::PoolClosed)));
        let cause = Error::cause_of(&status).expect("it has a cause");
        assert!(cause.is_transient());
    }
}
