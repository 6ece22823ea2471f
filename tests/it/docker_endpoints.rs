//! Engines where Docker's own command line finds them: each is scripted, and says its version alone.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::support::Sandbox;

/// Answers requests until the client goes.
fn serve(mut stream: impl Read + Write) {
    let body = r#"{"Version": "20.10.24", "ApiVersion": "1.41"}"#;
    let mut request = [0; 4096];
    while let Ok(1..) = stream.read(&mut request) {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// An engine on a port.
fn on_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}

/// An engine on a port that wants to see a certificate; `ca.pem`, `cert.pem` and `key.pem` for it are
/// in the folder.
fn over_tls(folder: &std::path::Path) -> u16 {
    let names = vec!["127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for (file, text) in [
        ("ca.pem", &certificate),
        ("cert.pem", &certificate),
        ("key.pem", &key),
    ] {
        fs::write(folder.join(file), text).expect("writable");
    }
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).expect("a certificate");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(chain, key);
    let config = Arc::new(config.expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(config.clone()).expect("a session");
            serve(StreamOwned::new(session, stream));
        }
    });
    port
}

fn home(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().with_file_name("home")
}

/// What `msvc doctor` says of Docker with these variables.
fn docker(sandbox: &Sandbox, variables: &[(&str, &str)]) -> String {
    let mut command = sandbox.command(["doctor", "--format", "json"]);
    command.envs(variables.iter().copied());
    let output = command.output().expect("msvc starts");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = told["findings"].as_array().expect("a list");
    let docker = findings.iter().find(|it| it["name"] == "Docker");
    let detail = docker.and_then(|it| it["detail"].as_str());
    detail.expect("a text").to_owned()
}

#[test]
fn an_engine_is_reached_over_tcp_and_tls() {
    let sandbox = Sandbox::new();
    let address = format!("tcp://127.0.0.1:{}", on_port());
    assert_eq!(
        docker(&sandbox, &[("DOCKER_HOST", &address)]),
        format!("engine 20.10.24 at {address}")
    );

    let folder = sandbox.path();
    let certificates = folder.display().to_string();
    let address = format!("tcp://127.0.0.1:{}", over_tls(&folder));
    let variables = [
        ("DOCKER_HOST", address.as_str()),
        ("DOCKER_TLS_VERIFY", "1"),
        ("DOCKER_CERT_PATH", certificates.as_str()),
    ];
    assert_eq!(
        docker(&sandbox, &variables),
        format!("engine 20.10.24 at {address}")
    );
    // Without a certificate nobody is let in.
    let refused = docker(&sandbox, &variables[..1]);
    let expected = format!("no Docker engine answers at {address} (DOCKER_HOST): ");
    assert!(refused.starts_with(&expected), "{refused}");
}

#[test]
fn an_engine_is_reached_by_a_docker_context() {
    let sandbox = Sandbox::new();
    let address = format!("tcp://127.0.0.1:{}", on_port());
    let hex = digest(&SHA256, b"elsewhere");
    let hex: String = hex.as_ref().iter().map(|it| format!("{it:02x}")).collect();
    let folder = home(&sandbox).join(".docker/contexts/meta").join(hex);
    fs::create_dir_all(&folder).expect("a folder");
    let meta = format!(
        "{{\"Name\": \"elsewhere\", \"Endpoints\": {{\"docker\": {{\"Host\": \"{address}\"}}}}}}"
    );
    fs::write(folder.join("meta.json"), meta).expect("writable");
    let expected = format!("engine 20.10.24 at {address}");
    assert_eq!(
        docker(&sandbox, &[("DOCKER_CONTEXT", "elsewhere")]),
        expected
    );
    let config = home(&sandbox).join(".docker/config.json");
    fs::write(config, "{\"currentContext\": \"elsewhere\"}").expect("writable");
    assert_eq!(docker(&sandbox, &[]), expected);
    assert_eq!(
        docker(&sandbox, &[("DOCKER_CONTEXT", "gone")]),
        "the docker context `gone` does not exist"
    );
}

#[test]
fn an_engine_is_found_by_its_usual_socket() {
    if std::path::Path::new("/var/run/docker.sock").exists() {
        // It comes before all others, and belongs to somebody.
        return;
    }
    let sandbox = Sandbox::new();
    let socket = home(&sandbox).join(".colima/default/docker.sock");
    fs::create_dir_all(socket.parent().expect("a folder")).expect("made");
    let listener = UnixListener::bind(&socket).expect("a socket");
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    assert_eq!(
        docker(&sandbox, &[]),
        format!("engine 20.10.24 at unix://{}", socket.display())
    );
    let runtime = sandbox.path().display().to_string();
    let podman = sandbox.path().join("podman/podman.sock");
    fs::create_dir_all(podman.parent().expect("a folder")).expect("made");
    fs::remove_file(&socket).expect("there");
    let listener = UnixListener::bind(&podman).expect("a socket");
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    assert_eq!(
        docker(&sandbox, &[("XDG_RUNTIME_DIR", &runtime)]),
        format!("engine 20.10.24 at unix://{}", podman.display())
    );
}
