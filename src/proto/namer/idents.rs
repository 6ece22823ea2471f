//! What prost and tonic make of a proto's names, word for word: whoever resolves collisions has to know
//! them before there is code.
//!
//! Pure: no I/O. A test compares it with what prost really writes.

use heck::{ToSnakeCase, ToUpperCamelCase};

/// Keywords that are written as raw identifiers.
const RAW: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static",
    "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];
/// Keywords that cannot be raw identifiers.
const UNESCAPABLE: &[&str] = &["Self", "crate", "extern", "self", "super"];

/// The name of a module, a field or a function. Empty where there is none: `_`.
pub fn snake(name: &str) -> String {
    sanitized(name.to_snake_case())
}

/// The name of a type or a variant. Empty where there is none: `_`.
pub fn camel(name: &str) -> String {
    sanitized(name.to_upper_camel_case())
}

/// The name of an enum's variant, without what it shares with the enum's.
pub fn variant(enum_name: &str, value: &str) -> String {
    let name = camel(value);
    match name.strip_prefix(enum_name) {
        Some(rest) if rest.starts_with(char::is_uppercase) => sanitized(rest.to_owned()),
        _ => sanitized(name),
    }
}

/// Snake case as tonic does it for the modules of a service: an underscore before every capital but
/// the first.
pub fn tonic_snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, one) in name.chars().enumerate() {
        if index > 0 && one.is_uppercase() {
            snake.push('_');
        }
        snake.push(one.to_ascii_lowercase());
    }
    snake
}

fn sanitized(name: String) -> String {
    if RAW.contains(&name.as_str()) {
        format!("r#{name}")
    } else if UNESCAPABLE.contains(&name.as_str()) {
        format!("{name}_")
    } else if name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_as_prost_and_tonic_fold_them() {
        for (name, expected_snake, expected_camel) in [
            ("HTTPServer", "http_server", "HttpServer"),
            ("foo__bar_", "foo_bar", "FooBar"),
            ("type", "r#type", "Type"),
            ("self", "self_", "Self_"),
            ("_1", "_1", "_1"),
            ("__", "", ""),
        ] {
            assert_eq!(snake(name), expected_snake);
            assert_eq!(camel(name), expected_camel);
        }
        assert_eq!(variant("Kind", "KIND_SELF"), "Self_");
        assert_eq!(variant("Kind", "KIND_1"), "Kind1");
        assert_eq!(variant("Kind", "KINDNESS"), "Kindness");
        assert_eq!(tonic_snake("HTTPServer"), "h_t_t_p_server");
    }
}
