//! `msvc secret`.

use std::io::Write;
use std::process::Stdio;

use crate::support::Sandbox;

/// Runs `msvc` with `input` on stdin.
fn with_input(
    sandbox: &Sandbox,
    args: &[&str],
    variables: &[(&str, &str)],
    input: &[u8],
) -> String {
    let mut command = sandbox.command(args);
    let mut child = command
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("msvc starts");
    let mut stdin = child.stdin.take().expect("piped");
    // It may have ended without reading.
    let _ = stdin.write_all(input);
    drop(stdin);
    sandbox.render(child.wait_with_output().expect("msvc ends"))
}

fn key(sandbox: &Sandbox) -> String {
    let output = sandbox.command(["secret", "keygen"]).output();
    let output = output.expect("msvc runs");
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).expect("base64")
}

/// `text` with what differs each time cut away.
fn masked(text: &str) -> String {
    let start = text.find("enc:v1:").map(|start| start + "enc:v1:".len());
    let Some(start) = start else {
        return text.to_owned();
    };
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let length = text[start..].find(|c| !is_base64(c));
    let end = length.map_or(text.len(), |length| start + length);
    format!("{}[{}]{}", &text[..start], end - start, &text[end..])
}

#[test]
fn a_value_from_stdin_is_encrypted_with_the_key_of_a_file_or_a_variable() {
    let sandbox = Sandbox::new();
    let key = key(&sandbox);
    std::fs::write(sandbox.path().join("config.key"), &key).expect("written");
    let with_file = ["secret", "encrypt", "--key-file", "config.key"];
    // 12 bytes of nonce, 11 of text without its newline, 16 of tag: 52 characters.
    insta::assert_snapshot!(masked(&with_input(&sandbox, &with_file, &[], b"open sesame\n")), @r"
    exit: 0
    --- stdout ---
    enc:v1:[52]
    ");
    let variable = [("APP_CONFIG_KEY", key.trim())];
    let as_json = ["secret", "encrypt", "--format", "json"];
    insta::assert_snapshot!(masked(&with_input(&sandbox, &as_json, &variable, b"open sesame")), @r#"
    exit: 0
    --- stdout ---
    {
      "value": "enc:v1:[52]"
    }
    "#);
}

#[test]
fn a_key_is_new_each_time() {
    let sandbox = Sandbox::new();
    let (first, second) = (key(&sandbox), key(&sandbox));
    assert_eq!((first.len(), second.len()), (45, 45));
    assert_ne!(first, second);
    let json = sandbox.command(["secret", "keygen", "--format", "json"]);
    let output = { json }.output().expect("msvc runs").stdout;
    let json: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
    assert_eq!(json["key"].as_str().map(str::len), Some(44));
}

#[test]
fn what_is_missing_or_wrong_is_said_and_the_value_is_not() {
    let sandbox = Sandbox::new();
    let encrypt = ["secret", "encrypt"];
    insta::assert_snapshot!(with_input(&sandbox, &encrypt, &[], b"a"), @r"
    exit: 2
    --- stderr ---
    error: there is no key
    hint: name its file by `--key-file`, or set APP_CONFIG_KEY; `msvc secret keygen` makes one
    ");
    let variable = [("APP_CONFIG_KEY", "c2hvcnQ=")];
    insta::assert_snapshot!(with_input(&sandbox, &encrypt, &variable, b"open sesame"), @r"
    exit: 1
    --- stderr ---
    error: the key is not 32 bytes in base64
    hint: `msvc secret keygen` makes one
    ");
    insta::assert_snapshot!(with_input(&sandbox, &encrypt, &variable, b"\n"), @r"
    exit: 2
    --- stderr ---
    error: there is no value on stdin
    hint: hand it over: `msvc secret encrypt < password.txt`
    ");
}

/// Others on the machine can read the arguments of a process.
#[test]
fn a_value_cannot_be_an_argument() {
    let sandbox = Sandbox::new();
    let args = ["secret", "encrypt", "hunter2"];
    insta::assert_snapshot!(with_input(&sandbox, &args, &[], b""), @r"
    exit: 2
    --- stderr ---
    error: unexpected argument 'hunter2' found

    Usage: msvc secret encrypt [OPTIONS]

    For more information, try '--help'.
    ");
}
