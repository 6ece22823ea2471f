//! What stands for TLS in a build without it: nothing that could exist.

use std::convert::Infallible;
use std::io;

use tokio::net::TcpStream;

use super::{PeerIdentity, Protocol, RegistryKeys, Stream, TlsError};
use crate::config;

/// There is none.
#[derive(Debug, Clone)]
pub(crate) struct ServerTls(Infallible);

impl ServerTls {
    /// # Errors
    /// When the configuration asks for TLS.
    pub(crate) fn new(config: &config::ServerTls, _: bool) -> Result<Option<Self>, TlsError> {
        match config.enabled {
            true => Err(TlsError::not_built("server.tls.enabled")),
            false => Ok(None),
        }
    }

    pub(crate) async fn accept(&self, _: TcpStream) -> io::Result<(Stream, Option<PeerIdentity>)> {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug, Clone)]
pub(crate) struct ClientTls(Infallible);

impl ClientTls {
    /// # Errors
    /// When the configuration asks for TLS.
    pub(crate) fn new(config: &config::ClientTls) -> Result<Option<Self>, TlsError> {
        match config.enabled {
            true => Err(TlsError::not_built("client.tls.enabled")),
            false => Ok(None),
        }
    }

    /// # Errors
    /// Always.
    pub(crate) fn for_registry(
        _: &config::RegistryTls,
        keys: &RegistryKeys,
        _: Protocol,
    ) -> Result<Self, TlsError> {
        Err(TlsError::not_built(keys.address))
    }

    /// # Errors
    /// Always.
    #[cfg(feature = "auth")]
    pub(crate) fn for_https(_: Option<&std::path::PathBuf>) -> Result<Self, TlsError> {
        Err(TlsError::not_built("server.auth.jwks_url"))
    }

    pub(crate) async fn connect(&self, _: TcpStream, _: &str) -> io::Result<Stream> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_tls_is_told_how_to_have_it() {
        let config = config::ServerTls {
            enabled: true,
            ..config::ServerTls::default()
        };
        let error = ServerTls::new(&config, false).expect_err("there is none");
        assert_eq!(
            error.to_string(),
            "`server.tls.enabled` asks for TLS, which this build is without: add \"tls\" to \
             `default` under [features] in crates/chassis/Cargo.toml"
        );
    }
}
