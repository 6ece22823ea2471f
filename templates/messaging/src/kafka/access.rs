//! How brokers are spoken to: over TLS or not, as a user or not.

use std::fmt;
#[cfg(feature = "kafka-tls")]
use std::sync::Arc;

use rskafka::client::{ClientBuilder, Credentials, SaslConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::unreachable;
use crate::Error;

/// A connection to a broker.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The same for all brokers of a cluster.
#[derive(Clone, Default)]
pub(super) struct Access {
    /// Whom to trust, over TLS.
    #[cfg(feature = "kafka-tls")]
    pub(super) tls: Option<Arc<tokio_rustls::rustls::ClientConfig>>,
    pub(super) user: Option<User>,
}

/// Who says so by a password (SASL PLAIN, RFC 4616).
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl Access {
    pub(super) async fn connect(&self, address: &str) -> Result<Box<dyn Stream>, Error> {
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        #[cfg(feature = "kafka-tls")]
        if let Some(tls) = &self.tls {
            let (host, _) = address.rsplit_once(':').unwrap_or((address, ""));
            let name = host.to_owned().try_into().map_err(unreachable)?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
            let stream = connector.connect(name, stream).await;
            return Ok(Box::new(stream.map_err(unreachable)?));
        }
        Ok(Box::new(stream))
    }

    /// A client that speaks to brokers in the same way.
    pub(super) fn client(&self, address: &str) -> ClientBuilder {
        let client = ClientBuilder::new(vec![address.to_owned()]);
        #[cfg(feature = "kafka-tls")]
        let client = match &self.tls {
            Some(tls) => client.tls_config(Arc::clone(tls)),
            None => client,
        };
        match self.user.clone() {
            Some(User { name, password }) => {
                let credentials = Credentials::new(name, password);
                client.sasl_config(SaslConfig::Plain(credentials))
            }
            None => client,
        }
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
