//! From what a registry knows of instances to their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::lookup_host;

use super::{Instance, canonical};

/// Where an instance is, and what is known of it: host, port and metadata.
pub(super) type Parts = (String, u16, BTreeMap<String, String>);

/// The instances at these places: most are IP addresses, some are names.
///
/// # Returns
/// `None` when no instance is left only because of names that do not resolve: that says nothing
/// about the instances.
pub(super) async fn resolve(places: impl IntoIterator<Item = Parts>) -> Option<Arc<[Instance]>> {
    let mut instances = Vec::new();
    let mut failed = false;
    for (host, port, meta) in places {
        if let Ok(ip) = host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, port);
            instances.push(Instance { address, meta });
            continue;
        }
        match lookup_host((host.as_str(), port)).await {
            Ok(addresses) => instances.extend(addresses.map(|address| Instance {
                address,
                meta: meta.clone(),
            })),
            Err(error) => {
                failed = true;
                tracing::warn!(host, %error, "failed to resolve the address of an instance");
            }
        }
    }
    (!failed || !instances.is_empty()).then(|| canonical(instances))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn addresses(hosts: &[&str]) -> Option<Vec<String>> {
        let places = hosts
            .iter()
            .map(|&host| (host.to_owned(), 1, BTreeMap::new()));
        let instances = resolve(places).await?;
        Some(instances.iter().map(|it| it.address.to_string()).collect())
    }

    #[tokio::test]
    async fn addresses_are_put_in_order_and_names_that_do_not_resolve_left_out() {
        let list = ["10.0.0.2", "no such host", "::1", "10.0.0.1"];
        let expected = ["10.0.0.1:1", "10.0.0.2:1", "[::1]:1"];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(addresses(&list).await, Some(expected));
    }

    #[tokio::test]
    async fn nothing_at_all_is_told_from_nothing_that_resolves() {
        assert_eq!(addresses(&[]).await, Some(Vec::new()));
        assert_eq!(addresses(&["no such host"]).await, None);
    }
}
