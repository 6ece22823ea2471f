//! TLS: whom the client trusts, and who it is.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, ClientConfig, Error, RootCertStore};

use super::ConnectError;

/// How TLS is spoken; cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls")
    }
}

/// Where the client's own certificate and its key are, for servers that want to know their clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The PEM file with the certificate and those between it and the authority.
    pub certificate: PathBuf,
    /// The PEM file with the key.
    pub key: PathBuf,
}

impl Tls {
    /// Trusts the authorities in the PEM file `ca`, or those of the operating system, and is `identity`.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn new(ca: Option<&Path>, identity: Option<&Identity>) -> Result<Self, ConnectError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_root_certificates(roots(ca)?);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (certificates, key) = read(identity)?;
                builder
                    .with_client_auth_cert(certificates, key)
                    .map_err(|source| ConnectError::Pair {
                        certificate: identity.certificate.clone(),
                        key: identity.key.clone(),
                        source,
                    })?
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// Speaks TLS with `host` on a connection.
    pub(super) async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        transport: T,
    ) -> io::Result<TlsStream<T>> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(Arc::clone(&self.0))
            .connect(name, transport)
            .await
    }
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        // What cannot be read of the system's authorities is missing, which the handshake tells.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let unusable = |source| ConnectError::Certificates {
        path: path.to_owned(),
        source,
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(Some(error)))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(Some(error)))?;
        roots.add(certificate).map_err(|_| unusable(None))?;
    }
    if roots.is_empty() {
        return Err(unusable(None));
    }
    Ok(roots)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(identity: &Identity) -> Result<Pair, ConnectError> {
    let unusable = |path: &Path, what| {
        let path = path.to_owned();
        move |source| ConnectError::Identity { path, what, source }
    };
    let Identity { certificate, key } = identity;
    // The first says whether there is any.
    CertificateDer::from_pem_file(certificate).map_err(unusable(certificate, "certificate"))?;
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(unusable(certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unusable(key, "key"))?;
    Ok((certificates, key))
}

/// The error of TLS within one of I/O.
pub(super) fn error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// An error to tell somebody else of.
pub(super) fn copy(original: &io::Error) -> io::Error {
    match error(original) {
        Some(error) => io::Error::new(original.kind(), error.clone()),
        None => io::Error::new(original.kind(), original.to_string()),
    }
}

/// Whether the server ended the handshake for want of a certificate of the client's.
pub(super) fn wants_certificate(failure: &io::Error) -> bool {
    let alert = AlertDescription::CertificateRequired;
    matches!(error(failure), Some(Error::AlertReceived(received)) if *received == alert)
}

/// Whether it did because of the client's certificate.
pub(super) fn refuses_certificate(failure: &io::Error) -> bool {
    use AlertDescription as Alert;
    matches!(
        error(failure),
        Some(Error::AlertReceived(
            Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::DecryptError
        ))
    )
}
