//! Who is on the other side of a connection.

use std::sync::Arc;

/// Who a client is, by the certificate that it showed and that was verified. In the extensions of
/// requests when `server.tls.client_ca` is set. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity(Arc<Names>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) uris: Vec<String>,
    pub(super) dns_names: Vec<String>,
    pub(super) common_name: Option<String>,
}

impl PeerIdentity {
    #[cfg(feature = "tls")]
    pub(super) fn new(names: Names) -> Self {
        Self(Arc::new(names))
    }

    /// Its SPIFFE ID, as in `spiffe://shop/user-service`: the one URI of a certificate that has
    /// exactly one, which is of that scheme (SPIFFE X.509-SVID, section 2).
    #[must_use]
    pub fn spiffe_id(&self) -> Option<&str> {
        match self.uris() {
            [uri] if uri.starts_with("spiffe://") => Some(uri),
            _ => None,
        }
    }

    /// The URIs of its subject alternative names.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.0.uris
    }

    /// The DNS names of its subject alternative names.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }

    /// The common name of its subject. Authorities that know better leave it empty.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    fn identity(uris: &[&str]) -> PeerIdentity {
        PeerIdentity::new(Names {
            uris: uris.iter().copied().map(str::to_owned).collect(),
            dns_names: Vec::new(),
            common_name: None,
        })
    }

    #[test]
    fn a_spiffe_id_is_the_only_uri() {
        let id = "spiffe://shop/user-service";
        assert_eq!(identity(&[id]).spiffe_id(), Some(id));
        assert_eq!(identity(&[]).spiffe_id(), None);
        assert_eq!(identity(&[id, id]).spiffe_id(), None);
        assert_eq!(identity(&["https://shop"]).spiffe_id(), None);
    }
}
