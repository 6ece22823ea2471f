//! The command line itself: versions, usage errors.

use crate::support::Sandbox;

#[test]
fn version_is_printed_on_stdout() {
    let sandbox = Sandbox::new();
    let expected = format!(
        "exit: 0\n--- stdout ---\nmsvc {}\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(sandbox.msvc(["--version"]), expected);
}

#[test]
fn a_mistyped_command_is_a_usage_error_with_a_suggestion() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["benhc"]), @r"
    exit: 2
    --- stderr ---
    error: unrecognized subcommand 'benhc'

      tip: a similar subcommand exists: 'bench'

    Usage: msvc [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}
