//! TLS and mutual TLS, with certificates that are read again when their files change.
//!
//! | setting | what it does |
//! |---|---|
//! | `[server.tls]` `enabled`, `cert`, `key` | the gRPC server speaks TLS |
//! | `[server.tls]` `client_ca` | and asks clients for a certificate (mutual TLS) |
//! | `[client.tls]` `enabled`, `ca` | other services are called over TLS |
//! | `[client.tls]` `cert`, `key` | with a certificate of this one |
//! | `https://` addresses in `[registry]` | registries are asked over TLS, by `[registry.consul.tls]`, … |
//!
//! A handler knows its caller by [`PeerIdentity`]:
//!
//! ```
//! use chassis::tls::PeerIdentity;
//! # fn f(request: tonic::Request<()>) {
//! let peer = request.extensions().get::<PeerIdentity>();
//! let name = peer.and_then(|peer| peer.spiffe_id());
//! # }
//! ```
//!
//! It is the Cargo feature `tls`. The cryptography is `ring`'s. Built without it, a service that is
//! configured for TLS does not start.

mod error;
mod identity;
mod stream;

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod files;
#[cfg(feature = "tls")]
mod reload;
#[cfg(feature = "tls")]
mod server;

#[cfg(not(feature = "tls"))]
mod off;

pub use error::TlsError;
pub use identity::PeerIdentity;

pub(crate) use stream::Stream;

/// What is spoken inside of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// It is what is spoken unless something else is agreed on (ALPN).
    Http1,
    Http2,
}

/// The keys of the settings of TLS to a registry.
#[derive(Debug)]
pub(crate) struct RegistryKeys {
    /// The one whose value asks for TLS.
    #[cfg_attr(feature = "tls", expect(dead_code, reason = "for a build without TLS"))]
    pub(crate) address: &'static str,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "for a build with TLS")
    )]
    pub(crate) ca: &'static str,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "for a build with TLS")
    )]
    pub(crate) cert: &'static str,
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "for a build with TLS")
    )]
    pub(crate) key: &'static str,
}

#[cfg(feature = "tls")]
pub(crate) use {client::ClientTls, server::ServerTls};

#[cfg(not(feature = "tls"))]
pub(crate) use off::{ClientTls, ServerTls};
