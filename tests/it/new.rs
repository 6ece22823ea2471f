//! `msvc new`: what it makes, what it refuses, and that nothing half-made is ever left.

use std::fs;
use std::path::Path;

use msvc::run::state_file::{RunLock, RunState};

use crate::support::Sandbox;

/// Every file below a folder but those of git and what is not checked in, relative to it and sorted.
fn files(root: &Path) -> Vec<String> {
    fn collect(folder: &Path, root: &Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with(".git") || path.ends_with(".msvc") {
                continue;
            }
            if path.is_dir() {
                collect(&path, root, files);
            } else {
                let relative = path.strip_prefix(root).expect("below it");
                files.push(relative.display().to_string());
            }
        }
    }
    let mut files = Vec::new();
    collect(root, root, &mut files);
    files.sort();
    files
}

#[test]
fn a_workspace_with_one_service_is_made_in_an_empty_folder() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["new", "user-service"]), @r"
    exit: 0
    --- stderr ---
         Created a workspace in [SANDBOX]
         Created services/user-service for user.v1.UserService
           Ports gRPC 50051, admin 51051
    hint: `msvc run` builds it and runs it; README.md has the commands of the day
    ");
    let made = files(&sandbox.path());
    let outside: Vec<&str> = made
        .iter()
        .map(String::as_str)
        .filter(|path| !path.starts_with("crates/chassis/src/"))
        .collect();
    assert_eq!(
        outside,
        [
            ".github/workflows/ci.yml",
            ".gitignore",
            "Cargo.lock",
            "Cargo.toml",
            "README.md",
            "crates/chassis/Cargo.toml",
            "crates/protocol/Cargo.toml",
            "crates/protocol/src/descriptors.binpb",
            "crates/protocol/src/lib.rs",
            "crates/protocol/src/user.rs",
            "crates/protocol/src/user/v1.rs",
            "deploy/grafana/dashboard.json",
            "deploy/prometheus.yml",
            "msvc.toml",
            "proto/user/v1/user.proto",
            "services/user-service/Cargo.toml",
            "services/user-service/config/default.toml",
            "services/user-service/config/dev.toml",
            "services/user-service/config/prod.toml",
            "services/user-service/src/api.rs",
            "services/user-service/src/lib.rs",
            "services/user-service/src/main.rs",
            "services/user-service/src/repository.rs",
            "services/user-service/tests/api.rs",
        ]
    );
    let state = fs::read_dir(sandbox.path().join(".msvc")).expect("a folder");
    let state: Vec<_> = state
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(state, ["lock"], "kept, and ignored by git");
}

#[test]
fn a_second_service_takes_the_next_port_and_keeps_the_manifest() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let manifest = sandbox.path().join("msvc.toml");
    let edited = fs::read_to_string(&manifest).expect("there") + "\n# mine\n";
    fs::write(&manifest, &edited).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "order-service"]), @r"
    exit: 0
    --- stderr ---
         Created services/order-service for order.v1.OrderService
           Ports gRPC 50052, admin 51052
    hint: `msvc run` builds and runs all services
    ");
    let text = fs::read_to_string(&manifest).expect("there");
    let added = "\n[services.order-service]\nport = 50052\nserves = [\"order.v1.OrderService\"]\n";
    assert_eq!(text.replacen(added, "", 1), edited);
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join("notes.txt"), "mine").expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "user-service"]), @r"
    exit: 1
    --- stderr ---
    error: `[SANDBOX]` is not empty: it has `notes.txt`
    hint: go to an empty folder, or name a new one with `--path DIR`
    ");
    assert_eq!(files(&sandbox.path()), ["notes.txt"]);
    assert!(!sandbox.path().join(".msvc").exists());
}

/// What is hidden may be there, unless the workspace would have a file of that name.
#[test]
fn a_conflict_in_an_empty_folder_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path().join(".gitignore"), "mine").expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "user-service"]), @r"
    exit: 1
    --- stderr ---
    error: a file that would be made is there already:
      .gitignore
    hint: move them away or choose another name; nothing was changed
    ");
    assert_eq!(files(&sandbox.path()), [".gitignore"]);
    assert!(!sandbox.path().join(".msvc").exists());
}

/// Whoever comes second plans on what the first has made, even where there was no workspace yet.
#[test]
fn services_made_at_the_same_time_are_all_there() {
    let sandbox = Sandbox::new();
    let names = [
        "a-service",
        "b-service",
        "c-service",
        "d-service",
        "e-service",
    ];
    let children = names.map(|name| {
        let mut command = sandbox.command(["new", name, "--no-git", "-q"]);
        (name, command.spawn().expect("msvc starts"))
    });
    for (name, mut child) in children {
        assert!(child.wait().expect("ends").success(), "{name}");
    }
    let manifest = fs::read_to_string(sandbox.path().join("msvc.toml")).expect("there");
    let modules = fs::read_to_string(sandbox.path().join("crates/protocol/src/lib.rs"));
    let modules = modules.expect("there");
    for name in names {
        assert!(
            manifest.contains(&format!("[services.{name}]")),
            "{manifest}"
        );
        let module = format!("pub mod {};", &name[..1]);
        assert!(modules.contains(&module), "{modules}");
    }
    for port in 50051..50056 {
        assert!(manifest.contains(&format!("port = {port}\n")), "{manifest}");
    }
    let checked = sandbox.msvc(["proto", "gen", "--check"]);
    assert!(checked.starts_with("exit: 0"), "{checked}");
}

/// `..` after a workspace's folder leads out of it, for the manifest and for git.
#[test]
fn a_named_folder_is_meant_itself_not_the_workspace_above() {
    let sandbox = Sandbox::new();
    let shop = sandbox.path().join("shop");
    sandbox.msvc(["new", "user-service", "--path", "shop"]);
    let before = files(&shop);
    let mut command = sandbox.command(["new", "billing-service", "--path", "../billing"]);
    let output = sandbox.render(command.current_dir(&shop).output().expect("msvc starts"));
    insta::assert_snapshot!(output, @r"
    exit: 0
    --- stderr ---
         Created a workspace in [SANDBOX]/billing
         Created services/billing-service for billing.v1.BillingService
           Ports gRPC 50051, admin 51051
    hint: `msvc run` builds it and runs it; README.md has the commands of the day
    ");
    assert_eq!(files(&shop), before);
    for workspace in ["shop", "billing"] {
        let workspace = sandbox.path().join(workspace);
        assert!(workspace.join("msvc.toml").is_file());
        assert!(workspace.join(".git").is_dir());
    }
    let output = sandbox.msvc(["new", "order-service", "--path", "shop/../billing"]);
    assert!(output.contains("Ports gRPC 50052"), "{output}");
}

#[test]
fn all_conflicts_are_named_at_once() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let folder = sandbox.path().join("services/order-service/src");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("main.rs"), "mine").expect("written");
    fs::write(folder.join("lib.rs"), "mine").expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "order-service"]), @r"
    exit: 1
    --- stderr ---
    error: 2 files that would be made are there already:
      services/order-service/src/lib.rs
      services/order-service/src/main.rs
    hint: move them away or choose another name; nothing was changed
    ");
}

#[test]
fn a_bad_name_is_refused_with_a_suggestion() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["new", "UserService"]), @r"
    exit: 2
    --- stderr ---
    error: `UserService` is not a service name: it must start with a lowercase letter
    hint: try `user-service`
    ");
    assert_eq!(files(&sandbox.path()), [""; 0]);
}

/// A crate that a workspace depends on, also by its own lock file, makes `cargo build -p` ambiguous.
#[test]
fn the_name_of_a_dependency_is_refused() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["new", "http"]), @r"
    exit: 2
    --- stderr ---
    error: `http` cannot name a service: the workspace depends on a crate of that name
    hint: try `http-service`
    ");
    sandbox.msvc(["new", "user-service"]);
    let path = sandbox.path().join("Cargo.lock");
    let lock = fs::read_to_string(&path).expect("there");
    let added = "\n[[package]]\nname = \"sqlx\"\nversion = \"0.9.0\"\nsource = \"registry+x\"\n";
    fs::write(&path, lock + added).expect("written");
    let output = sandbox.msvc(["new", "sqlx"]);
    assert!(output.contains("try `sqlx-service`"), "{output}");
}

#[test]
fn a_broken_proto_is_shown_with_its_place_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let proto = "syntax = \"proto3\";\n\nmessage User {\n  strin name = 1;\n}\n";
    fs::write(sandbox.path().join(".a.proto"), proto).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "user-service", "--proto", ".a.proto"]), @r"
    exit: 1
    --- stderr ---
    error: .a.proto:4:3: name 'strin' is not defined
       |
     4 |   strin name = 1;
       |   ^^^^^ found here
     = help: did you mean `string`?
    ");
    assert_eq!(files(&sandbox.path()), [".a.proto"]);
}

#[test]
fn two_protos_by_one_name_are_refused_until_a_folder_tells_them_apart() {
    let sandbox = Sandbox::new();
    for name in ["user", "order"] {
        let folder = sandbox.path().join(".protos").join(name);
        fs::create_dir_all(&folder).expect("made");
        let proto = format!("syntax = \"proto3\";\npackage {name}.v1;\nservice S {{}}\n");
        fs::write(folder.join("service.proto"), proto).expect("written");
    }
    let (user, order) = (".protos/user/service.proto", ".protos/order/service.proto");
    let given = ["new", "shop", "--proto", user, "--proto", order];
    insta::assert_snapshot!(sandbox.msvc(given), @r"
    exit: 2
    --- stderr ---
    error: `.protos/order/service.proto` would be read as `service.proto`, which is `.protos/user/service.proto`
    hint: name the folder above both with `-I DIR`, ahead of others
    ");
    let output = sandbox.msvc(given.into_iter().chain(["-I", ".protos"]));
    assert!(output.contains("for order.v1.S, user.v1.S"), "{output}");
}

#[test]
fn a_missing_import_says_where_it_was_looked_for() {
    let sandbox = Sandbox::new();
    let proto = "syntax = \"proto3\";\nimport \"no/such.proto\";\nservice S {}\n";
    fs::write(sandbox.path().join(".a.proto"), proto).expect("written");
    insta::assert_snapshot!(sandbox.msvc(["new", "user-service", "--proto", ".a.proto"]), @r#"
    exit: 1
    --- stderr ---
    error: .a.proto:2:1: import 'no/such.proto' not found
       |
     2 | import "no/such.proto";
       | ^^^^^^^^^^^^^^^^^^^^^^^ imported here
     = help: imports are looked for in `[SANDBOX]`; add a folder with `-I DIR`, or bring it in: `msvc proto vendor`
    "#);
}

#[test]
fn a_dry_run_shows_the_plan_and_makes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let before = files(&sandbox.path());
    insta::assert_snapshot!(sandbox.msvc(["new", "order-service", "--dry-run"]), @r"
    exit: 0
    --- stdout ---
     write crates/protocol/src/descriptors.binpb
     write crates/protocol/src/lib.rs
     write crates/protocol/src/order.rs
     write crates/protocol/src/order/v1.rs
     write msvc.toml
    create proto/order/v1/order.proto
    create services/order-service/Cargo.toml
    create services/order-service/config/default.toml
    create services/order-service/config/dev.toml
    create services/order-service/config/prod.toml
    create services/order-service/src/api.rs
    create services/order-service/src/lib.rs
    create services/order-service/src/main.rs
    create services/order-service/src/repository.rs
    create services/order-service/tests/api.rs
    ");
    assert_eq!(files(&sandbox.path()), before);
}

/// `git init` names the first branch as the user likes it, so the checks are not bound to a name.
#[test]
fn the_checks_run_on_any_branch_and_the_readme_tells_how_to_configure() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let read = |path: &str| fs::read_to_string(sandbox.path().join(path)).expect(path);
    let checks = read(".github/workflows/ci.yml");
    assert!(
        checks.contains("\non:\n  push:\n  pull_request:\n"),
        "{checks}"
    );
    let readme = read("README.md");
    let (_, production) = readme.split_once("## In production").expect("a section");
    for word in ["`config/`", "`APP_CONFIG_DIR`", "`APP_ENV=prod`"] {
        assert!(production.contains(word), "{word}");
    }
}

#[test]
fn a_service_beside_those_that_run_is_told_how_it_comes_to_run() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["new", "user-service"]);
    let lock = RunLock::take(&sandbox.path().join(".msvc")).expect("a lock file");
    let lock = lock.expect("nobody has it");
    let state = RunState::new(None, None, Vec::new());
    lock.write(&state).expect("written");
    let made = sandbox.msvc(["new", "order-service"]);
    insta::assert_snapshot!(made.replace(&state.pid.to_string(), "[PID]"), @r"
    exit: 0
    --- stderr ---
         Created services/order-service for order.v1.OrderService
           Ports gRPC 50052, admin 51052
    hint: `msvc run` (pid [PID]) goes on without it: Ctrl-C there, then `msvc run` runs all services
    ");
}

#[test]
fn the_registry_of_a_workspace_can_be_etcd() {
    let sandbox = Sandbox::new();
    let made = sandbox.msvc(["new", "user-service", "--registry", "etcd"]);
    assert!(made.starts_with("exit: 0"), "{made}");
    let read = |path: &str| fs::read_to_string(sandbox.path().join(path)).expect(path);
    let manifest = read("msvc.toml");
    assert!(
        manifest.contains("[registry]\nkind = \"etcd\" #"),
        "{manifest}"
    );
    let config = read("services/user-service/config/default.toml");
    assert!(config.contains("[registry]\nkind = \"etcd\" #"), "{config}");
    assert!(!config.contains("[registry.static]"), "{config}");
    let readme = fs::read_to_string(sandbox.path().join("README.md")).expect("made");
    let put = "`etcdctl put /config/prod/user-service < prod.toml`";
    assert!(
        readme.contains(put) && !readme.contains("consul kv"),
        "{readme}"
    );
}
