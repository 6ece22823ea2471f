//! Whether this instance should get calls, and if not, why.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::task;
use serde::Serialize;
use tokio::sync::watch;

/// The longest wait for one dependency.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not listening yet, or not done with its preparations.
    Starting,
    /// Taking calls.
    Serving,
    /// Finishing the calls in flight; wants no new ones.
    Draining,
}

/// The phase and the dependencies of this instance. Clones share them.
#[derive(Debug, Clone)]
pub struct Readiness {
    phase: watch::Sender<Phase>,
    checks: Arc<[Check]>,
}

impl Readiness {
    pub(crate) fn new(checks: Vec<Check>) -> Self {
        Self {
            phase: watch::Sender::new(Phase::Starting),
            checks: checks.into(),
        }
    }

    /// The phase that the service is in now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Whether there is a dependency without which the service is not ready.
    pub(crate) fn has_required(&self) -> bool {
        self.checks.iter().any(|check| check.required)
    }

    /// Asks every dependency how it is, all at once, and waits at most two seconds.
    pub async fn report(&self) -> Report {
        let probes: Vec<_> = self
            .checks
            .iter()
            .map(|check| task::spawn((check.probe)()))
            .collect();
        let deadline = tokio::time::Instant::now() + PROBE_TIMEOUT;
        let mut dependencies = Vec::with_capacity(self.checks.len());
        for (check, probe) in self.checks.iter().zip(probes) {
            let abort = probe.abort_handle();
            let error = match tokio::time::timeout_at(deadline, probe).await {
                Ok(Ok(Ok(()))) => None,
                Ok(Ok(Err(error))) => Some(error.to_string()),
                Ok(Err(_)) => Some("the check panicked".to_owned()),
                Err(_) => {
                    abort.abort();
                    Some(format!("no answer within {PROBE_TIMEOUT:?}"))
                }
            };
            dependencies.push(Dependency {
                name: check.name,
                ok: error.is_none(),
                required: check.required,
                error,
            });
        }
        let phase = self.phase();
        let ready = phase == Phase::Serving && dependencies.iter().all(|it| it.ok || !it.required);
        Report {
            ready,
            phase,
            dependencies,
        }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether this instance should get calls.
    pub ready: bool,
    /// Where the service is in its life.
    pub phase: Phase,
    /// How each dependency is.
    pub dependencies: Vec<Dependency>,
}

impl Report {
    /// The dependencies that keep it from being ready, as in `database: connection refused`.
    pub(crate) fn missing(&self) -> String {
        let failing = self.dependencies.iter().filter(|it| it.required && !it.ok);
        let texts: Vec<String> = failing
            .map(|it| format!("{}: {}", it.name, it.error.as_deref().unwrap_or_default()))
            .collect();
        texts.join("; ")
    }
}

/// How one dependency is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// Its name.
    pub name: &'static str,
    /// Whether it answers.
    pub ok: bool,
    /// Whether the service is not ready without it.
    pub required: bool,
    /// What is wrong, when it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

type BoxError = Box<dyn StdError + Send + Sync>;
type Probe = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A dependency and how to ask it.
pub(crate) struct Check {
    name: &'static str,
    required: bool,
    probe: Box<dyn Fn() -> Probe + Send + Sync>,
}

impl Check {
    /// A dependency without which the service is not ready.
    pub(crate) fn required<P, F, E>(name: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            name,
            required: true,
            probe: Box::new(move || {
                let answer = probe();
                Box::pin(async move { answer.await.map_err(Into::into) })
            }),
        }
    }

    /// A dependency that is reported, and that the service can do without.
    pub(crate) fn optional<P, F, E>(name: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            required: false,
            ..Self::required(name, probe)
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fine() -> Result<(), String> {
        Ok(())
    }

    async fn broken() -> Result<(), String> {
        Err("connection refused".to_owned())
    }

    async fn buggy() -> Result<(), String> {
        panic!("the probe has a bug")
    }

    fn readiness(checks: Vec<Check>) -> Readiness {
        let readiness = Readiness::new(checks);
        readiness.enter(Phase::Serving);
        readiness
    }

    #[tokio::test]
    async fn ready_only_while_serving() {
        let readiness = Readiness::new(vec![Check::required("database", fine)]);
        assert!(!readiness.report().await.ready);
        readiness.enter(Phase::Serving);
        assert!(readiness.report().await.ready);
        readiness.enter(Phase::Draining);
        assert!(!readiness.report().await.ready);
    }

    #[tokio::test]
    async fn a_required_dependency_that_fails_makes_it_not_ready() {
        let report = readiness(vec![Check::required("database", broken)])
            .report()
            .await;
        assert_eq!(
            serde_json::to_string(&report).expect("JSON"),
            r#"{"ready":false,"phase":"serving","dependencies":[{"name":"database","ok":false,"required":true,"error":"connection refused"}]}"#
        );
    }

    #[tokio::test]
    async fn an_optional_dependency_that_fails_is_reported() {
        let report = readiness(vec![Check::optional("registry", broken)])
            .report()
            .await;
        assert!(report.ready);
        assert!(!report.dependencies[0].ok);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_hangs_or_panics_does_not_hold_up_the_report() {
        let hang = || std::future::pending::<Result<(), String>>();
        let checks = vec![
            Check::required("hangs", hang),
            Check::required("panics", buggy),
        ];
        let report = readiness(checks).report().await;
        let errors: Vec<_> = report
            .dependencies
            .iter()
            .map(|it| it.error.as_deref().unwrap_or_default())
            .collect();
        assert_eq!(errors, ["no answer within 2s", "the check panicked"]);
    }
}
