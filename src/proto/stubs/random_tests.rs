//! Whatever stands in a file: what is inserted can be taken out again, and the file is as before.

use super::tests::{method, service};
use super::*;
use crate::proto::model::Service;

/// Numbers that look random and are the same every time (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits") % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// What may stand between items, with all that a search for braces would stumble over.
const BETWEEN: &[&str] = &[
    "",
    "\n",
    "// } a brace\n",
    "/* impl UserService for Nobody { /* } */ */\n",
    "const TEXT: &str = \"impl UserService for X {}\";\n",
    "const RAW: &str = r#\"}\"}\"#;\n",
    "const ONE: char = '}';\n",
    "fn ähnlich() -> [u8; { 1 + 1 }] { [b'{'; 2] }\n",
    "impl Clone for UserApi { fn clone(&self) -> Self { todo!() } }\n",
    "macro_rules! block { ($($t:tt)*) => { $($t)* } }\n",
];
/// How a block may be laid out: its beginning, what stands before each function, its end.
const LAYOUTS: &[[&str; 3]] = &[
    [" {\n", "    ", "}\n"],
    [" {", " ", " }\n"],
    ["\n{\n", "\t", "\n\n}"],
    [" { // {\n", "  #[doc = \"}\"]\n  ", "/* } */ }\n"],
];

fn source(random: &mut Random, services: &[Service]) -> (String, Vec<String>) {
    let mut missing = Vec::new();
    let mut text = String::from(random.one(&["", "\u{feff}", "#!/usr/bin/env rust\n"]));
    text.push_str("use tonic::{Request, Response, Status};\n");
    for (number, service) in services.iter().enumerate() {
        text.push_str(random.one(BETWEEN));
        let name = format!("{}::{}", service.server_module(), service.rust_name);
        let is_nested = random.flip();
        if is_nested {
            text.push_str(&format!("pub mod inner{number} {{\n"));
        }
        let [begin, before, end] = LAYOUTS[random.below(LAYOUTS.len())];
        text.push_str(&format!("impl<R: Repository> {name} for UserApi<R>{begin}"));
        for method in &service.methods {
            let full = format!("{}/{}", service.full_name, method.proto_name);
            if random.flip() {
                missing.push(full);
                continue;
            }
            let stream = method.stream_type();
            if method.server_streaming {
                text.push_str(&format!(
                    "{before}type {stream} = Pin<Box<Answers<'static>>>;\n"
                ));
            }
            let function = &method.rust_name;
            let body = random.one(&["", "\"}\"; ", "if true { } ", "// }\n"]);
            text.push_str(&format!(
                "{before}async fn {function}(&self, request: Asked) -> Answered {{ {body}todo!() }}\n"
            ));
        }
        text.push_str(end);
        if is_nested {
            text.push_str("\n}\n");
        }
    }
    text.push_str(random.one(BETWEEN));
    if random.flip() {
        text = text.replace('\n', "\r\n");
    }
    (text, missing)
}

#[test]
fn what_is_inserted_at_random_can_be_taken_out_again() {
    let mut random = Random(7);
    let mut inserted = 0;
    for round in 0..400 {
        let services: Vec<Service> = (0..=random.below(3))
            .map(|number| {
                let names = ["Get", "Pong", "WatchAll", "SendEverything"];
                let methods = names[..=random.below(names.len())].iter().map(|name| {
                    let streaming = (random.flip(), random.flip());
                    method(name, streaming)
                });
                let mut service = service(methods.collect());
                service.full_name = format!("user.v{number}.UserService");
                service.module[1] = format!("v{number}");
                service
            })
            .collect();
        let (source, mut missing) = source(&mut random, &services);
        let stubs = examine(&source, &services).unwrap_or_else(|error| panic!("{error}: {source}"));
        let mut added = stubs.added.clone();
        added.sort();
        missing.sort();
        assert_eq!(added, missing, "round {round}: {source}");
        assert_eq!(
            stubs.implements.len(),
            services.len(),
            "round {round}: {source}"
        );
        let changed = insert(&source, &stubs.insertions);
        // From the end, so that places before stay where they are.
        let mut taken_out = changed.clone();
        let mut moved: usize = stubs.insertions.iter().map(|it| it.text.len()).sum();
        for insertion in stubs.insertions.iter().rev() {
            moved -= insertion.text.len();
            let start = insertion.offset + moved;
            taken_out.replace_range(start..start + insertion.text.len(), "");
        }
        assert_eq!(taken_out, source, "round {round}");
        let again =
            examine(&changed, &services).unwrap_or_else(|error| panic!("{error}: {changed}"));
        assert_eq!(again.insertions, [], "round {round}: {changed}");
        assert_eq!(again.mismatches, [], "round {round}: {changed}");
        inserted += stubs.insertions.len();
    }
    assert!(inserted > 400, "{inserted}");
}
