//! This instance as a service of an agent.

use std::fmt;
use std::time::Duration;

use super::agent::Agent;
use crate::config::Consul;
use crate::registry::Registration;
use crate::registry::http::Error;
use crate::tls::TlsError;

/// An instance and the agent that is to know it.
#[derive(Debug)]
pub(crate) struct Membership {
    agent: Agent,
    registration: Registration,
    verify_interval: Duration,
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.agent, f)
    }
}

impl Membership {
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(crate) fn new(registration: Registration, config: &Consul) -> Result<Self, TlsError> {
        Ok(Self {
            agent: Agent::new(config)?,
            registration,
            verify_interval: config.verify_interval.get(),
        })
    }

    pub(crate) fn interval(&self) -> Duration {
        self.verify_interval
    }

    /// Whether the agent knows the instance: its checks keep it up.
    pub(crate) async fn keep(&self) -> Result<bool, Error> {
        self.agent.knows(&self.registration.id()).await
    }

    pub(crate) async fn register(&self) -> Result<(), Error> {
        self.agent.register(&self.registration).await
    }

    pub(crate) async fn deregister(&self) -> Result<(), Error> {
        self.agent.deregister(&self.registration.id()).await
    }
}
