//! HTTP/1 over TLS: by what client and gateway agree on, and where the client knows of no choice.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::proxy::{mirror, route};
use crate::support::system_with;

#[tokio::test]
async fn http1_over_tls_is_answered_and_passed_on_as_https() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let cert = write("cert.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let mirror = mirror().await;
    let system = system_with(|config, settings| {
        let tls = &mut config.server.tls;
        tls.enabled = true;
        (tls.cert, tls.key) = (Some(cert), Some(key));
        settings.routes = vec![route("/files", format!("static:///{mirror}"), false)];
    })
    .await;

    let mut roots = RootCertStore::empty();
    let own = made.cert.der().clone();
    roots.add(own).expect("a certificate");
    for protocols in [&["http/1.1"][..], &["h2c", "http/1.1"], &[]] {
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let client = client.with_root_certificates(roots.clone());
        let mut client = client.with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(system.gateway.address()).await;
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(client));
        let stream = connector.connect(name, stream.expect("a connection")).await;
        let stream = TokioIo::new(stream.expect("TLS"));
        let (mut sender, connection) = http1::handshake(stream).await.expect("a client");
        tokio::spawn(connection);
        // Both on one connection.
        for (path, expected) in [
            ("/v1/messages/a", "{\"text\":\"a\"}"),
            ("/files", "x-forwarded-proto: https\r\n"),
        ] {
            let request = Request::get(path).header("host", "localhost");
            let request = request.body(Empty::<Bytes>::new()).expect("a request");
            sender.ready().await.expect("a connection");
            let response = sender.send_request(request).await.expect("a response");
            assert_eq!(response.status(), 200, "{path} by {protocols:?}");
            let body = response.into_body().collect().await.expect("a body");
            let body = String::from_utf8(body.to_bytes().to_vec()).expect("UTF-8");
            assert!(body.contains(expected), "{path} by {protocols:?}: {body}");
        }
    }
}
