//! The client's side.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, TlsStream};

use super::files::{File, Pem};
use super::reload::{Reloaded, reloaded};
use super::server::{ALPN, provider};
use super::{Protocol, RegistryKeys, Stream, TlsError};
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
        let own = [
            ("client.tls.cert", config.cert.as_ref()),
            ("client.tls.key", config.key.as_ref()),
        ];
        let ca = ("client.tls.ca", config.ca.as_ref());
        let made = from_files(own, ca, config.reload, Protocol::Http2)?;
        Ok(Some(Self {
            config: Arc::new(made),
            server_name: config.server_name.as_deref().map(Arc::from),
        }))
    }

    /// For a registry whose address is `https://`, named by `keys` in errors. Must be called in a
    /// runtime.
    ///
    /// # Errors
    /// When a file is not named, not readable or not usable.
    pub(crate) fn for_registry(
        config: &config::RegistryTls,
        keys: &RegistryKeys,
        protocol: Protocol,
    ) -> Result<Self, TlsError> {
        let own = [
            (keys.cert, config.cert.as_ref()),
            (keys.key, config.key.as_ref()),
        ];
        let made = from_files(own, (keys.ca, config.ca.as_ref()), config.reload, protocol)?;
        Ok(Self {
            config: Arc::new(made),
            server_name: config.server_name.as_deref().map(Arc::from),
        })
    }

    /// For HTTPS, which is not HTTP/2 here, with the authorities in `ca` or those of the system.
    ///
    /// # Errors
    /// When the file is not readable or not usable.
    #[cfg(feature = "auth")]
    pub(crate) fn for_https(ca: Option<&PathBuf>) -> Result<Self, TlsError> {
        let ca = ("server.auth.jwks_ca", ca);
        let own = [("", None), ("", None)];
        let made = from_files(own, ca, config::Duration::default(), Protocol::Http1)?;
        Ok(Self {
            config: Arc::new(made),
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

/// A file, if there is one, and the key that names it.
type Named<'a> = (&'static str, Option<&'a PathBuf>);

/// Of a certificate with its key, and of authorities.
fn from_files(
    own: [Named<'_>; 2],
    ca: Named<'_>,
    reload: config::Duration,
    protocol: Protocol,
) -> Result<Reloaded<ClientConfig>, TlsError> {
    let mut files = Vec::new();
    let has_own = own.iter().any(|(_, path)| path.is_some());
    if has_own {
        for (setting, path) in own {
            files.push(File::required(setting, path)?);
        }
    }
    files.extend(File::optional(ca.0, ca.1));
    // Nothing has to be looked at again where there is no file.
    let every = reload.non_zero().filter(|_| !files.is_empty());
    reloaded(files, every, move |pems| match (has_own, pems) {
        (true, [cert, key, ca @ ..]) => make(Some((cert, key)), ca.first(), protocol),
        (_, ca) => make(None, ca.first(), protocol),
    })
}

fn make(
    own: Option<(&Pem, &Pem)>,
    ca: Option<&Pem>,
    protocol: Protocol,
) -> Result<ClientConfig, TlsError> {
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
    config.alpn_protocols = match protocol {
        Protocol::Http2 => vec![ALPN.to_vec()],
        Protocol::Http1 => Vec::new(),
    };
    Ok(config)
}
