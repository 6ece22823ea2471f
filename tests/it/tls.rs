//! `msvc call` and `msvc bench` over TLS.

use tonic::transport::Identity;

use crate::support::Sandbox;
use crate::support::chat::ChatServer;

/// A server for `localhost` with a certificate that only `ca.pem` in the sandbox vouches for.
fn server(sandbox: &Sandbox) -> ChatServer {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(sandbox.path().join("ca.pem"), made.cert.pem()).expect("writable");
    ChatServer::start_tls(Identity::from_pem(
        made.cert.pem(),
        made.signing_key.serialize_pem(),
    ))
}

#[test]
fn a_server_with_a_trusted_certificate_is_called() {
    let sandbox = Sandbox::new();
    let server = server(&sandbox);
    let url = format!("https://localhost:{}", server.port());
    let lobby = r#"{"room": "lobby", "limit": 1}"#;
    insta::assert_snapshot!(
        sandbox.msvc(["call", &url, "WatchRoom", "-d", lobby, "--ca", "ca.pem"]), @r#"
    exit: 0
    --- stdout ---
    {"message":{"id":"1","room":"lobby","author":"ada","text":"hello","sentAt":"2026-01-02T03:04:06Z","kind":"KIND_TEXT"}}
    "#);
    let shown = sandbox.msvc([
        "bench",
        &url,
        "WatchRoom",
        "-d",
        lobby,
        "--ca",
        "ca.pem",
        "-n",
        "200",
        "-q",
    ]);
    assert!(shown.starts_with("exit: 0"), "{shown}");
    assert!(
        shown.contains("\n  OK (0)                            200\n"),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_with_tls_is_told() {
    let sandbox = Sandbox::new();
    let server = server(&sandbox);
    let port = server.port().to_string();
    let shown = |args: &[&str]| sandbox.msvc(args).replace(&port, "[PORT]");
    let url = format!("https://localhost:{port}");
    insta::assert_snapshot!(shown(&["call", &url]), @r"
    exit: 3
    --- stderr ---
    error: cannot speak TLS with https://localhost:[PORT]
      caused by: invalid peer certificate: UnknownIssuer
    hint: use `http://` when the server speaks plaintext, or `--ca FILE` when its certificate is signed by an authority of your own
    ");
    insta::assert_snapshot!(shown(&["call", &format!("localhost:{port}")]), @r"
    exit: 3
    --- stderr ---
    error: localhost:[PORT] does not speak gRPC: it closed the connection at once
    hint: is this the port of the gRPC server? A server that speaks TLS needs `https://`
    ");
    insta::assert_snapshot!(
        shown(&["call", &format!("https://127.0.0.1:{port}"), "--ca", "ca.pem"]), @r#"
    exit: 3
    --- stderr ---
    error: cannot speak TLS with https://127.0.0.1:[PORT]
      caused by: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")
    hint: use `http://` when the server speaks plaintext, or `--ca FILE` when its certificate is signed by an authority of your own
    "#);
    std::fs::write(sandbox.path().join("empty.pem"), "nothing").expect("writable");
    insta::assert_snapshot!(shown(&["call", &url, "--ca", "empty.pem"]), @r"
    exit: 2
    --- stderr ---
    error: `[SANDBOX]/empty.pem` has no certificate to trust
    hint: `--ca` takes a file with certificates in the PEM format
    ");

    let plaintext = ChatServer::start();
    let url = format!("https://localhost:{}", plaintext.port());
    insta::assert_snapshot!(
        sandbox.msvc(["call", &url, "--ca", "ca.pem"]).replace(&plaintext.port().to_string(), "[PORT]"), @r"
    exit: 3
    --- stderr ---
    error: cannot speak TLS with https://localhost:[PORT]
      caused by: received corrupt message of type InvalidContentType
    hint: use `http://` when the server speaks plaintext, or `--ca FILE` when its certificate is signed by an authority of your own
    ");
}
