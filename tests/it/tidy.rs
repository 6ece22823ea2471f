//! The invariants of ARCHITECTURE.md that a search can check.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("readable");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    collect(&root, &mut found);
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// The code of a file without its tests, which stand last.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn pure_modules_do_no_io() {
    const PURE: &[&str] = &[
        "bench/framing.rs",
        "bench/load.rs",
        "bench/payload.rs",
        "bench/report/",
        "bench/stats.rs",
        "client/json/",
        "client/metadata.rs",
        "client/methods.rs",
        "client/target.rs",
        "code.rs",
        "duration.rs",
        "infra/embedded/consul/decode.rs",
        "infra/embedded/consul/duration.rs",
        "infra/embedded/consul/state/",
        "manifest.rs",
        "proto/model.rs",
        "proto/codegen.rs",
        "proto/modules.rs",
        "proto/rename.rs",
        "proto/stubs/",
        "scaffold/names.rs",
        "scaffold/layout.rs",
        "scaffold/plan.rs",
        "scaffold/handlers.rs",
        "scaffold/service.rs",
        "scaffold/workspace.rs",
        "run/supervisor.rs",
    ];
    const FORBIDDEN: &[&str] = &[
        "std::fs",
        "std::net",
        "tokio::",
        "println!",
        "SystemTime",
        "std::process",
    ];
    let mut checked = 0;
    for (path, text) in sources("src") {
        let name = path.display().to_string();
        if PURE
            .iter()
            .any(|pure| name.contains(&format!("src/{pure}")))
        {
            checked += 1;
            for forbidden in FORBIDDEN {
                assert!(!code(&text).contains(forbidden), "{name} uses {forbidden}");
            }
        }
    }
    assert!(checked >= PURE.len(), "every pure module is there");
}

#[test]
fn no_command_imports_another() {
    let commands = sources("src/commands");
    for (path, text) in &commands {
        let own = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        for other in [
            "bench",
            "call",
            "completions",
            "doctor",
            "new",
            "proto",
            "run",
        ] {
            let import = format!("crate::commands::{other}");
            let is_own = own == other || path.display().to_string().contains(&format!("/{other}/"));
            assert!(
                is_own || !text.contains(&import),
                "{} imports {import}",
                path.display()
            );
        }
    }
}

#[test]
fn the_environment_is_read_in_one_place() {
    for (path, text) in sources("src") {
        let name = path.display().to_string();
        let reads = code(&text).contains("env::var");
        assert!(
            !reads || name.ends_with("env_vars.rs"),
            "{name} reads the environment"
        );
    }
}

#[test]
fn committed_completions_equal_the_generated_ones() {
    use msvc::commands::completions::{Shell, script};
    for (file, shell) in [
        ("msvc.bash", Shell::Bash),
        ("_msvc", Shell::Zsh),
        ("msvc.fish", Shell::Fish),
        ("msvc.ps1", Shell::Powershell),
        ("msvc.elv", Shell::Elvish),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("completions")
            .join(file);
        let committed = fs::read_to_string(&path).expect(file);
        assert_eq!(
            committed,
            script(shell),
            "run `msvc completions` into completions/{file}"
        );
    }
}
