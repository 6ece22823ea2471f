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

#[test]
fn usage_errors_are_json_where_that_is_asked_for() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["--format", "json", "benhc"]), @r#"
    exit: 2
    --- stdout ---
    {
      "error": {
        "message": "unrecognized subcommand 'benhc'",
        "causes": [],
        "hint": "a similar subcommand exists: 'bench'",
        "exit_code": 2
      }
    }
    "#);
    insta::assert_snapshot!(sandbox.msvc(["call", "--format=json"]), @r#"
    exit: 2
    --- stdout ---
    {
      "error": {
        "message": "the following required arguments were not provided: <TARGET>",
        "causes": [],
        "hint": "`--help` says what is understood",
        "exit_code": 2
      }
    }
    "#);
    insta::assert_snapshot!(sandbox.msvc(["run", "--ready-timeout", "5", "--format=json"]), @r#"
    exit: 2
    --- stdout ---
    {
      "error": {
        "message": "invalid value '5' for '--ready-timeout <DURATION>': a unit is missing: `5s` or `5ms`?",
        "causes": [],
        "hint": "`--help` says what is understood",
        "exit_code": 2
      }
    }
    "#);
}
