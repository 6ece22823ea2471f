//! `msvc call` and `msvc bench` over TLS.

use tonic::transport::{Certificate, Identity};

use crate::support::chat::ChatServer;
use crate::support::{Sandbox, stubs};

/// A server for `localhost` with a certificate that only `ca.pem` in the sandbox vouches for.
fn server(sandbox: &Sandbox) -> ChatServer {
    server_for(sandbox, "localhost")
}

fn server_for(sandbox: &Sandbox, name: &str) -> ChatServer {
    let names = vec![name.to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(sandbox.path().join("ca.pem"), made.cert.pem()).expect("writable");
    ChatServer::start_tls(Identity::from_pem(
        made.cert.pem(),
        made.signing_key.serialize_pem(),
    ))
}

#[test]
fn who_names_an_authority_calls_a_service_by_its_name_over_tls() {
    let sandbox = Sandbox::new();
    let server = server_for(&sandbox, "127.0.0.1");
    let registry = stubs::consul("chat-service", server.port(), &[]);
    let lobby = r#"{"room": "lobby", "limit": 1}"#;
    let call = |authority: &[&str]| {
        let args = ["call", "chat-service", "WatchRoom", "-d", lobby];
        let mut command = sandbox.command(args.iter().chain(authority));
        command.env("CONSUL_HTTP_ADDR", registry.address());
        sandbox.render(command.output().expect("msvc starts"))
    };
    let called = call(&["--ca", "ca.pem"]);
    assert!(called.starts_with("exit: 0"), "{called}");
    let hint = "hint: the server speaks TLS: use `https://`, or `--ca FILE` with a service's name";
    let refused = call(&[]);
    assert!(refused.contains(hint), "{refused}");
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
    error: localhost:[PORT] does not speak gRPC: it answered in TLS
    hint: the server speaks TLS: use `https://`, or `--ca FILE` with a service's name
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

/// A server that wants to know its clients, with `certs/client.pem` as what it trusts; `other/` is of an
/// authority that it does not know.
fn strict_server(sandbox: &Sandbox) -> ChatServer {
    for args in [
        &["cert", "server", "client"][..],
        &["cert", "client", "--out", "other"],
    ] {
        let made = sandbox.msvc(args.iter().chain(&["-q"]));
        assert!(made.starts_with("exit: 0"), "{made}");
    }
    let read = |name: &str| std::fs::read(sandbox.path().join("certs").join(name)).expect("made");
    ChatServer::start_mutual_tls(
        Identity::from_pem(read("server.pem"), read("server.key")),
        Certificate::from_pem(read("ca.pem")),
    )
}

#[test]
fn a_server_that_wants_to_know_its_clients_is_called_and_benched() {
    let sandbox = Sandbox::new();
    let server = strict_server(&sandbox);
    let url = format!("https://localhost:{}", server.port());
    let trust = ["--ca", "certs/ca.pem"];
    let own = ["--cert", "certs/client.pem", "--key", "certs/client.key"];
    let watch = ["WatchRoom", "-d", r#"{"room": "lobby", "limit": 1}"#];
    let call = [&["call", &url][..], &watch, &trust, &own].concat();
    let shown = sandbox.msvc(call);
    assert!(shown.starts_with("exit: 0"), "{shown}");
    for engine in ["native", "h2"] {
        let load = ["-n", "200", "-q", "--connections", "3", "--engine", engine];
        let bench = [&["bench", &url][..], &watch, &trust, &own, &load].concat();
        let shown = sandbox.msvc(bench);
        assert!(shown.starts_with("exit: 0"), "{shown}");
        let ok = "\n  OK (0)                            200\n";
        assert!(shown.contains(ok), "{shown}");
    }
}

#[test]
fn what_is_wrong_with_the_clients_certificate_is_told() {
    let sandbox = Sandbox::new();
    let server = strict_server(&sandbox);
    let port = server.port().to_string();
    let url = format!("https://localhost:{port}");
    let shown = |args: &[&str]| {
        let all = [&["call", &url, "--ca", "certs/ca.pem"], args].concat();
        sandbox.msvc(all).replace(&port, "[PORT]")
    };
    insta::assert_snapshot!(shown(&[]), @r"
    exit: 3
    --- stderr ---
    error: cannot speak TLS with https://localhost:[PORT]
      caused by: received fatal alert: CertificateRequired
    hint: the server wants to know its clients: `--cert FILE` and `--key FILE` have the certificate and its key
    ");
    insta::assert_snapshot!(shown(&["--cert", "other/client.pem", "--key", "other/client.key"]), @r"
    exit: 3
    --- stderr ---
    error: cannot speak TLS with https://localhost:[PORT]
      caused by: received fatal alert: DecryptError
    hint: the server does not trust the authority that signed the certificate in `--cert`
    ");
    insta::assert_snapshot!(shown(&["--cert", "certs/client.pem", "--key", "certs/server.key"]), @r"
    exit: 2
    --- stderr ---
    error: the key in `[SANDBOX]/certs/server.key` is not that of the certificate in `[SANDBOX]/certs/client.pem`
      caused by: keys may not be consistent: KeyMismatch
    hint: `--cert` takes a file with the certificate (and those between it and the authority), `--key` one with its key, both in the PEM format
    ");
    insta::assert_snapshot!(shown(&["--cert", "certs/client.key", "--key", "certs/client.key"]), @r"
    exit: 2
    --- stderr ---
    error: `[SANDBOX]/certs/client.key` has no certificate
      caused by: no items found
    hint: `--cert` takes a file with the certificate (and those between it and the authority), `--key` one with its key, both in the PEM format
    ");
    insta::assert_snapshot!(shown(&["--cert", "certs/client.pem", "--key", "certs/client.pem"]), @r"
    exit: 2
    --- stderr ---
    error: `[SANDBOX]/certs/client.pem` has no key
      caused by: no items found
    hint: `--cert` takes a file with the certificate (and those between it and the authority), `--key` one with its key, both in the PEM format
    ");
    insta::assert_snapshot!(shown(&["--cert", "nowhere.pem", "--key", "certs/client.key"]), @r"
    exit: 2
    --- stderr ---
    error: `[SANDBOX]/nowhere.pem` has no certificate
      caused by: I/O error: No such file or directory (os error 2)
    hint: `--cert` takes a file with the certificate (and those between it and the authority), `--key` one with its key, both in the PEM format
    ");
    insta::assert_snapshot!(shown(&["--cert", "certs/client.pem"]), @r"
    exit: 2
    --- stderr ---
    error: the following required arguments were not provided:
      --key <FILE>

    Usage: msvc call --cert <FILE> --key <FILE> --ca <FILE> <TARGET> [METHOD]

    For more information, try '--help'.
    ");
}
