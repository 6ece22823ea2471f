//! The client's side.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, TlsStream};

use super::files::{File, Pem};
use super::reload::{Reloaded, reloaded};
use super::server::{ALPN, provider};
use super::{Stream, TlsError};
use crate::config;

/// Connects with TLS. Clones share the certificates.
#[derive(Debug, Clone)]
pub(crate) struct ClientTls {
    config: Arc<Reloaded<ClientConfig>>,
    server_name: Option<Arc<str>>,
}

impl ClientTls {
    /// `None` when it is not enabled. Must be called in a runtime.
    ///
    /// # Errors
    /// When a file is not named, not readable or not usable.
    pub(crate) fn new(config: &config::ClientTls) -> Result<Option<Self>, TlsError> {
        if !config.enabled {
            return Ok(None);
        }
        let mut files = Vec::new();
        let has_own = config.cert.is_some() || config.key.is_some();
        if has_own {
            files.push(File::required("client.tls.cert", config.cert.as_ref())?);
            files.push(File::required("client.tls.key", config.key.as_ref())?);
        }
        files.extend(File::optional("client.tls.ca", config.ca.as_ref()));
        let reloaded = reloaded(files, config.reload.non_zero(), move |pems| {
            match (has_own, pems) {
                (true, [cert, key, ca @ ..]) => make(Some((cert, key)), ca.first()),
                (_, ca) => make(None, ca.first()),
            }
        })?;
        Ok(Some(Self {
            config: Arc::new(reloaded),
            server_name: config.server_name.as_deref().map(Arc::from),
        }))
    }

    /// For HTTPS, which is not HTTP/2 here, with the authorities in `ca` or those of the system.
    ///
    /// # Errors
    /// When the file is not readable or not usable.
    #[cfg(feature = "auth")]
    pub(crate) fn for_https(ca: Option<&std::path::PathBuf>) -> Result<Self, TlsError> {
        let files = File::optional("server.auth.jwks_ca", ca)
            .into_iter()
            .collect();
        let reloaded = reloaded(files, None, |pems| {
            let mut config = make(None, pems.first())?;
            config.alpn_protocols.clear();
            Ok(config)
        })?;
        Ok(Self {
            config: Arc::new(reloaded),
            server_name: None,
        })
    }

    /// Does the handshake with a server that is called `host`, unless the configuration has
    /// another name.
    pub(crate) async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<Stream> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = TlsConnector::from(self.config.load())
            .connect(name, stream)
            .await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}

fn make(own: Option<(&Pem, &Pem)>, ca: Option<&Pem>) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(ca) => ca.roots()?,
        None => {
            let mut roots = RootCertStore::empty();
            // What cannot be read of the system's authorities is missing, which the handshake
            // tells.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots);
    let mut config = match own {
        Some((cert, key)) => builder
            .with_client_auth_cert(cert.chain()?, key.key()?)
            .map_err(|error| {
                key.unusable(format!("does not fit {}: {error}", cert.path().display()))
            })?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
