//! Instances by name: every name is resolved, again and again.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;

use super::canonical;
use super::watch::{Instances, Publisher};
use crate::backoff::Backoff;

/// How often names are resolved. The system's resolver does not say how long an answer is valid;
/// gRPC's own resolvers do not ask more than twice a minute (gRFC A61 keeps that limit).
const INTERVAL: Duration = Duration::from_secs(30);

const MIN_BACKOFF: Duration = Duration::from_millis(500);

/// Follows what `addresses`, each a `host:port`, resolve to. Names that do not resolve keep what
/// they resolved to last.
pub(super) fn watch(addresses: Vec<String>) -> Instances {
    Instances::follow(&addresses.join(","), |publisher| {
        follow(addresses, publisher)
    })
}

async fn follow(addresses: Vec<String>, publisher: Publisher) {
    let mut known: Vec<Vec<SocketAddr>> = vec![Vec::new(); addresses.len()];
    let mut backoff = Backoff::new(MIN_BACKOFF, INTERVAL);
    loop {
        let mut failed = false;
        for (address, known) in addresses.iter().zip(&mut known) {
            match lookup_host(address.as_str()).await {
                Ok(resolved) => *known = resolved.collect(),
                Err(error) => {
                    failed = true;
                    tracing::warn!(address, %error, "failed to resolve a name, the last addresses stay");
                }
            }
        }
        if known.iter().any(|addresses| !addresses.is_empty()) {
            publisher.publish(canonical(
                known.iter().flatten().copied().map(Into::into).collect(),
            ));
        }
        if failed {
            tokio::time::sleep(backoff.delay()).await;
        } else {
            backoff.reset();
            tokio::time::sleep(INTERVAL).await;
        }
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
    async fn names_are_resolved() {
        let mut instances = watch(vec!["localhost:7".to_owned()]);
        instances.changed().await;
        let found = addresses(&instances).expect("published");
        assert!(
            found
                .iter()
                .any(|it| it == "127.0.0.1:7" || it == "[::1]:7"),
            "{found:?}"
        );
    }
}
