//! The server's side.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::files::{File, Pem};
use super::reload::{Reloaded, reloaded};
use super::{PeerIdentity, Stream, TlsError, certificate};
use crate::config;

/// HTTP/2, as clients ask for it (RFC 7301).
pub(super) const ALPN: &[u8] = b"h2";

/// The same of HTTP/1.
const HTTP1: &[u8] = b"http/1.1";

/// How long a client that is refused gets to close the connection.
const LINGER: Duration = Duration::from_secs(1);

/// Accepts connections with TLS. Clones share the certificates.
#[derive(Debug, Clone)]
pub(crate) struct ServerTls {
    config: Arc<Reloaded<ServerConfig>>,
}

impl ServerTls {
    /// `None` when it is not enabled. Clients may speak HTTP/1 where `http1` says so. Must be called
    /// in a runtime.
    ///
    /// # Errors
    /// When a file is not named, not readable or not usable.
    pub(crate) fn new(config: &config::ServerTls, http1: bool) -> Result<Option<Self>, TlsError> {
        if !config.enabled {
            return Ok(None);
        }
        let mut files = vec![
            File::required("server.tls.cert", config.cert.as_ref())?,
            File::required("server.tls.key", config.key.as_ref())?,
        ];
        files.extend(File::optional(
            "server.tls.client_ca",
            config.client_ca.as_ref(),
        ));
        let make = if http1 { make_with_http1 } else { make };
        let config = reloaded(files, config.reload.non_zero(), make)?;
        Ok(Some(Self {
            config: Arc::new(config),
        }))
    }

    /// Does the handshake.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(Stream, Option<PeerIdentity>)> {
        let handshake = TlsAcceptor::from(self.config.load()).accept(stream);
        let stream = match handshake.into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                let_go(stream).await;
                return Err(error);
            }
        };
        let (_, session) = stream.get_ref();
        let identity = session.peer_certificates();
        let identity = identity.and_then(|chain| certificate::identity(chain.first()?));
        Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), identity))
    }
}

/// Closes `stream` so that the other side gets to read why: closing it with something unread would
/// reset it, and the alert that is on its way would be lost.
async fn let_go(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut nowhere = tokio::io::sink();
    let rest = tokio::io::copy(&mut stream, &mut nowhere);
    let _ = tokio::time::timeout(LINGER, rest).await;
}

fn make_with_http1(pems: &[Pem]) -> Result<ServerConfig, TlsError> {
    let mut config = make(pems)?;
    config.alpn_protocols.push(HTTP1.to_vec());
    Ok(config)
}

fn make(pems: &[Pem]) -> Result<ServerConfig, TlsError> {
    let [cert, key, client_ca @ ..] = pems else {
        unreachable!("there are a certificate and a key")
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| cert.unusable(error.to_string()))?;
    let builder = match client_ca.first() {
        Some(authority) => {
            let roots = Arc::new(authority.roots()?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| {
                authority.unusable(format!("holds an unusable authority: {error}"))
            })?)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(cert.chain()?, key.key()?)
        .map_err(|error| {
            key.unusable(format!("does not fit {}: {error}", cert.path().display()))
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
