//! Instances by a list that does not change: what the names in it resolve to may.

use std::net::SocketAddr;

use super::watch::Instances;
use super::{canonical, dns};

/// Follows the instances at `addresses`, each a `host:port`.
pub(super) fn watch(addresses: Vec<String>) -> Instances {
    let fixed: Option<Vec<SocketAddr>> = addresses.iter().map(|it| it.parse().ok()).collect();
    match fixed {
        Some(fixed) => Instances::follow(&addresses.join(","), |publisher| async move {
            publisher.publish(canonical(fixed.into_iter().map(Into::into).collect()));
            std::future::pending().await
        }),
        None => dns::watch(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(instances: &Instances) -> Option<Vec<String>> {
        let current = instances.current()?;
        Some(current.iter().map(|it| it.address.to_string()).collect())
    }

    #[tokio::test]
    async fn addresses_are_published_in_order_and_once() {
        let list = ["127.0.0.1:2", "127.0.0.1:1", "127.0.0.1:2"];
        let mut instances = watch(list.map(str::to_owned).to_vec());
        instances.changed().await;
        let expected = vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
        assert_eq!(addresses(&instances), Some(expected));
    }

    #[tokio::test]
    async fn an_empty_list_is_an_empty_set() {
        let mut instances = watch(Vec::new());
        instances.changed().await;
        assert_eq!(addresses(&instances), Some(Vec::new()));
    }
}
