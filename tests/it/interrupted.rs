//! A change that dies after any of its steps: another command finds the old state or makes the new one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::Sandbox;

/// What a process ends with at a fail point.
const ABORTED: Option<i32> = Some(86);

/// Every file of a workspace that is checked in, with its text.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with(".msvc") {
                continue;
            }
            if path.is_dir() {
                collect(&path, root, files);
            } else {
                let relative = path.strip_prefix(root).expect("below it");
                let text = fs::read(&path).expect("readable");
                files.insert(relative.display().to_string(), text);
            }
        }
    }
    let mut files = BTreeMap::new();
    collect(root, root, &mut files);
    files
}

/// Runs a command that dies after a step; whether it got there.
fn dies(sandbox: &Sandbox, args: &[&str], step: &str) -> bool {
    let mut command = sandbox.command(args);
    let output = command.env("MSVC_ABORT_AFTER", step).output();
    let output = output.expect("msvc starts");
    let code = output.status.code();
    assert!(
        code == ABORTED || code == Some(0),
        "{step}: {}",
        sandbox.render(output)
    );
    code == ABORTED
}

/// Kills a command after each of its steps in turn, each in a sandbox of its own, and lets another
/// command find what is left. The tree is the old one before the commitment and the new one after.
fn kill_after_each_step(
    prepare: impl Fn() -> Sandbox,
    change: &[&str],
    other: &[&str],
    expected: &[(&str, usize)],
) {
    let old = tree(&prepare().path());
    let whole = prepare();
    assert!(whole.msvc(change).starts_with("exit: 0"));
    let new = tree(&whole.path());
    assert_ne!(old, new);
    let mut is_committed = false;
    for (step, wanted) in expected {
        is_committed |= *step == "committed";
        let mut times = 0;
        loop {
            let sandbox = prepare();
            let point = format!("{step}:{}", times + 1);
            if !dies(&sandbox, change, &point) {
                break;
            }
            times += 1;
            let looked = sandbox.msvc(["new", "other-service", "--dry-run"]);
            let is_interrupted = looked.contains("was interrupted and is not finished");
            let is_done = ["closed", "cleared"].contains(step);
            assert_eq!(
                is_interrupted,
                is_committed && !is_done,
                "{point}: {looked}"
            );
            let told = sandbox.msvc(other);
            let found = tree(&sandbox.path());
            let wanted = if is_committed { &new } else { &old };
            assert!(
                found == *wanted,
                "{point}: {told}\nfound {:?}",
                found.keys().collect::<Vec<_>>()
            );
            // And the change can be made as if nothing had happened.
            sandbox.msvc(change);
            assert!(tree(&sandbox.path()) == new, "{point}");
            assert!(!sandbox.path().join(".msvc/staging").exists(), "{point}");
            // One of many files is like the next.
            if *step == "staged" && times == *wanted_of(expected, "staged") {
                break;
            }
        }
        assert_eq!(times, *wanted, "{step}");
    }
}

fn wanted_of<'a>(expected: &'a [(&str, usize)], step: &str) -> &'a usize {
    let found = expected.iter().find(|(name, _)| *name == step);
    &found.expect("is expected").1
}

/// `call` fails, as nothing runs, but finishes the workspace first.
const CALL: &[&str] = &["call", "127.0.0.1:1", "a.B/C"];

#[test]
fn a_new_workspace_is_whole_or_not_there() {
    kill_after_each_step(
        Sandbox::new,
        &["new", "user-service", "-q"],
        CALL,
        &[
            ("staging-made", 1),
            ("staged", 3),
            ("drafted", 1),
            ("committed", 1),
            // The last is the repository.
            ("moved", 11),
            ("removed", 0),
            ("closed", 1),
            ("cleared", 1),
        ],
    );
}

/// A git for a sandbox: a shell script.
fn with_git(sandbox: &Sandbox, script: &str) -> std::ffi::OsString {
    let folder = sandbox.path().with_file_name("bin");
    fs::create_dir(&folder).expect("made");
    let git = folder.join("git");
    fs::write(&git, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = std::env::var_os("PATH").expect("there is a path");
    let folders = std::iter::once(folder).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("a path")
}

/// What git is still writing cannot be cleared by the next command, so that one waits.
#[test]
fn a_git_that_outlives_its_msvc_keeps_the_lock() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path().with_file_name("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo starts").success());
    let path = with_git(&sandbox, &format!("cat '{}' > late", fifo.display()));
    let mut command = sandbox.command(["new", "user-service", "-q"]);
    command
        .env("PATH", path)
        .env("MSVC_ABORT_AFTER", "staged:3");
    assert_eq!(command.status().expect("msvc starts").code(), ABORTED);
    // Opening it waits for git to open it too.
    let fifo = fs::OpenOptions::new()
        .write(true)
        .open(fifo)
        .expect("git reads");
    let lock = fs::File::open(sandbox.path().join(".msvc/lock")).expect("made");
    let refused = lock.try_lock();
    assert!(matches!(refused, Err(fs::TryLockError::WouldBlock)));
    drop(fifo);
    lock.lock().expect("git has ended");
    lock.unlock().expect("unlocked");
    sandbox.msvc(["new", "user-service", "-q"]);
    assert!(sandbox.path().join("msvc.toml").exists());
    assert!(!sandbox.path().join(".msvc/staging").exists());
}

#[test]
fn a_workspace_is_whole_without_the_repository_that_git_fails_to_make() {
    let sandbox = Sandbox::new();
    let path = with_git(&sandbox, "mkdir .git; exit 1");
    let mut command = sandbox.command(["new", "user-service"]);
    let output = command.env("PATH", path).output().expect("msvc starts");
    insta::assert_snapshot!(sandbox.render(output), @r"
    exit: 0
    --- stderr ---
    warning: `git init` failed; the workspace is not under git
         Created a workspace in [SANDBOX]
         Created services/user-service for user.v1.UserService
           Ports gRPC 50051, admin 51051
    hint: `msvc run` builds it and runs it; README.md has the commands of the day
    ");
    assert!(!sandbox.path().join(".git").exists());
    assert!(
        sandbox
            .msvc(["proto", "gen", "--check"])
            .starts_with("exit: 0")
    );
}

/// Git has these variables set where it runs a hook: they would lead `git init` to another place.
#[test]
fn a_workspace_made_from_a_git_hook_gets_a_repository_of_its_own() {
    let sandbox = Sandbox::new();
    let other = sandbox.path().with_file_name("other.git");
    let mut command = sandbox.command(["new", "user-service", "-q"]);
    command.env("GIT_DIR", &other).env("GIT_WORK_TREE", "/");
    assert!(command.status().expect("msvc starts").success());
    assert!(sandbox.path().join(".git/HEAD").is_file());
    assert!(!other.exists());
}

#[test]
fn a_change_of_generated_code_is_whole_or_not_there() {
    let prepare = || {
        let sandbox = Sandbox::new();
        sandbox.msvc(["new", "user-service", "--no-git", "-q"]);
        let folder = sandbox.path().join("proto/user");
        fs::rename(folder, sandbox.path().join("proto/people")).expect("moved");
        let path = sandbox.path().join("proto/people/v1/user.proto");
        let proto = fs::read_to_string(&path).expect("there");
        fs::write(&path, proto.replace("package user.v1", "package people.v1")).expect("written");
        sandbox
    };
    kill_after_each_step(
        prepare,
        &["proto", "gen", "-q"],
        &["run", "no-such-service"],
        &[
            ("staging-made", 1),
            ("staged", 6),
            ("drafted", 1),
            ("committed", 1),
            ("moved", 4),
            ("removed", 2),
            ("closed", 1),
            ("cleared", 1),
        ],
    );
}
