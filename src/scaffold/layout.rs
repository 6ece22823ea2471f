//! Lays out rendered Rust as rustfmt would, where the length of a name decides.
//!
//! Templates write imports in any order and every signature over several lines; here imports are
//! sorted and packed, and signatures that fit are joined. All else is laid out by the template
//! itself. Pure: text in, text out.

/// The widest line, rustfmt's default.
const MAX_WIDTH: usize = 100;
/// What rustfmt leaves free behind an import with a list on one line.
const LIST_MARGIN: usize = 2;

/// Lays out imports and signatures.
pub fn lay_out(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut imports: Vec<String> = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if is_import(line) {
            imports.push(statement(line, &mut lines));
            continue;
        }
        flush_imports(&mut imports, &mut text);
        if opens_signature(line) {
            text.push_str(&signature(line, &mut lines));
        } else if let Some((implemented, implementor)) = wide_impl(line) {
            text.push_str(&format!("{implemented}\n    for {implementor}\n{{"));
        } else {
            text.push_str(line);
        }
        text.push('\n');
    }
    flush_imports(&mut imports, &mut text);
    text
}

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("use ") || line.starts_with("pub use ")
}

/// A statement up to its semicolon, on one line.
fn statement<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut whole = first.to_owned();
    while !whole.ends_with(';') {
        let Some(next) = lines.next() else { break };
        whole.push(' ');
        whole.push_str(next.trim());
    }
    whole
}

/// Sorts and writes the imports gathered so far; they are one group, without a blank line between.
fn flush_imports(imports: &mut Vec<String>, text: &mut String) {
    let mut packed: Vec<String> = imports.drain(..).map(|import| pack(&import)).collect();
    // What is relative to this file comes first. A list sorts behind all names, as `{` does.
    packed.sort_by_key(|import| {
        let path = import.trim_start().trim_start_matches("pub ");
        let path = path
            .trim_start_matches("use ")
            .trim_end_matches(';')
            .to_owned();
        let relative = ["self::", "super::", "crate::"];
        let rank = relative.iter().position(|start| path.starts_with(start));
        (rank.unwrap_or(relative.len()), path)
    });
    for import in packed {
        text.push_str(&import);
        text.push('\n');
    }
}

/// An import with its names sorted, on as few lines as they need.
fn pack(import: &str) -> String {
    let Some((path, list)) = import.trim_end_matches([';', ' ', '}']).split_once('{') else {
        return import.to_owned();
    };
    let mut names: Vec<&str> = list.split(',').map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable_by_key(|name| (*name != "self", *name));
    if let [only] = names.as_slice() {
        return format!("{path}{only};");
    }
    let one_line = format!("{path}{{{}}};", names.join(", "));
    if one_line.len() + LIST_MARGIN <= MAX_WIDTH {
        return one_line;
    }
    let indent = " ".repeat(path.len() - path.trim_start().len() + 4);
    let mut packed = format!("{path}{{\n");
    let mut line = indent.clone();
    let count = names.len();
    for (place, name) in names.into_iter().enumerate() {
        // A comma, and a space where there is more to come, though it may come on the next line.
        let separator = if place + 1 == count { 1 } else { 2 };
        if line.len() > indent.len() && line.len() + name.len() + separator > MAX_WIDTH {
            packed.push_str(line.trim_end());
            packed.push('\n');
            line.clone_from(&indent);
        }
        line.push_str(name);
        line.push_str(", ");
    }
    packed.push_str(line.trim_end());
    packed.push('\n');
    packed.push_str(&indent[4..]);
    packed.push_str("};");
    packed
}

/// The two sides of an `impl … for …` at the top level that is too wide for a line.
fn wide_impl(line: &str) -> Option<(&str, &str)> {
    if line.len() <= MAX_WIDTH || !line.starts_with("impl ") {
        return None;
    }
    line.strip_suffix(" {")?.split_once(" for ")
}

/// Whether a line is the first of a signature written over several.
fn opens_signature(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    (line.starts_with("fn ") || line.starts_with("async fn ")) && line.ends_with('(')
}

/// The signature that starts here: on one line where it fits, else as it is.
fn signature<'a>(first: &str, lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut written = vec![first];
    for line in lines.by_ref() {
        written.push(line);
        if line.trim_start().starts_with(')') {
            break;
        }
    }
    let (last, parameters) = match written.split_last() {
        Some((last, rest)) => (*last, &rest[1..]),
        None => return first.to_owned(),
    };
    let joined: Vec<&str> = parameters.iter().map(|line| line.trim()).collect();
    let joined = joined.join(" ");
    let one_line = format!(
        "{first}{}{}",
        joined.trim_end_matches(','),
        last.trim_start()
    );
    if one_line.len() <= MAX_WIDTH {
        one_line
    } else {
        written.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_sorted_and_packed() {
        let source = "use b::{\n    Zed,\n    self,\n    Alpha,\n};\nuse a::x;\n\nuse c::{Only};\n";
        assert_eq!(
            lay_out(source),
            "use a::x;\nuse b::{self, Alpha, Zed};\n\nuse c::Only;\n"
        );
        let names: Vec<String> = (10..25).map(|n| format!("LongName{n}")).collect();
        let source = format!("use a::{{{}}};\n", names.join(", "));
        let expected = "use a::{\n    LongName10, LongName11, LongName12, LongName13, LongName14, LongName15, LongName16, LongName17,\n    LongName18, LongName19, LongName20, LongName21, LongName22, LongName23, LongName24,\n};\n";
        assert_eq!(lay_out(&source), expected);
    }

    #[test]
    fn signatures_are_joined_where_they_fit() {
        let short = "    pub fn a(\n        &self,\n        id: i64,\n    ) -> i64 {\n    }\n";
        assert_eq!(
            lay_out(short),
            "    pub fn a(&self, id: i64) -> i64 {\n    }\n"
        );
        let name = "n".repeat(80);
        let long = format!("fn {name}(\n    &self,\n    id: i64,\n) -> i64 {{\n}}\n");
        assert_eq!(lay_out(&long), long);
    }
}
