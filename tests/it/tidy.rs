//! The invariants of ARCHITECTURE.md that a search can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The sources below a folder, by their paths in it.
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
    for (path, _) in &mut found {
        *path = path.strip_prefix(&root).expect("below it").to_owned();
    }
    found
}

/// The code of a file without its tests, which stand last.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn pure_modules_do_no_io() {
    const PURE: &[&str] = &[
        "bench/baseline/",
        "bench/dialogue.rs",
        "bench/framing.rs",
        "bench/http2/",
        "bench/load/",
        "bench/payload.rs",
        "bench/random.rs",
        "bench/report/",
        "bench/responses.rs",
        "bench/responses/",
        "bench/search.rs",
        "bench/stats.rs",
        "bench/template/",
        "bench/timeline.rs",
        "bench/threshold.rs",
        "bench/validity.rs",
        "bench/verdict.rs",
        "client/json/",
        "client/metadata.rs",
        "client/methods.rs",
        "client/target.rs",
        "code.rs",
        "duration.rs",
        "infra/embedded/collector/api/search.rs",
        "infra/embedded/collector/jaeger.rs",
        "infra/embedded/collector/state/",
        "infra/embedded/consul/decode.rs",
        "infra/embedded/consul/duration.rs",
        "infra/embedded/consul/state/",
        "infra/embedded/etcd/state/",
        "infra/docker/archive.rs",
        "infra/docker/endpoint.rs",
        "infra/docker/labels.rs",
        "infra/reconcile.rs",
        "infra/resource/",
        "manifest.rs",
        "proto/acceptance.rs",
        "proto/breaking/",
        "proto/buf_yaml.rs",
        "proto/diagnostic.rs",
        "proto/dialect.rs",
        "proto/edition/",
        "proto/finding.rs",
        "proto/format/",
        "proto/groups.rs",
        "proto/layout.rs",
        "proto/lint/",
        "proto/describe.rs",
        "proto/doc/",
        "proto/mend.rs",
        "proto/model.rs",
        "proto/codegen.rs",
        "proto/modules.rs",
        "proto/namer/",
        "proto/pieces.rs",
        "proto/report.rs",
        "proto/schema.rs",
        "proto/set.rs",
        "proto/stubs/",
        "proto/tokens.rs",
        "scaffold/edit/",
        "scaffold/names/",
        "scaffold/layout.rs",
        "scaffold/plan.rs",
        "scaffold/handlers.rs",
        "scaffold/service.rs",
        "scaffold/taken.rs",
        "scaffold/workspace.rs",
        "run/supervisor.rs",
        "suggestion.rs",
        "trace/",
    ];
    const FORBIDDEN: &[&str] = &[
        "std::fs",
        "std::net",
        "tokio::",
        "println!",
        "SystemTime::",
        "std::process",
    ];
    let sources = sources("src");
    for pure in PURE {
        let files = sources.iter().filter(|(path, _)| {
            let name = path.to_str().expect("UTF-8");
            name == *pure || (pure.ends_with('/') && name.starts_with(pure))
        });
        let mut checked = 0;
        for (path, text) in files {
            checked += 1;
            let name = path.display();
            for forbidden in FORBIDDEN {
                assert!(!code(text).contains(forbidden), "{name} uses {forbidden}");
            }
        }
        assert!(checked > 0, "{pure} is there");
    }
}

/// The paths that a file imports, as far as they are written out.
fn imports(text: &str) -> Vec<String> {
    fn flatten(tree: &syn::UseTree, path: &str, found: &mut Vec<String>) {
        let join = |name: &dyn std::fmt::Display| match path.is_empty() {
            true => name.to_string(),
            false => format!("{path}::{name}"),
        };
        match tree {
            syn::UseTree::Path(part) => flatten(&part.tree, &join(&part.ident), found),
            syn::UseTree::Name(name) => found.push(join(&name.ident)),
            syn::UseTree::Rename(rename) => found.push(join(&rename.ident)),
            syn::UseTree::Glob(_) => found.push(join(&'*')),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    flatten(tree, path, found);
                }
            }
        }
    }
    let file = syn::parse_file(text).expect("Rust");
    let mut found = Vec::new();
    for item in file.items {
        if let syn::Item::Use(import) = item {
            flatten(&import.tree, "", &mut found);
        }
    }
    found
}

#[test]
fn no_command_imports_another() {
    /// What several commands share.
    const SHARED: &[&str] = &["rpc"];
    let commands = sources("src/commands");
    let name_of = |path: &Path| {
        let first = path.iter().next().and_then(|part| part.to_str());
        first.unwrap_or_default().trim_end_matches(".rs").to_owned()
    };
    let names: BTreeSet<String> = commands.iter().map(|(path, _)| name_of(path)).collect();
    assert!(names.contains("run") && names.contains("new"), "{names:?}");
    for (path, text) in commands
        .iter()
        .filter(|(path, _)| !path.ends_with("mod.rs"))
    {
        let own = name_of(path);
        // `super` is the folder of all commands for a file that stands directly in it.
        let is_top = path.iter().count() == 1;
        for import in imports(text) {
            let relative = if is_top {
                import.strip_prefix("super::")
            } else {
                None
            };
            let Some(rest) = import.strip_prefix("crate::commands::").or(relative) else {
                continue;
            };
            let other = rest.split("::").next().unwrap_or_default();
            let is_fine = other == own || SHARED.contains(&other) || !names.contains(other);
            assert!(is_fine, "{} imports {import}", path.display());
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
