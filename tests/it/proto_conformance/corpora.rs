//! Where the protos are: PyPI's packages, Debian's, and the sources of protobuf (`.ci/protobuf`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Protos of one origin.
pub struct Corpus {
    pub name: &'static str,
    /// What imports are relative to.
    pub root: PathBuf,
    /// Another folder that they import from.
    pub import_from: Option<PathBuf>,
    /// What is compiled, by the names that imports use.
    pub files: Vec<String>,
    /// Those whose descriptors differ, each for a reason that docs/proto-conformance.md has.
    pub differ: &'static [&'static str],
    /// How many messages are made of the types with a prefix.
    pub messages: &'static [(&'static str, usize)],
}

impl Corpus {
    fn new(name: &'static str, root: &Path, below: &str, left_out: &[&str]) -> Self {
        let mut files = Vec::new();
        collect(root, &root.join(below), &mut files);
        files.retain(|it| !left_out.iter().any(|start| it.starts_with(start)));
        files.sort();
        Self {
            name,
            root: root.to_owned(),
            import_from: None,
            files,
            differ: &[],
            messages: &[],
        }
    }

    /// All folders that imports are relative to.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        [self.root.as_path()]
            .into_iter()
            .chain(self.import_from.as_deref())
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|it| it == "proto") {
            let name = path.strip_prefix(root).expect("below");
            files.push(name.to_str().expect("UTF-8").to_owned());
        }
    }
}

/// All of them, or what is missing here.
pub fn corpora() -> Result<Vec<Corpus>, String> {
    let packages = site_packages()?;
    let Some(sources) = std::env::var_os("PROTOBUF_SOURCE").map(PathBuf::from) else {
        return Err("PROTOBUF_SOURCE names no sources of protobuf (`.ci/protobuf DIR`)".to_owned());
    };
    let debian = Path::new("/usr/include");
    if !debian.join("google/protobuf/any.proto").is_file() {
        return Err("there are no protos of Debian's libprotobuf-dev".to_owned());
    }
    let unit_tests = sources.join("src");
    Ok(vec![
        Corpus {
            messages: &[("google.", 300)],
            ..Corpus::new("googleapis-common-protos", &packages, "google", &[])
        },
        Corpus::new(
            "grpcio-tools",
            &packages.join("grpc_tools/_proto"),
            "google",
            &[],
        ),
        Corpus::new("libprotobuf-dev", debian, "google/protobuf", &[]),
        Corpus {
            messages: &[
                ("protobuf_test_messages.proto3.", 150),
                ("protobuf_test_messages.proto2.", 150),
                ("proto3.", 150),
                ("proto_util_converter.testing.", 300),
            ],
            // Fields that are one in JSON, of which protoc only warns.
            differ: &["google/protobuf/util/internal/testdata/books.proto"],
            // Ruby's define each other's names, and import from another folder.
            ..Corpus::new(
                "protobuf's unit tests",
                &unit_tests,
                "google",
                &["google/protobuf/compiler/ruby/"],
            )
        },
        Corpus {
            import_from: Some(unit_tests.clone()),
            ..Corpus::new(
                "protobuf's conformance suite",
                &sources.join("conformance"),
                "",
                &[],
            )
        },
        Corpus::new(
            "protobuf's benchmarks",
            &sources.join("benchmarks"),
            "",
            &[],
        ),
        Corpus {
            import_from: Some(unit_tests.clone()),
            // One imports what is not among the sources.
            ..Corpus::new(
                "protobuf's tests in Python",
                &sources.join("python"),
                "google",
                &["google/protobuf/pyext/proto2_api_test.proto"],
            )
        },
        Corpus {
            import_from: Some(unit_tests),
            // Fields that are one in JSON, of which protoc only warns.
            differ: &["com/google/protobuf/test_bad_identifiers.proto"],
            ..Corpus::new(
                "protobuf's tests in Java",
                &sources.join("java/core/src/test/proto"),
                "",
                &[],
            )
        },
    ])
}

/// Where Python's packages are, once those with protos are among them.
fn site_packages() -> Result<PathBuf, String> {
    let script = "import google.rpc, grpc_tools, google.protobuf as it; print(it.__path__[0])";
    let output = Command::new("python3").args(["-c", script]).output();
    let found = output.ok().filter(|it| it.status.success());
    let path = found.and_then(|it| String::from_utf8(it.stdout).ok());
    path.and_then(|it| Some(Path::new(it.trim()).parent()?.parent()?.to_owned()))
        .ok_or_else(|| {
            "python3 lacks protobuf, googleapis-common-protos or grpcio-tools (`pip install`)"
                .to_owned()
        })
}
