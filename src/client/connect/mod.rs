//! Opening a connection on which gRPC can be spoken: TCP, TLS where asked for, and the check that the
//! other side speaks HTTP/2. Every step is bounded by [`CONNECT_TIMEOUT`].

mod greeting;
mod tls;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem;

use crate::client::CONNECT_TIMEOUT;
use crate::client::target::Endpoint;
use crate::error::{Diagnostic, Exit};

pub use greeting::{FirstBytes, Greeting, Sniffed};
pub use tls::{Identity, Tls};

/// How much is read below TLS at a time.
const TLS_BUFFER: usize = 64 << 10;

/// A connection, with or without TLS.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

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
        source: Option<pem::Error>,
    },
    /// A file of the client's own certificate is of no use.
    #[error("`{}` has no {what}", .path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The client's certificate and its key do not go together.
    #[error("the key in `{}` is not that of the certificate in `{}`", .key.display(), .certificate.display())]
    Pair {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
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
            Self::Tls { source, .. } if tls::wants_certificate(source) => {
                "the server wants to know its clients: `--cert FILE` and `--key FILE` have the certificate \
                 and its key"
            }
            Self::Tls { source, .. } if tls::refuses_certificate(source) => {
                "the server does not trust the authority that signed the certificate in `--cert`"
            }
            Self::Tls { .. } => {
                "use `http://` when the server speaks plaintext, or `--ca FILE` when its \
                 certificate is signed by an authority of your own"
            }
            Self::Certificates { .. } => "`--ca` takes a file with certificates in the PEM format",
            Self::Identity { .. } | Self::Pair { .. } => {
                "`--cert` takes a file with the certificate (and those between it and the authority), \
                 `--key` one with its key, both in the PEM format"
            }
            Self::Silent { .. } => {
                "is it a gRPC server, and is it running (not stopped in a debugger)?"
            }
            Self::NotHttp2 { first, .. } => match first {
                FirstBytes::Tls => {
                    "the server speaks TLS: use `https://`, or `--ca FILE` with a service's name"
                }
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
            Self::Certificates { .. } | Self::Identity { .. } | Self::Pair { .. } => Exit::Usage,
            _ => Exit::Unreachable,
        }
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
            // TLS asks for a few kilobytes at a time: the system is asked for all that there is.
            let tcp = BufReader::with_capacity(TLS_BUFFER, tcp);
            let stream = timeout(CONNECT_TIMEOUT, tls.connect(&endpoint.host, tcp))
                .await
                .map_err(timed_out)?
                .map_err(|source| ConnectError::Tls {
                    endpoint: endpoint.clone(),
                    source,
                })?;
            Box::new(stream)
        }
    };
    let (transport, greeting) = greeting::sniff(transport, endpoint);
    Ok(Opened {
        transport,
        greeting,
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
