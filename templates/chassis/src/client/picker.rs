//! The search for an endpoint alone, for benchmarks.

use tonic::Code;

use super::Target;
use super::balance::Balance;
use super::endpoint::Call;
use crate::Error;
use crate::config::Config;
use crate::middleware::observe::Observer;
use crate::registry;
use crate::tls::ClientTls;

/// Picks endpoints as a [`Channel`](crate::client::Channel) does for its calls, without calls.
#[derive(Debug, Clone)]
pub struct Picker {
    balance: Balance,
}

/// A place for a call on an endpoint, which the endpoint's circuit breaker counts as a call in
/// flight until it is dropped or finished.
#[derive(Debug)]
pub struct Pick(Call);

impl Picker {
    /// A picker for what [`client::connect`](crate::client::connect) would connect to.
    ///
    /// # Errors
    /// As [`client::connect`](crate::client::connect).
    pub fn connect<A>(target: &str, config: &Config<A>) -> Result<Self, Error> {
        let target: Target = target.parse()?;
        let config = config.chassis();
        let tls = ClientTls::new(&config.client.tls)?;
        let instances = registry::discover(target.clone(), &config)?;
        let balance = Balance::new(&target, instances, &config.client, tls);
        Ok(Self { balance })
    }

    /// A place for a call of the method with this path; `None` when no endpoint can take it now.
    #[must_use]
    pub fn pick(&self, path: &str) -> Option<Pick> {
        let picked = self.balance.pick(path)?;
        Some(Pick(picked.into_call()))
    }
}

impl Pick {
    /// The call ended with `code`.
    pub fn finish(self, code: Code) {
        self.0.finish(code);
    }
}
