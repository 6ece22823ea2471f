//! What a statement returns.

use std::time::SystemTime;

use sqlx::{Row as _, ValueRef};

use crate::Error;
use crate::value;

/// A row.
#[derive(Debug)]
pub struct Row(pub(crate) Inner);

pub(crate) enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::sqlite::SqliteRow),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::postgres::PgRow),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its values may be anybody's.
        f.write_str("…")
    }
}

impl Row {
    /// The value of `column`: its name, or its place from 0.
    ///
    /// # Errors
    /// When there is no such column, it is of another type, or it is null and `T` is no `Option`.
    pub fn get<T: FromValue>(&self, column: impl Column) -> Result<T, Error> {
        Ok(T::from_row(self, column.place(self)?)?)
    }
}

/// Names a column: a `&str`, or its place.
pub trait Column {
    /// Its place from 0.
    ///
    /// # Errors
    /// When there is no such column.
    fn place(self, row: &Row) -> Result<usize, Error>;
}

impl Column for usize {
    fn place(self, _: &Row) -> Result<usize, Error> {
        Ok(self)
    }
}

impl Column for &str {
    fn place(self, row: &Row) -> Result<usize, Error> {
        let found = match &row.0 {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(row) => row.try_column(self).map(sqlx::Column::ordinal),
            #[cfg(feature = "postgres")]
            Inner::Postgres(row) => row.try_column(self).map(sqlx::Column::ordinal),
        };
        Ok(found?)
    }
}

/// A value of a column. Types of your own are made from one of these.
pub trait FromValue: Sized {
    /// The value at `place`.
    ///
    /// # Errors
    /// When it is of another type.
    fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error>;
}

/// What both databases can read.
macro_rules! value {
    ($($type:ty)*) => {$(
        impl FromValue for $type {
            fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error> {
                match &row.0 {
                    #[cfg(feature = "sqlite")]
                    Inner::Sqlite(row) => row.try_get(place),
                    #[cfg(feature = "postgres")]
                    Inner::Postgres(row) => row.try_get(place),
                }
            }
        }

        impl FromRow for $type {
            fn from_row(row: &Row) -> Result<Self, Error> {
                row.get(0)
            }
        }
    )*};
}

value! { bool f64 String Vec<u8> }

impl FromValue for i64 {
    fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error> {
        match &row.0 {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(row) => row.try_get(place),
            // Whole numbers of all sizes, as SQLite reads them.
            #[cfg(feature = "postgres")]
            Inner::Postgres(row) => {
                match sqlx::TypeInfo::name(&*row.try_get_raw(place)?.type_info()) {
                    "INT4" => row.try_get::<i32, _>(place).map(Into::into),
                    "INT2" => row.try_get::<i16, _>(place).map(Into::into),
                    _ => row.try_get(place),
                }
            }
        }
    }
}

/// What is made of a number, which may be out of range.
macro_rules! number {
    ($($type:ty)*) => {$(
        impl FromValue for $type {
            fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error> {
                let number = <i64 as FromValue>::from_row(row, place)?;
                number.try_into().map_err(|error| sqlx::Error::ColumnDecode {
                    index: place.to_string(),
                    source: Box::new(error),
                })
            }
        }
    )*};
}

number! { i16 i32 u8 u16 u32 u64 usize }

impl FromValue for SystemTime {
    fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error> {
        <i64 as FromValue>::from_row(row, place).map(value::time)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_row(row: &Row, place: usize) -> Result<Self, sqlx::Error> {
        let is_null = match &row.0 {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(row) => row.try_get_raw(place)?.is_null(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(row) => row.try_get_raw(place)?.is_null(),
        };
        match is_null {
            true => Ok(None),
            false => T::from_row(row, place).map(Some),
        }
    }
}

/// What is made of a row: implement it for what your tables hold. A single column, and a tuple of
/// up to four, are rows already.
pub trait FromRow: Sized {
    /// Reads a row.
    ///
    /// # Errors
    /// Those of [`Row::get`].
    fn from_row(row: &Row) -> Result<Self, Error>;
}

macro_rules! row {
    ($($type:ty)*) => {$(
        impl FromRow for $type {
            fn from_row(row: &Row) -> Result<Self, Error> {
                row.get(0)
            }
        }
    )*};
}

row! { i16 i32 i64 u8 u16 u32 u64 usize SystemTime }

impl<T: FromValue> FromRow for Option<T> {
    fn from_row(row: &Row) -> Result<Self, Error> {
        row.get(0)
    }
}

macro_rules! tuple {
    ($(($($type:ident $place:tt),*))*) => {$(
        impl<$($type: FromValue),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row) -> Result<Self, Error> {
                Ok(($(row.get::<$type>($place)?,)*))
            }
        }
    )*};
}

tuple! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }
