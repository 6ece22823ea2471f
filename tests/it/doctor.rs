//! `msvc doctor` with programs that are there, old, broken and missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::Sandbox;

/// A program that says this and ends like that.
fn program(sandbox: &Sandbox, name: &str, script: &str) {
    let path = sandbox.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("writable");
}

fn doctor(sandbox: &Sandbox) -> String {
    let mut command = sandbox.command(["doctor"]);
    let folder = sandbox.path().display().to_string();
    command
        .env("PATH", &folder)
        .env("DOCKER_HOST", "unix:///nowhere");
    let output = sandbox.render(command.output().expect("msvc starts"));
    output.replace(&folder, "[SANDBOX]")
}

#[test]
fn what_every_workspace_needs_is_there_or_else_it_fails() {
    let sandbox = Sandbox::new();
    program(
        &sandbox,
        "cargo",
        "echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'",
    );
    program(
        &sandbox,
        "rustc",
        "echo 'rustc 1.95.0-nightly (59807616e 2026-04-14)'",
    );
    program(&sandbox, "cc", "echo 'cc (Debian 12.2.0) 12.2.0'");
    insta::assert_snapshot!(doctor(&sandbox), @r"
    exit: 0
    --- stdout ---
    ok       cargo     cargo 1.95.0 (f2d3ce0bd 2026-03-21)
    ok       rustc     rustc 1.95.0-nightly (59807616e 2026-04-14)
    ok       C linker  cc (Debian 12.2.0) 12.2.0
    optional git       not on PATH
                       for `msvc new`: puts a new workspace under version control
    optional consul    not on PATH
                       for nothing here: `msvc run` has a registry built in; a real one is used with CONSUL_HTTP_ADDR
    optional etcd      not on PATH
                       for nothing here: `msvc run` has its API built in; a real one is used with ETCDCTL_ENDPOINTS
    optional Docker    no Docker engine answers at unix:///nowhere (DOCKER_HOST): there is no such socket
                       for `msvc up`: it runs what services need in containers; without it, what is built in
    ");
}

#[test]
fn what_is_too_old_or_does_not_work_is_as_good_as_missing() {
    let sandbox = Sandbox::new();
    program(
        &sandbox,
        "cargo",
        "echo 'error: no default toolchain is configured' >&2; exit 1",
    );
    program(
        &sandbox,
        "rustc",
        "echo 'rustc 1.63.0 (4b91a6ea7 2022-08-08)'",
    );
    insta::assert_snapshot!(doctor(&sandbox), @r"
    exit: 1
    --- stdout ---
    broken   cargo     [SANDBOX]/cargo fails (exit status: 1): error: no default toolchain is configured
                       for `msvc run`: it builds the services (https://rustup.rs)
    broken   rustc     rustc 1.63.0 (4b91a6ea7 2022-08-08), which is older than 1.88
                       for `msvc run`: 1.88 or newer compiles the services (https://rustup.rs)
    missing  C linker  not on PATH
                       for `msvc run`: rustc links with it (Debian: `apt-get install gcc`)
    optional git       not on PATH
                       for `msvc new`: puts a new workspace under version control
    optional consul    not on PATH
                       for nothing here: `msvc run` has a registry built in; a real one is used with CONSUL_HTTP_ADDR
    optional etcd      not on PATH
                       for nothing here: `msvc run` has its API built in; a real one is used with ETCDCTL_ENDPOINTS
    optional Docker    no Docker engine answers at unix:///nowhere (DOCKER_HOST): there is no such socket
                       for `msvc up`: it runs what services need in containers; without it, what is built in
    ");
}
