//! Certificates and keys in files.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use super::certificate;
use crate::telemetry::Utc;

/// A file that a setting names.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
}

impl File {
    pub(super) fn optional(setting: &'static str, path: Option<&PathBuf>) -> Option<Self> {
        let path = path?.clone();
        Some(Self { setting, path })
    }

    /// # Errors
    /// [`TlsError::Missing`]
    pub(super) fn required(
        setting: &'static str,
        path: Option<&PathBuf>,
    ) -> Result<Self, TlsError> {
        Self::optional(setting, path).ok_or(TlsError::Missing { setting })
    }

    /// # Errors
    /// [`TlsError::Unreadable`]
    pub(super) fn read(&self) -> Result<Pem, TlsError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(Pem {
                file: self.clone(),
                bytes,
            }),
            Err(source) => Err(TlsError::Unreadable {
                setting: self.setting,
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// What is in a file.
#[derive(Debug)]
pub(super) struct Pem {
    file: File,
    pub(super) bytes: Vec<u8>,
}

impl Pem {
    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// An error that names the file.
    pub(super) fn unusable(&self, problem: impl Into<String>) -> TlsError {
        TlsError::Unusable {
            setting: self.file.setting,
            path: self.file.path.clone(),
            problem: problem.into(),
        }
    }

    /// The certificates, the server's or client's own first; that one must be valid now.
    ///
    /// # Errors
    /// [`TlsError::Unusable`]
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = self.certificates()?;
        if let Some(validity) = chain.first().and_then(|own| certificate::validity(own)) {
            let now = SystemTime::now();
            if validity.until < now {
                let until = Utc::from(validity.until).date_time();
                return Err(self.unusable(format!("holds a certificate that expired at {until}")));
            }
            if validity.from > now {
                let from = Utc::from(validity.from).date_time();
                return Err(self.unusable(format!("holds a certificate that is valid from {from}")));
            }
        }
        Ok(chain)
    }

    /// # Errors
    /// [`TlsError::Unusable`]
    pub(super) fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots
                .add(certificate)
                .map_err(|error| self.unusable(format!("holds an unusable authority: {error}")))?;
        }
        Ok(roots)
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, pem::Error> =
            CertificateDer::pem_slice_iter(&self.bytes).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err(self.unusable("holds no certificate in the PEM format"))
            }
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(self.unusable(format!("is not in the PEM format: {error}"))),
        }
    }

    /// # Errors
    /// [`TlsError::Unusable`]
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        match PrivateKeyDer::from_pem_slice(&self.bytes) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => {
                Err(self.unusable("holds no private key in the PEM format"))
            }
            // What the parser says may quote the file.
            Err(_) => Err(self.unusable("is not in the PEM format")),
        }
    }
}
