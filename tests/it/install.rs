//! `install.sh`, with releases in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::Sandbox;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");

/// What the script says and how it ends, with `curl` reading files and a `cargo` that only fails.
fn install(sandbox: &Sandbox) -> String {
    let folder = sandbox.path();
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("writable");
    for (name, script) in [
        ("curl", "cp \"$7\" \"$6\" 2>/dev/null"),
        ("cargo", "exit 101"),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("writable");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("writable");
    }
    let mut command = Command::new("sh");
    command
        .arg(SCRIPT)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("HOME", &folder)
        .env("MSVC_RELEASES", folder.join("releases"))
        .env("MSVC_INSTALL_DIR", folder.join("to"))
        .env_remove("MSVC_VERSION");
    sandbox.render(command.output().expect("sh starts"))
}

/// The release for this machine, as `install.sh` looks for it.
fn archive(sandbox: &Sandbox) -> std::path::PathBuf {
    let (os, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let system = match os {
        "macos" => "apple-darwin",
        _ => "unknown-linux-gnu",
    };
    let folder = sandbox.path().join("releases/latest");
    fs::create_dir_all(&folder).expect("writable");
    folder.join(format!("msvc-{machine}-{system}.tar.gz"))
}

fn release(sandbox: &Sandbox) {
    let folder = sandbox.path();
    fs::write(folder.join("msvc"), "a program").expect("writable");
    let archive = archive(sandbox);
    let made = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder)
        .arg("msvc")
        .status();
    assert!(made.expect("tar starts").success());
    write_checksum(&archive);
}

fn write_checksum(archive: &Path) {
    let sum = Command::new("sh")
        .arg("-c")
        .arg("(sha256sum \"$0\" || shasum -a 256 \"$0\") 2>/dev/null")
        .arg(archive)
        .output()
        .expect("sh starts");
    let path = format!("{}.sha256", archive.display());
    fs::write(path, sum.stdout).expect("writable");
}

#[test]
fn a_release_is_installed_when_its_checksum_is_right() {
    let sandbox = Sandbox::new();
    release(&sandbox);
    let output = install(&sandbox);
    assert!(output.starts_with("exit: 0\n"), "{output}");
    let installed = sandbox.path().join("to/msvc");
    assert_eq!(
        fs::read_to_string(&installed).expect("installed"),
        "a program"
    );
    let mode = fs::metadata(&installed)
        .expect("installed")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_release_that_is_not_what_it_should_be_is_not_installed() {
    let sandbox = Sandbox::new();
    release(&sandbox);
    fs::write(archive(&sandbox), "something else").expect("writable");
    let output = install(&sandbox);
    assert!(
        output.contains("is wrong: nothing was installed"),
        "{output}"
    );

    // The right checksum of something that is no archive.
    write_checksum(&archive(&sandbox));
    let output = install(&sandbox);
    assert!(output.starts_with("exit: 1\n"), "{output}");
    assert!(output.contains("cannot be unpacked"), "{output}");
    assert!(!sandbox.path().join("to/msvc").exists());
}

#[test]
fn a_build_that_fails_is_no_success() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(install(&sandbox), @r"
    exit: 1
    --- stderr ---
    install: no release was downloaded; building with cargo
    install: error: cargo could not build it
    ");
}
