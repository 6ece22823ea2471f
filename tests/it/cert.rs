//! `msvc cert`.

use std::fs;

use crate::support::Sandbox;

#[test]
fn an_authority_and_certificates_are_made_once() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["cert", "user-service", "gateway"]), @r"
    exit: 0
    --- stderr ---
         Created certs/ca.pem, the authority
         Created certs/gateway.pem, spiffe://dev/gateway
         Created certs/user-service.pem, spiffe://dev/user-service
    ");
    let mut names: Vec<String> = fs::read_dir(sandbox.path().join("certs"))
        .expect("made")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ".gitignore",
            "ca.key",
            "ca.pem",
            "gateway.key",
            "gateway.pem",
            "user-service.key",
            "user-service.pem"
        ]
    );

    let authority = fs::read(sandbox.path().join("certs/ca.pem")).expect("made");
    let before = fs::read(sandbox.path().join("certs/gateway.pem")).expect("made");
    insta::assert_snapshot!(sandbox.msvc(["cert", "gateway", "other"]), @r"
    exit: 1
    --- stderr ---
    error: `certs/gateway.pem`, `certs/gateway.key` are there already
    hint: add `--force` to replace them
    ");
    assert!(!sandbox.path().join("certs/other.pem").exists());
    insta::assert_snapshot!(sandbox.msvc(["cert", "gateway", "--force", "--format", "json"]), @r#"
    exit: 0
    --- stdout ---
    {
      "authority": {
        "certificate": "certs/ca.pem",
        "created": false
      },
      "certificates": [
        {
          "service": "gateway",
          "certificate": "certs/gateway.pem",
          "key": "certs/gateway.key",
          "spiffe_id": "spiffe://dev/gateway",
          "days": 365
        }
      ],
      "kept": []
    }
    "#);
    let read = |name: &str| fs::read(sandbox.path().join("certs").join(name)).expect("made");
    assert_ne!(read("gateway.pem"), before);
    assert_eq!(read("ca.pem"), authority);
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let sandbox = Sandbox::new();
    sandbox.msvc(["cert", "user-service"]);
    for (name, mode) in [
        ("ca.key", 0o600),
        ("user-service.key", 0o600),
        ("ca.pem", 0o644),
        ("user-service.pem", 0o644),
    ] {
        let path = sandbox.path().join("certs").join(name);
        let found = fs::metadata(path).expect("made").permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn the_services_of_a_workspace_are_the_default() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.msvc(["cert"]), @r"
    exit: 2
    --- stderr ---
    error: no service was named, and this is not a workspace that has some
    hint: name one: `msvc cert user-service`
    ");
    sandbox.msvc(["new", "user-service", "--yes", "--no-git", "--path", "shop"]);
    insta::assert_snapshot!(sandbox.msvc(["cert", "--project", "shop", "--out", "tls", "--trust-domain", "shop"]), @r#"
    exit: 0
    --- stderr ---
         Created tls/ca.pem, the authority
         Created tls/user-service.pem, spiffe://shop/user-service
    hint: services are built without TLS: add "tls" to `default` under [features] in crates/chassis/Cargo.toml
    "#);
    let key = || fs::read(sandbox.path().join("shop/tls/user-service.key")).expect("made");
    let before = key();
    // It has grown.
    sandbox.msvc(["new", "order-service", "--yes", "--project", "shop"]);
    insta::assert_snapshot!(sandbox.msvc(["cert", "--project", "shop", "--out", "tls", "--trust-domain", "shop"]), @r#"
    exit: 0
    --- stderr ---
           Using tls/ca.pem, the authority
           Fresh tls/user-service.pem
         Created tls/order-service.pem, spiffe://shop/order-service
    hint: services are built without TLS: add "tls" to `default` under [features] in crates/chassis/Cargo.toml
    "#);
    assert_eq!(key(), before);
}

#[test]
fn an_authority_without_its_key_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.msvc(["cert", "user-service"]);
    fs::remove_file(sandbox.path().join("certs/ca.key")).expect("made");
    insta::assert_snapshot!(sandbox.msvc(["cert", "gateway"]), @r"
    exit: 1
    --- stderr ---
    error: `certs/ca.pem` is there and `certs/ca.key` is not
    hint: bring it back, or remove the other to make another authority
    ");
    insta::assert_snapshot!(sandbox.msvc(["cert", "ca"]), @r"
    exit: 2
    --- stderr ---
    error: `ca` is the name of the authority's files
    hint: choose another name
    ");
    insta::assert_snapshot!(sandbox.msvc(["cert", "Gateway"]), @r"
    exit: 2
    --- stderr ---
    error: `Gateway` is not a service name: it must start with a lowercase letter
    hint: try `gateway`
    ");
}

#[test]
fn what_is_made_is_accepted_by_both_sides() {
    use std::sync::Arc;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    };

    let sandbox = Sandbox::new();
    sandbox.msvc(["cert", "user-service"]);
    // The second comes from the authority as it is read again.
    sandbox.msvc(["cert", "gateway"]);
    let path = |name: &str| sandbox.path().join("certs").join(name);
    let certificate = |name: &str| {
        let certificate = CertificateDer::from_pem_file(path(name));
        certificate.expect("a certificate")
    };
    let key = |name: &str| PrivateKeyDer::from_pem_file(path(name)).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("an authority");
    let roots = Arc::new(roots);
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());

    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate("user-service.pem")],
            key("user-service.key"),
        )
        .expect("a pair");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate("gateway.pem")], key("gateway.key"))
        .expect("a pair");

    for name in ["user-service", "localhost", "127.0.0.1", "::1"] {
        let name = name.try_into().expect("a name");
        let mut client = ClientConnection::new(Arc::new(client.clone()), name).expect("a client");
        let mut server = ServerConnection::new(Arc::new(server.clone())).expect("a server");
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).expect("memory");
            server.read_tls(&mut &bytes[..]).expect("memory");
            server
                .process_new_packets()
                .expect("the client is accepted");
            bytes.clear();
            server.write_tls(&mut bytes).expect("memory");
            client.read_tls(&mut &bytes[..]).expect("memory");
            client
                .process_new_packets()
                .expect("the server is accepted");
        }
        assert_eq!(
            server.peer_certificates(),
            Some(&[certificate("gateway.pem")][..])
        );
    }
}
