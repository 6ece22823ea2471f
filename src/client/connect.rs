//! Opening a connection on which gRPC can be spoken: TCP, TLS where asked for, and the check that the
//! other side speaks HTTP/2. Every step is bounded by [`CONNECT_TIMEOUT`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::client::CONNECT_TIMEOUT;
use crate::client::target::Endpoint;
use crate::error::{Diagnostic, Exit};

/// A connection, with or without TLS.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// How TLS is spoken; cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tls")
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("cannot find the host `{host}`")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        #[source]
        source: io::Error,
    },
    /// The connection was refused or failed otherwise.
    #[error("cannot connect to {endpoint}")]
    Tcp {
        /// Where to.
        endpoint: Endpoint,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Nobody answered.
    #[error("cannot connect to {endpoint}: no answer within {}", seconds(.limit))]
    TimedOut {
        /// Where to.
        endpoint: Endpoint,
        /// How long was waited.
        limit: Duration,
    },
    /// The TLS handshake failed.
    #[error("cannot speak TLS with {endpoint}")]
    Tls {
        /// Where to.
        endpoint: Endpoint,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file of trusted certificates is of no use.
    #[error("`{}` has no certificate to trust", .path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Option<tokio_rustls::rustls::pki_types::pem::Error>,
    },
    /// The connection was accepted and then nothing came.
    #[error("{endpoint} accepted the connection but said nothing within {}", seconds(.limit))]
    Silent {
        /// Where to.
        endpoint: Endpoint,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection ended before it could be used.
    #[error("cannot talk to {endpoint}: {problem}")]
    Broken {
        /// Where to.
        endpoint: Endpoint,
        /// What went wrong.
        problem: String,
    },
    /// What came is not HTTP/2.
    #[error("{endpoint} does not speak gRPC: {first}")]
    NotHttp2 {
        /// Where to.
        endpoint: Endpoint,
        /// What came instead.
        first: FirstBytes,
    },
}

fn seconds(limit: &Duration) -> String {
    crate::duration::exact(*limit)
}

impl Diagnostic for ConnectError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Resolve { .. } => "check the host's name",
            Self::Tcp { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there: start the server, or check the port"
            }
            Self::Tcp { .. } | Self::Broken { .. } => return None,
            Self::TimedOut { .. } => "check the address, and whether a firewall is in the way",
            Self::Tls { .. } => {
                "use `http://` when the server speaks plaintext, or `--ca FILE` when its \
                 certificate is signed by an authority of your own"
            }
            Self::Certificates { .. } => "`--ca` takes a file with certificates in the PEM format",
            Self::Silent { .. } => {
                "is it a gRPC server, and is it running (not stopped in a debugger)?"
            }
            Self::NotHttp2 { first, .. } => match first {
                FirstBytes::Tls => "the server speaks TLS: use `https://`",
                FirstBytes::Http1 => {
                    "is this the port of the gRPC server, not of its HTTP endpoint?"
                }
                FirstBytes::Closed => {
                    "is this the port of the gRPC server? A server that speaks TLS needs `https://`"
                }
                FirstBytes::Other(_) => "is this the port of the gRPC server?",
            },
        };
        Some(hint.to_owned())
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Certificates { .. } => Exit::Usage,
            _ => Exit::Unreachable,
        }
    }
}

impl Tls {
    /// Trusts the authorities in the PEM file `ca`, or those of the operating system.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn new(ca: Option<&Path>) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = ca {
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
        } else {
            // What cannot be read of the system's authorities is missing, which the handshake tells.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// A connection whose other side has not spoken yet.
pub struct Opened {
    /// The bytes.
    pub transport: Sniffed<Box<dyn Transport>>,
    /// To wait for once the HTTP/2 preface is on its way.
    pub greeting: Greeting,
}

/// Opens a connection; `tls` is used when the endpoint asks for TLS.
///
/// # Errors
/// [`ConnectError`] with what to do about it.
pub async fn open(endpoint: &Endpoint, tls: Option<&Tls>) -> Result<Opened, ConnectError> {
    let timed_out = |_| ConnectError::TimedOut {
        endpoint: endpoint.clone(),
        limit: CONNECT_TIMEOUT,
    };
    let tcp = timeout(CONNECT_TIMEOUT, open_tcp(endpoint))
        .await
        .map_err(timed_out)??;
    let transport: Box<dyn Transport> = match tls.filter(|_| endpoint.tls) {
        None => Box::new(tcp),
        Some(tls) => {
            let failed = |source| ConnectError::Tls {
                endpoint: endpoint.clone(),
                source,
            };
            let name = ServerName::try_from(endpoint.host.clone())
                .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
            let handshake = TlsConnector::from(Arc::clone(&tls.0)).connect(name, tcp);
            let stream = timeout(CONNECT_TIMEOUT, handshake)
                .await
                .map_err(timed_out)?
                .map_err(failed)?;
            Box::new(stream)
        }
    };
    let (told, heard) = oneshot::channel();
    Ok(Opened {
        transport: Sniffed {
            inner: transport,
            first: Vec::new(),
            told: Some(told),
        },
        greeting: Greeting {
            endpoint: endpoint.clone(),
            heard,
        },
    })
}

async fn open_tcp(endpoint: &Endpoint) -> Result<TcpStream, ConnectError> {
    let addresses = lookup_host((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|source| ConnectError::Resolve {
            host: endpoint.host.clone(),
            source,
        })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request must not wait for the answer to the one before it.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Tcp {
        endpoint: endpoint.clone(),
        source: last,
    })
}

/// The other side's first words on a connection.
pub struct Greeting {
    endpoint: Endpoint,
    heard: oneshot::Receiver<Option<FirstBytes>>,
}

impl Greeting {
    /// Waits until the other side has proved that it speaks HTTP/2: its first frame must be SETTINGS
    /// (RFC 9113, section 3.4). The preface must have been sent, for some servers wait for it.
    ///
    /// # Errors
    /// [`ConnectError::Silent`] or [`ConnectError::NotHttp2`].
    pub async fn wait(self) -> Result<(), ConnectError> {
        let first = match timeout(CONNECT_TIMEOUT, self.heard).await {
            Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(first))) => first,
            // The connection was dropped before its first read.
            Ok(Err(_)) => FirstBytes::Closed,
            Err(_) => {
                return Err(ConnectError::Silent {
                    endpoint: self.endpoint,
                    limit: CONNECT_TIMEOUT,
                });
            }
        };
        Err(ConnectError::NotHttp2 {
            endpoint: self.endpoint,
            first,
        })
    }
}

/// What came instead of an HTTP/2 SETTINGS frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstBytes {
    /// The end of the connection.
    Closed,
    /// An answer in HTTP/1.
    Http1,
    /// A TLS record: the server expects TLS.
    Tls,
    /// Anything else.
    Other(Vec<u8>),
}

impl fmt::Display for FirstBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("it closed the connection at once"),
            Self::Http1 => formatter.write_str("it answered in HTTP/1"),
            Self::Tls => formatter.write_str("it answered in TLS"),
            Self::Other(bytes) => {
                write!(
                    formatter,
                    "its first bytes are \"{}\"",
                    bytes.escape_ascii()
                )
            }
        }
    }
}

/// How many bytes tell what is spoken: the header of an HTTP/2 frame.
const FRAME_HEADER: usize = 9;

/// `None` when the bytes are the header of a SETTINGS frame; shorter ones are a connection that ended.
fn judge(bytes: &[u8]) -> Option<FirstBytes> {
    const SETTINGS: u8 = 4;
    match bytes {
        [_, _, _, SETTINGS, 0, 0, 0, 0, 0, ..] => None,
        [] => Some(FirstBytes::Closed),
        _ if bytes.starts_with(b"HTTP/") => Some(FirstBytes::Http1),
        // A record of type alert or handshake, of TLS 1.x or SSL 3.
        [0x15 | 0x16, 3, 0..=4, ..] => Some(FirstBytes::Tls),
        _ => Some(FirstBytes::Other(bytes.to_vec())),
    }
}

/// A connection that tells what its first bytes were.
pub struct Sniffed<T> {
    inner: T,
    first: Vec<u8>,
    told: Option<oneshot::Sender<Option<FirstBytes>>>,
}

impl<T> Sniffed<T> {
    fn hear(&mut self, bytes: &[u8], ended: bool) {
        let wanted = FRAME_HEADER - self.first.len();
        self.first
            .extend_from_slice(&bytes[..bytes.len().min(wanted)]);
        if (ended || self.first.len() == FRAME_HEADER)
            && let Some(told) = self.told.take()
        {
            // Nobody may be waiting any more.
            let _ = told.send(judge(&self.first));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Sniffed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.told.is_some() && read.is_ready() {
            let bytes = &buffer.filled()[before..];
            let ended = bytes.is_empty() || matches!(read, Poll::Ready(Err(_)));
            self.hear(bytes, ended);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Sniffed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        assert_eq!(judge(&[0, 0, 18, 4, 0, 0, 0, 0, 0]), None);
        assert_eq!(judge(b""), Some(FirstBytes::Closed));
        assert_eq!(judge(b"HTTP/1.1 "), Some(FirstBytes::Http1));
        assert_eq!(judge(&[0x15, 3, 3, 0, 2, 2, 70]), Some(FirstBytes::Tls));
        assert_eq!(
            judge(b"220 smtp\n").expect("not HTTP/2").to_string(),
            r#"its first bytes are "220 smtp\n""#
        );
    }
}
