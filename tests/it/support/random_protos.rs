//! Protos with the names that are hardest to tell apart in Rust, comments and defaults that mean something
//! else there, at random, but the same every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Parts of packages.
const PACKAGES: &[&str] = &[
    "a",
    "A",
    "a_b",
    "aB",
    "foo",
    "Foo",
    "FOO",
    "type",
    "self",
    "i32",
    "user_client",
    "user",
    "mod",
    "_1",
    "inner",
    "str",
];
/// Names of all else.
const NAMES: &[&str] = &[
    "a",
    "A",
    "_",
    "__",
    "a_b",
    "aB",
    "AB",
    "A_B",
    "foo",
    "Foo",
    "FOO",
    "FooBar",
    "Foo_bar",
    "type",
    "Type",
    "self",
    "Self",
    "super",
    "crate",
    "gen",
    "match",
    "set_a",
    "get_a",
    "push_a",
    "insert_a",
    "set_foo",
    "get_foo",
    "get_type",
    "Inner",
    "inner",
    "String",
    "Option",
    "Some",
    "None",
    "Ok",
    "Err",
    "Vec",
    "Box",
    "i32",
    "I32",
    "str",
    "Str",
    "bool",
    "User",
    "user",
    "UserClient",
    "user_client",
    "UserServer",
    "_1",
    "a1",
    "a_1",
    "A1",
    "T",
    "Arc",
    "Body",
    "Clone",
    "Default",
    "ScalarWrapper",
    "KeyWrapper",
    "FooMessage",
    "foo_message",
    "AEnum",
    "a_field",
    "foo_oneof",
    "FooOneOf",
    "UserService",
    "Kind",
    "KIND_A",
    "KindA",
    "KIND_SELF",
];

/// The words that Rust keeps for itself, of all editions, and what stands for something in its scope.
const KEYWORDS: &[&str] = &[
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "macro_rules",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "raw",
    "ref",
    "return",
    "safe",
    "static",
    "struct",
    "trait",
    "true",
    "try",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "Result",
    "Send",
    "Sync",
    "Self_",
    "core",
    "std",
    "alloc",
    "prost",
    "tonic",
    "http",
    "main",
    "test",
    "derive",
    "usize",
    "f64",
    "char",
];
/// What may stand in comments, and means something else in Rust's or in Markdown.
const COMMENTS: &[&str] = &[
    "// ```",
    "// ```rust\n// compile_error!();",
    "//     indented(as: code);",
    "/* a * b / c\n * ends } */",
    "/** \"doc\" \\ */",
    "//! #![no_std]",
    "// [link], [`code`], [a](b c) and <b>no HTML",
    "// # Heading\n// - list\n// no",
    "// \u{65e5}\u{672c}\u{8a9e} \u{1f980} \u{202e}",
    "// /* not closed",
    "// https://example.com/a_b?c=<d>",
    "//\ttab\r",
    "//",
];
/// The types that keys of maps may have.
const KEYS: &[&str] = &["string", "int32", "uint64", "sfixed32", "bool"];
/// Types without a definition, each with a default.
const SCALARS: &[(&str, &str)] = &[
    ("string", r#""\"quoted\" \\ {} \n""#),
    ("int32", "-2147483648"),
    ("bytes", r#""\000\377\x7f'""#),
    ("double", "-1.5e300"),
    ("float", "inf"),
    ("uint64", "18446744073709551615"),
    ("bool", "true"),
    ("sint64", "-9223372036854775808"),
];

/// Numbers by a linear congruential generator: nothing else has to be random about them.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let (factor, summand) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(factor).wrapping_add(summand);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Makes files that compile together; each may use the types of those before it.
#[derive(Debug)]
pub struct Protos {
    random: Random,
    /// The full names that are given away.
    taken: BTreeSet<String>,
    messages: Vec<String>,
    enums: Vec<String>,
    open_enums: Vec<String>,
    text: String,
    is_proto3: bool,
}

/// So many files at random, by their names, in packages below the given one or below none.
pub fn random_protos(seed: u64, files: usize, above: &str) -> BTreeMap<String, String> {
    let mut protos = Protos {
        random: Random(seed),
        taken: BTreeSet::new(),
        messages: Vec::new(),
        enums: Vec::new(),
        open_enums: Vec::new(),
        text: String::new(),
        is_proto3: true,
    };
    let packages: Vec<String> = (0..files).map(|_| protos.package(above)).collect();
    for package in &packages {
        let ends = package.match_indices('.').map(|(at, _)| at);
        let prefixes = ends
            .chain([package.len()])
            .map(|end| package[..end].to_owned());
        protos.taken.extend(prefixes);
    }
    let files = packages.iter().enumerate().map(|(index, package)| {
        let text = protos.file(index, package, above);
        (file_name(above, index), text)
    });
    files.collect()
}

fn file_name(above: &str, index: usize) -> String {
    format!("f{above}{index}.proto")
}

fn join(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

/// The message that stands for the entries of a map.
fn entry_name(field: &str) -> String {
    let parts = field.split('_').map(|part| match part.chars().next() {
        Some(initial) => format!("{}{}", initial.to_uppercase(), &part[1..]),
        None => String::new(),
    });
    parts.collect::<String>() + "Entry"
}

impl Protos {
    fn package(&mut self, above: &str) -> String {
        let parts = self.random.below(4);
        let parts = (0..parts).map(|_| self.random.pick(PACKAGES));
        parts.fold(above.to_owned(), |package, part| join(&package, part))
    }

    /// A name that is free in a scope.
    fn name(&mut self, scope: &str) -> String {
        loop {
            let names = match self.random.below(5) {
                0 => KEYWORDS,
                _ => NAMES,
            };
            let mut name = self.random.pick(names).to_owned();
            if self.random.below(3) == 0 {
                name.push_str(self.random.pick(&["2", "_A", "Client", "s", "_"]));
            }
            if self.taken.insert(join(scope, &name)) {
                return name;
            }
        }
    }

    fn file(&mut self, index: usize, package: &str, above: &str) -> String {
        self.is_proto3 = self.random.below(3) > 0;
        self.text = format!(
            "syntax = \"proto{}\";\n",
            if self.is_proto3 { 3 } else { 2 }
        );
        if !package.is_empty() {
            self.line(&format!("package {package};"));
        }
        for other in 0..index {
            self.line(&format!("import \"{}\";", file_name(above, other)));
        }
        for _ in 0..1 + self.random.below(2) {
            self.enumeration(package);
        }
        for _ in 0..2 + self.random.below(5) {
            self.message(package, 0);
        }
        for _ in 0..self.random.below(3) {
            self.service(package);
        }
        std::mem::take(&mut self.text)
    }

    fn line(&mut self, text: &str) {
        writeln!(self.text, "{text}").expect("writing to a string");
    }

    fn comment(&mut self) {
        if self.random.below(4) == 0 {
            let comment = self.random.pick(COMMENTS);
            self.line(comment);
        }
    }

    fn enumeration(&mut self, scope: &str) {
        self.comment();
        let name = self.name(scope);
        self.line(&format!("enum {name} {{"));
        for number in 0..1 + self.random.below(6) {
            // Values stand beside their enum.
            let value = self.name(scope);
            self.comment();
            let deprecated = self.random.pick(&["", "", " [deprecated = true]"]);
            self.line(&format!("{value} = {number}{deprecated};"));
        }
        self.line("}");
        if self.is_proto3 {
            self.open_enums.push(join(scope, &name));
        }
        self.enums.push(join(scope, &name));
    }

    fn message(&mut self, scope: &str, depth: usize) {
        let name = self.name(scope);
        let full = join(scope, &name);
        self.comment();
        self.line(&format!("message {name} {{"));
        if self.random.below(6) == 0 {
            self.line("option deprecated = true;");
        }
        self.messages.push(full.clone());
        for _ in 0..self.random.below(4) {
            match self.random.below(3) {
                0 => self.enumeration(&full),
                _ if depth < 2 => self.message(&full, depth + 1),
                _ => {}
            }
        }
        let mut in_json = BTreeSet::new();
        let mut number = 0;
        for _ in 0..self.random.below(8) {
            number += 1;
            self.field(&full, number, &mut in_json);
        }
        for _ in 0..self.random.below(3) {
            let oneof = self.name(&full);
            self.comment();
            self.line(&format!("oneof {oneof} {{"));
            for _ in 0..1 + self.random.below(3) {
                number += 1;
                let name = self.field_name(&full, &mut in_json);
                let kind = self.kind();
                self.line(&format!("{kind} {name} = {number};"));
            }
            self.line("}");
        }
        self.line("}");
    }

    /// A name that is not another's in JSON, which compilers refuse.
    fn field_name(&mut self, scope: &str, in_json: &mut BTreeSet<String>) -> String {
        loop {
            let name = self.name(scope);
            if in_json.insert(name.replace('_', "").to_lowercase()) {
                return name;
            }
        }
    }

    fn kind(&mut self) -> String {
        // Files of proto3 may not use the enums of proto2.
        let enums = match self.is_proto3 {
            true => &self.open_enums,
            false => &self.enums,
        };
        let types = match self.random.below(5) {
            0 | 1 if !enums.is_empty() => enums,
            2 => &self.messages,
            _ => return self.random.pick(SCALARS).0.to_owned(),
        };
        let limit = types.len();
        let index = self.random.below(limit);
        format!(".{}", types[index])
    }

    fn field(&mut self, scope: &str, number: usize, in_json: &mut BTreeSet<String>) {
        let kind = self.kind();
        let is_map = self.random.below(5) == 0;
        let name = self.field_name(scope, in_json);
        self.comment();
        if is_map && self.taken.insert(join(scope, &entry_name(&name))) {
            let key = self.random.pick(KEYS);
            self.line(&format!("map<{key}, {kind}> {name} = {number};"));
            return;
        }
        let label = match self.is_proto3 {
            true => self.random.pick(&["", "optional ", "repeated "]),
            false => self
                .random
                .pick(&["optional ", "optional ", "repeated ", "required "]),
        };
        let mut options = Vec::new();
        if self.random.below(6) == 0 {
            options.push("deprecated = true".to_owned());
        }
        let default = SCALARS.iter().find(|(scalar, _)| *scalar == kind);
        if let Some((_, default)) = default.filter(|_| !self.is_proto3 && label != "repeated ") {
            options.push(format!("default = {default}"));
        }
        let options = match options.as_slice() {
            [] => String::new(),
            options => format!(" [{}]", options.join(", ")),
        };
        self.line(&format!("{label}{kind} {name} = {number}{options};"));
    }

    fn service(&mut self, scope: &str) {
        let name = self.name(scope);
        let full = join(scope, &name);
        self.comment();
        self.line(&format!("service {name} {{"));
        for _ in 0..self.random.below(6) {
            let method = self.name(&full);
            let mut side = || {
                let stream = self.random.pick(&["", "stream "]);
                let index = self.random.below(self.messages.len());
                format!("{stream}.{}", self.messages[index])
            };
            let (input, output) = (side(), side());
            self.comment();
            self.line(&format!("rpc {method}({input}) returns ({output});"));
        }
        self.line("}");
    }
}
