use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn lock(root: &Path) -> WorkspaceLock {
    WorkspaceLock::take(root).expect("nobody else is here")
}

fn plan() -> Plan {
    let mut plan = Plan::default();
    plan.create("new/deep/file", "1");
    plan.create("new/other", "2");
    plan.write("there", "3");
    plan.remove("gone");
    plan
}

fn stage(lock: &WorkspaceLock, plan: &Plan) {
    let staging = begin(lock, Plan::default()).expect("begins");
    staging.complete(lock, plan).expect("stages");
}

fn listing(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_plan_is_performed_and_nothing_else_is_left() {
    let folder = folder();
    let root = folder.path();
    fs::write(root.join("there"), "old").expect("written");
    fs::write(root.join("gone"), "old").expect("written");
    apply(&lock(root), &plan()).expect("applies");
    assert_eq!(listing(root), [".msvc", "new", "there"]);
    assert_eq!(listing(&root.join(STATE_FOLDER)), ["lock"]);
    assert_eq!(
        fs::read_to_string(root.join("new/deep/file")).expect("there"),
        "1"
    );
    assert_eq!(fs::read_to_string(root.join("there")).expect("there"), "3");
}

#[test]
fn all_conflicts_are_named_and_nothing_changes() {
    let folder = folder();
    let root = folder.path();
    fs::create_dir_all(root.join("new/deep")).expect("made");
    fs::write(root.join("new/deep/file"), "mine").expect("written");
    fs::write(root.join("new/other"), "mine").expect("written");
    let error = apply(&lock(root), &plan()).expect_err("conflicts");
    assert_eq!(
        error.to_string(),
        "2 files that would be made are there already:\n  new/deep/file\n  new/other"
    );
    assert_eq!(listing(root), [".msvc", "new"]);
}

#[test]
fn what_was_not_committed_is_cleared_and_what_was_is_finished() {
    let folder = folder();
    let root = folder.path();
    let staging = root.join(STATE_FOLDER).join(STAGING);
    fs::create_dir_all(&staging).expect("made");
    fs::write(staging.join("half"), "x").expect("written");
    recover(&lock(root)).expect("recovers");
    assert!(!staging.exists());

    fs::write(root.join("gone"), "old").expect("written");
    stage(&lock(root), &plan());
    // The process dies after the first move.
    fs::rename(staging.join("files/new"), root.join("new")).expect("moved");
    recover(&lock(root)).expect("recovers");
    assert_eq!(listing(root), [".msvc", "new", "there"]);
    assert!(!staging.exists());
}

#[test]
fn a_journal_that_leads_out_of_the_workspace_is_refused() {
    let folder = folder();
    let root = folder.path().join("work");
    let staging = root.join(STATE_FOLDER).join(STAGING);
    fs::create_dir_all(&staging).expect("made");
    fs::write(folder.path().join("mine"), "mine").expect("written");
    let journal = r#"{"moves": [], "removals": ["../mine"]}"#;
    fs::write(staging.join(JOURNAL), journal).expect("written");
    let error = recover(&lock(&root)).expect_err("is refused");
    assert!(matches!(error, ApplyError::Outside { path, .. } if path == "../mine"));
    assert!(folder.path().join("mine").exists());
}

#[test]
fn what_is_no_folder_where_the_plan_needs_one_is_a_conflict() {
    let folder = folder();
    let root = folder.path();
    fs::write(root.join("new"), "mine").expect("written");
    let error = apply(&lock(root), &plan()).expect_err("conflicts");
    assert_eq!(
        error.to_string(),
        "a file that would be made is there already:\n  new"
    );
    assert_eq!(listing(root), [".msvc", "new"]);
    assert_eq!(listing(&root.join(STATE_FOLDER)), ["lock"]);

    fs::remove_file(root.join("new")).expect("removed");
    std::os::unix::fs::symlink("/nowhere/at/all", root.join("new")).expect("linked");
    let mut plan = plan();
    fs::create_dir(root.join("there")).expect("made");
    assert_eq!(conflicts(root, &plan), ["new", "there"]);

    // What is to go and cannot be there is no obstacle.
    fs::remove_file(root.join("new")).expect("removed");
    fs::remove_dir(root.join("there")).expect("removed");
    fs::write(root.join("file"), "mine").expect("written");
    plan.remove("file/below");
    apply(&lock(root), &plan).expect("applies");
    assert_eq!(listing(root), [".msvc", "file", "new", "there"]);
}

#[test]
fn what_fails_after_the_commitment_tells_how_to_go_on() {
    let folder = folder();
    let root = folder.path();
    let staging = root.join(STATE_FOLDER).join(STAGING);
    let lock = lock(root);
    stage(&lock, &plan());
    fs::write(root.join("new"), "in the way").expect("written");
    let error = recover(&lock).expect_err("is refused");
    let expected = format!(
        "put that path right, then run any `msvc` command here, which finishes the change; or \
         remove `{}` to leave everything as it is now",
        staging.display()
    );
    assert_eq!(error.hint(), Some(expected));

    fs::remove_file(root.join("new")).expect("removed");
    recover(&lock).expect("recovers");
    assert_eq!(listing(root), [".msvc", "new", "there"]);
}

#[test]
fn a_file_that_is_written_keeps_its_permissions_and_the_link_to_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = folder();
    let root = folder.path().join("work");
    fs::create_dir(&root).expect("made");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let shared = folder.path().join("shared");
    for (path, permissions) in [(&shared, 0o640), (&root.join("own"), 0o400)] {
        fs::write(path, "old").expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(permissions)).expect("set");
    }
    symlink("../shared", root.join("linked")).expect("linked");

    let mut plan = Plan::default();
    plan.write("linked", "new");
    plan.write("own", "new");
    apply(&lock(&root), &plan).expect("applies");
    assert_eq!(
        fs::read_link(root.join("linked")).expect("a link"),
        Path::new("../shared")
    );
    assert_eq!(fs::read_to_string(&shared).expect("there"), "new");
    assert_eq!(mode(&shared), 0o640);
    assert_eq!(fs::read_to_string(root.join("own")).expect("there"), "new");
    assert_eq!(mode(&root.join("own")), 0o400);
    assert_eq!(listing(folder.path()), ["shared", "work"]);
    assert_eq!(listing(&root), [".msvc", "linked", "own"]);
}

#[test]
fn what_is_staged_ahead_is_part_of_the_plan() {
    let folder = folder();
    let lock = lock(folder.path());
    let mut first = Plan::default();
    first.create("new/deep/file", "1");
    let mut plan = first.clone();
    plan.create("new/later", "2");
    let staging = begin(&lock, first).expect("begins");
    complete(&lock, staging, &plan).expect("completes");
    assert_eq!(listing(&folder.path().join("new")), ["deep", "later"]);
    assert_eq!(listing(&folder.path().join("new/deep")), ["file"]);
    assert_eq!(listing(&folder.path().join(STATE_FOLDER)), ["lock"]);
}

#[test]
fn what_is_staged_ahead_of_a_plan_that_is_never_made_goes() {
    let folder = folder();
    let lock = lock(folder.path());
    drop(begin(&lock, plan()).expect("begins"));
    assert_eq!(listing(folder.path()), [".msvc"]);
    assert_eq!(listing(&folder.path().join(STATE_FOLDER)), ["lock"]);
}
