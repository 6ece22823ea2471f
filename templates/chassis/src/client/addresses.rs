//! The addresses of a service, for those who speak something else with it than gRPC.

use std::net::SocketAddr;
use std::time::Duration;

use super::Target;
use crate::Error;
use crate::config::{Config, Follow, Section};
use crate::registry::{self, Instances};

/// Where a service is, as its instances come and go. Clones share what follows them.
#[derive(Debug, Clone)]
pub struct Addresses {
    instances: Instances,
    /// How long is waited for the first.
    ready_timeout: Follow<Duration>,
}

impl Addresses {
    /// Follows the instances of `target`, which is as for [`connect`](super::connect). Must be called
    /// in a runtime.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub fn follow<A>(target: &str, config: &Config<A>) -> Result<Self, Error> {
        let target: Target = target.parse()?;
        let config = config.chassis();
        Ok(Self {
            instances: registry::discover(target, &config)?,
            ready_timeout: Follow::new(
                &[Section::ReadyTimeout],
                config.client.ready_timeout.get(),
                |config| config.client.ready_timeout.get(),
            ),
        })
    }

    /// The addresses now. When there are none, the first are waited for, as calls do, up to
    /// `client.ready_timeout`.
    pub async fn current(&self) -> Vec<SocketAddr> {
        let mut instances = self.instances.clone();
        let first = async {
            loop {
                let now = instances.current();
                let now = now.iter().flat_map(|it| it.iter());
                let addresses: Vec<SocketAddr> = now.map(|it| it.address).collect();
                if !addresses.is_empty() {
                    return addresses;
                }
                instances.changed().await;
            }
        };
        let first = tokio::time::timeout(**self.ready_timeout.load(), first);
        first.await.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn addresses_are_waited_for_and_not_for_ever() {
        let config: Config = Config::default();
        let addresses = Addresses::follow("static:///127.0.0.1:1,127.0.0.1:2", &config);
        let addresses = addresses.expect("a target").current().await;
        assert_eq!(
            addresses,
            [([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], 2).into()]
        );
        let nowhere = Addresses::follow("nobody", &config).expect("a target");
        assert_eq!(nowhere.current().await, []);
    }
}
