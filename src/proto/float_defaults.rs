//! Defaults of floating-point fields as protoc writes them into descriptors: `2e+08` and not `200000000`.
//!
//! The parser writes every digit. Descriptors are compared as text, and `breaking` compares defaults so, with
//! sets that protoc wrote. Pure: descriptors in, descriptors out.

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// The file with its defaults written anew; nothing where none of them changes.
pub fn as_protoc_writes_them(file: &FileDescriptorProto) -> Option<FileDescriptorProto> {
    // Most files have no default at all, and are not copied.
    let changes = file.extension.iter().any(changes) || file.message_type.iter().any(any_changes);
    changes.then(|| {
        let mut file = file.clone();
        file.extension.iter_mut().for_each(rewrite);
        file.message_type.iter_mut().for_each(rewrite_all);
        file
    })
}

fn any_changes(message: &DescriptorProto) -> bool {
    message.field.iter().any(changes)
        || message.extension.iter().any(changes)
        || message.nested_type.iter().any(any_changes)
}

fn changes(field: &FieldDescriptorProto) -> bool {
    written(field).is_some_and(|it| it != field.default_value())
}

fn rewrite_all(message: &mut DescriptorProto) {
    message.field.iter_mut().for_each(rewrite);
    message.extension.iter_mut().for_each(rewrite);
    message.nested_type.iter_mut().for_each(rewrite_all);
}

fn rewrite(field: &mut FieldDescriptorProto) {
    if let Some(text) = written(field) {
        field.default_value = Some(text);
    }
}

/// The default of a field of floating-point numbers.
fn written(field: &FieldDescriptorProto) -> Option<String> {
    let text = field.default_value.as_deref()?;
    match field.r#type() {
        Type::Double => text.parse().ok().map(double),
        Type::Float => text.parse().ok().map(float),
        _ => None,
    }
}

/// protobuf's `SimpleDtoa`: 15 digits where these are the same number, else 17.
fn double(value: f64) -> String {
    let short = general(value, 15);
    match short.parse() == Ok(value) {
        true => short,
        false => general(value, 17),
    }
}

/// protobuf's `SimpleFtoa`: 6 digits where these are the same number, else 9.
fn float(value: f32) -> String {
    let short = general(f64::from(value), 6);
    match short.parse() == Ok(value) {
        true => short,
        false => general(f64::from(value), 9),
    }
}

/// What C's `printf` makes of `%.{digits}g`.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let decimals = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    match usize::try_from(decimals) {
        Ok(decimals) if exponent >= -4 => without_zeros(&format!("{value:.decimals$}")).to_owned(),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            let exponent = exponent.unsigned_abs();
            format!("{}e{sign}{exponent:02}", without_zeros(mantissa))
        }
    }
}

fn without_zeros(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What protoc 3.21.12 writes.
    #[test]
    fn numbers_are_written_as_by_protoc() {
        let doubles = [
            ("70000000000000000000000", "7e+22"),
            ("0.1", "0.1"),
            ("-0.00001", "-1e-05"),
            ("0.0001", "0.0001"),
            ("123456789012345", "123456789012345"),
            ("1234567890123456", "1234567890123456"),
            ("100000000000000000", "1e+17"),
            ("0.30000000000000004", "0.30000000000000004"),
            ("-0", "-0"),
        ];
        for (text, expected) in doubles {
            assert_eq!(text.parse().map(double).as_deref(), Ok(expected));
        }
        let floats = [
            ("200000000", "2e+08"),
            ("-0.0000000000000000000000000008", "-8e-28"),
            ("1.5", "1.5"),
            ("16777215", "16777215"),
            ("3.4028235e38", "3.40282347e+38"),
            ("0.1234567891", "0.123456791"),
            ("1e40", "inf"),
            ("-inf", "-inf"),
            ("nan", "nan"),
        ];
        for (text, expected) in floats {
            assert_eq!(text.parse().map(float).as_deref(), Ok(expected));
        }
    }
}
