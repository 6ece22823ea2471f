//! Keeping this instance registered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Registration;
use super::membership::Membership;
use crate::backoff::Backoff;
use crate::config::Config;
use crate::readiness::Readiness;
use crate::task;
use crate::tls::TlsError;

const MIN_BACKOFF: Duration = Duration::from_millis(200);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// The longest wait for the registry when leaving it: a registry that is away must not hold up the
/// end of the service.
const DEREGISTER_TIMEOUT: Duration = Duration::from_secs(3);

/// Keeps an instance registered until it is told to leave.
#[derive(Debug)]
pub(crate) struct Registrar {
    membership: Arc<Membership>,
    id: String,
    task: JoinHandle<()>,
    state: watch::Receiver<State>,
}

/// Whether the registry knows this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It does.
    Registered,
    /// It has never done so, because of that.
    Never(String),
    /// It did, and cannot be asked now, because of that.
    Lost(String),
}

impl State {
    /// # Errors
    /// Why the registry does not know this instance.
    pub(crate) fn into_result(self) -> Result<(), String> {
        match self {
            Self::Registered => Ok(()),
            Self::Never(why) | Self::Lost(why) => Err(why),
        }
    }
}

/// An instance that is not registered yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    membership: Membership,
    id: String,
    state: watch::Sender<State>,
}

impl Prepared {
    /// Whether the registry knows this instance, as it was last seen.
    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Begins to register, and to tell the registry about `readiness` where it wants to hear that.
    ///
    /// It works in the background: a service does not wait for its registry.
    pub(crate) fn register(self, readiness: Readiness) -> Registrar {
        let Self {
            membership,
            id,
            state: sender,
        } = self;
        let membership = Arc::new(membership);
        let state = sender.subscribe();
        let task = keep(Arc::clone(&membership), id.clone(), readiness, sender);
        Registrar {
            membership,
            id,
            task: task::spawn(task),
            state,
        }
    }
}

impl Registrar {
    /// What is going to register `registration` where `config` says; `None` when it says nowhere.
    ///
    /// # Errors
    /// When the files for TLS cannot be used.
    pub(crate) fn prepare(
        registration: Registration,
        config: &Config,
    ) -> Result<Option<Prepared>, TlsError> {
        let id = registration.id();
        let Some(membership) = Membership::new(registration, &config.registry)? else {
            return Ok(None);
        };
        Ok(Some(Prepared {
            membership,
            id,
            state: watch::Sender::new(State::Never("not yet registered".to_owned())),
        }))
    }

    /// Leaves the registry. Whether others may have heard of this instance.
    pub(crate) async fn deregister(self) -> bool {
        self.task.abort();
        // A registry that did not answer may have registered it all the same.
        let was_registered = !matches!(*self.state.borrow(), State::Never(_));
        let id = &self.id;
        let left = tokio::time::timeout(DEREGISTER_TIMEOUT, self.membership.deregister()).await;
        match left {
            _ if !was_registered => {}
            Ok(Ok(())) => tracing::info!(id, "deregistered"),
            Ok(Err(error)) => {
                tracing::warn!(id, %error, "failed to deregister, the instance will expire");
            }
            Err(_) => tracing::warn!(
                id,
                timeout = ?DEREGISTER_TIMEOUT,
                "the registry does not answer, the instance will expire"
            ),
        }
        was_registered
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Registers, and looks again and again whether the registry still knows us.
async fn keep(
    membership: Arc<Membership>,
    id: String,
    readiness: Readiness,
    state: watch::Sender<State>,
) {
    let interval = membership.interval();
    let mut backoff = Backoff::new(MIN_BACKOFF, MAX_BACKOFF.min(interval).max(MIN_BACKOFF));
    let mut was_registered = false;
    loop {
        let known = match was_registered {
            true => membership.keep(&readiness).await,
            false => Ok(false),
        };
        let result = match known {
            Ok(true) => Ok(()),
            Ok(false) => membership.register(&readiness).await.inspect(|()| {
                match was_registered {
                    true => {
                        tracing::warn!(id, "the registry had lost this instance, registered again")
                    }
                    false => tracing::info!(id, registry = %membership, "registered"),
                }
                was_registered = true;
            }),
            Err(error) => Err(error),
        };
        let pause = match result {
            Ok(()) => {
                backoff.reset();
                state.send_replace(State::Registered);
                interval
            }
            Err(error) => {
                let error = error.to_string();
                let new = match was_registered {
                    true => State::Lost(error.clone()),
                    false => State::Never(error.clone()),
                };
                state.send_if_modified(|state| {
                    let changed = *state != new;
                    if changed {
                        tracing::warn!(id, error, registry = %membership, "the registry cannot be reached, trying again");
                        *state = new;
                    }
                    changed
                });
                backoff.delay()
            }
        };
        tokio::time::sleep(pause).await;
    }
}
