//! What the templates lay out, against rustfmt itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use msvc::manifest::RegistryKind;
use msvc::proto::model::{Method, RustType, Service};
use msvc::scaffold::layout;
use msvc::scaffold::names::ServiceName;
use msvc::scaffold::plan::{Change, Plan};
use msvc::scaffold::service::{self, NewService};

fn rustfmt(source: &str) -> String {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt is installed");
    let mut stdin = rustfmt.stdin.take().expect("piped");
    let text = source.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = rustfmt.wait_with_output().expect("rustfmt ends");
    writer.join().expect("no panic").expect("written");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// Compares line by line, since the whole is long.
fn assert_same(ours: &str, rustfmts: &str) {
    let pairs = ours.trim_end().lines().zip(rustfmts.trim_end().lines());
    for (number, (ours, rustfmts)) in pairs.enumerate() {
        assert_eq!(ours, rustfmts, "line {}", number + 1);
    }
    assert_eq!(ours.trim_end().len(), rustfmts.trim_end().len());
}

#[test]
fn imports_of_every_length_are_laid_out_as_rustfmt_does_it() {
    let mut source = String::new();
    for width in 1..60 {
        let name = |initial: char| initial.to_string() + &"x".repeat(width);
        let (a, b, c) = (name('A'), name('B'), name('C'));
        write!(
            source,
            "mod m{width} {{\n    use super::x;\n    use aa::bb::{{{c}, {a}}};\n    \
             use aa::{a};\n    use self::y;\n    use zz::{{{b}, {c}, {a}, Short, self}};\n}}\n\n"
        )
        .expect("writing to a string");
    }
    assert_same(&layout::lay_out(&source), &rustfmt(&source));
}

#[test]
fn signatures_of_every_length_are_laid_out_as_rustfmt_does_it() {
    let mut source = String::new();
    for width in 1..80 {
        let name = "x".repeat(width);
        write!(
            source,
            "trait T{width} {{\n    fn {name}(\n        &self,\n        id: i64,\n    \
             ) -> Result<(), Error> {{\n        a()\n    }}\n}}\n\n"
        )
        .expect("writing to a string");
    }
    assert_same(&layout::lay_out(&source), &rustfmt(&source));
}

/// A service in a package, both with names of this width.
fn a_service(width: usize, number: usize) -> Service {
    let name = format!("S{}{number}Service", "x".repeat(width));
    let package = format!("p{}{number}", "x".repeat(width / 2));
    let message = |kind: &str| RustType(format!("protocol::{package}::{name}{kind}"));
    Service {
        full_name: format!("{package}.{name}"),
        proto_name: name.clone(),
        rust_name: name.clone(),
        module: vec![package.clone()],
        methods: vec![Method {
            proto_name: "Do".to_owned(),
            rust_name: "r#do".to_owned(),
            input: message("Request"),
            output: message("Response"),
            client_streaming: false,
            server_streaming: false,
            comments: Vec::new(),
        }],
        comments: Vec::new(),
    }
}

#[test]
fn crates_with_names_of_every_length_are_laid_out_as_rustfmt_does_it() {
    let name = ServiceName::parse("some-service").expect("valid");
    let folder = tempfile::tempdir().expect("a folder");
    let mut roots = Vec::new();
    // Services whose names have more than 70 characters are left to `cargo fmt`.
    for (width, count) in (1..58).flat_map(|width| [(width, 1), (width, 3)]) {
        let serves: Vec<Service> = (0..count).map(|number| a_service(width, number)).collect();
        let new = NewService {
            name: &name,
            serves: &serves,
            starter: None,
            port: 50051,
            admin_port: 51051,
            registry: RegistryKind::Consul,
        };
        let mut plan = Plan::default();
        service::plan(&new, &mut plan).expect("renders");
        for (path, change) in plan.changes().filter(|(path, _)| path.ends_with(".rs")) {
            let Change::Create(text) = change else {
                panic!("{path} is not new");
            };
            let path = folder.path().join(format!("{width}-{count}")).join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("writable");
            std::fs::write(&path, &**text).expect("writable");
            // It finds the modules of a crate by itself.
            if ["lib.rs", "main.rs", "api.rs"]
                .iter()
                .any(|root| path.ends_with(root))
            {
                roots.push(path);
            }
        }
    }
    let output = Command::new("rustfmt")
        .args(["--edition", "2024", "--check"])
        .args(&roots)
        .output()
        .expect("rustfmt is installed");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
