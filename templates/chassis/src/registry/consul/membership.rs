//! This instance as a service of an agent.

use std::fmt;
use std::time::Duration;

use super::agent::Agent;
use super::api::{Status, workable};
use crate::config::{Consul, ConsulCheck};
use crate::readiness::Readiness;
use crate::registry::Registration;
use crate::registry::http::Error;
use crate::tls::TlsError;

/// How often a report is made while one holds: one may be lost.
const PER_TTL: u32 = 2;

/// An instance and the agent that is to know it.
#[derive(Debug)]
pub(crate) struct Membership {
    agent: Agent,
    registration: Registration,
    interval: Duration,
    /// Whether the agent waits to hear how the instance is.
    reports: bool,
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
        let (check, why) = workable(config.check, &registration);
        if let Some(why) = why {
            tracing::info!(?check, why, "how the agent checks this instance");
        }
        let config = Consul {
            check,
            ..config.clone()
        };
        let reports = check == ConsulCheck::Ttl;
        let verify = config.verify_interval.get();
        Ok(Self {
            agent: Agent::new(&config)?,
            registration,
            interval: match reports {
                true => verify.min(config.check_ttl.get() / PER_TTL),
                false => verify,
            },
            reports,
        })
    }

    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Whether the agent knows the instance, which its checks keep up, or that this tells it about.
    pub(crate) async fn keep(&self, readiness: &Readiness) -> Result<bool, Error> {
        let id = self.registration.id();
        match self.reports {
            true => self.agent.report(&id, &self.status(readiness).await).await,
            false => self.agent.knows(&id).await,
        }
    }

    pub(crate) async fn register(&self, readiness: &Readiness) -> Result<(), Error> {
        let status = self.status(readiness).await;
        self.agent.register(&self.registration, &status).await
    }

    /// A service registers when it listens and serves: clients need not wait for the first check.
    async fn status(&self, readiness: &Readiness) -> Status {
        if !self.reports {
            return Status::passing();
        }
        let report = readiness.report().await;
        match report.ready {
            true => Status::passing(),
            false => Status::critical(report.missing()),
        }
    }

    pub(crate) async fn deregister(&self) -> Result<(), Error> {
        self.agent.deregister(&self.registration.id()).await
    }
}
