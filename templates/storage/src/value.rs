//! What is bound to a statement's placeholders.

use std::time::{SystemTime, UNIX_EPOCH};

/// A value, of the types that both databases have.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value, of a type: PostgreSQL wants to know which.
    Null(Kind),
    /// `BOOLEAN`
    Bool(bool),
    /// `BIGINT`
    Int(i64),
    /// `DOUBLE PRECISION`
    Double(f64),
    /// `TEXT`
    Text(String),
    /// `BYTEA`
    Bytes(Vec<u8>),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `BOOLEAN`
    Bool,
    /// `BIGINT`
    Int,
    /// `DOUBLE PRECISION`
    Double,
    /// `TEXT`
    Text,
    /// `BYTEA`
    Bytes,
}

/// What can be bound: implement it for types of your own, such as ids.
///
/// ```
/// use storage::{Bind, Kind, Value};
///
/// struct OrderId(String);
///
/// impl Bind for &OrderId {
///     const KIND: Kind = Kind::Text;
///
///     fn into_value(self) -> Value {
///         Value::Text(self.0.clone())
///     }
/// }
/// ```
pub trait Bind {
    /// The type, also of `None`.
    const KIND: Kind;

    /// The value.
    fn into_value(self) -> Value;
}

macro_rules! bind {
    ($($type:ty => $kind:ident, $self:ident => $value:expr;)*) => {$(
        impl Bind for $type {
            const KIND: Kind = Kind::$kind;

            fn into_value($self) -> Value {
                Value::$kind($value)
            }
        }
    )*};
}

bind! {
    bool => Bool, self => self;
    i16 => Int, self => self.into();
    i32 => Int, self => self.into();
    i64 => Int, self => self;
    u8 => Int, self => self.into();
    u16 => Int, self => self.into();
    u32 => Int, self => self.into();
    f64 => Double, self => self;
    &str => Text, self => self.to_owned();
    String => Text, self => self;
    &String => Text, self => self.clone();
    &[u8] => Bytes, self => self.to_vec();
    Vec<u8> => Bytes, self => self;
    &Vec<u8> => Bytes, self => self.clone();
    SystemTime => Int, self => microseconds(self);
}

impl<T: Bind> Bind for Option<T> {
    const KIND: Kind = T::KIND;

    fn into_value(self) -> Value {
        self.map_or(Value::Null(T::KIND), T::into_value)
    }
}

impl Bind for Value {
    /// Of no use: a `Value` knows its own type. `Option<Value>` is best not used.
    const KIND: Kind = Kind::Text;

    fn into_value(self) -> Value {
        self
    }
}

/// Microseconds since 1970, negative before; the last one there is for times beyond.
fn microseconds(time: SystemTime) -> i64 {
    let clamp = |it: u128| i64::try_from(it).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => clamp(after.as_micros()),
        Err(before) => -clamp(before.duration().as_micros()),
    }
}

/// The time that is so many microseconds since 1970.
pub(crate) fn time(microseconds: i64) -> SystemTime {
    let distance = std::time::Duration::from_micros(microseconds.unsigned_abs());
    match microseconds < 0 {
        true => UNIX_EPOCH - distance,
        false => UNIX_EPOCH + distance,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_kept_to_the_microsecond_before_and_after_1970() {
        for at in [
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456),
            UNIX_EPOCH - Duration::from_micros(5),
        ] {
            assert_eq!(time(microseconds(at)), at);
        }
    }

    #[test]
    fn nothing_has_a_type() {
        assert_eq!(None::<&str>.into_value(), Value::Null(Kind::Text));
        assert_eq!(Some(7_u32).into_value(), Value::Int(7));
    }
}
