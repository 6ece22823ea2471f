//! Doing what was decided: what goes, then what others stand on, and all resources at once, each when
//! what it needs is healthy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::engine::Engine;
use super::error::DockerError;
use super::pull::{self, Bytes, Pull};
use crate::infra::ready;
use crate::infra::reconcile::{Action, Why};
use crate::infra::resource::Resource;
use crate::infra::resource::spec::Spec;

/// How many of its last lines a failure shows.
const LAST_LINES: usize = 10;

/// How it is to be done.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long all may take from when images are there.
    pub wait: Duration,
    /// The host by which the resources are reached.
    pub host: String,
}

/// What happens to a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Its image comes.
    Pulling(Bytes),
    /// What it was goes, for this reason.
    Removing(Why),
    /// Its container is made.
    Creating,
    /// It is started.
    Starting,
    /// It runs, and does not answer yet.
    Waiting,
    /// It answers as it should.
    Healthy(Done),
    /// It does not, and will not.
    Failed,
}

/// What was done until a resource was healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// What.
    pub deed: Deed,
    /// How long that took.
    pub took: Duration,
}

/// What was done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: it was as it should be.
    Unchanged,
    /// It was started, for it had ended or stood still.
    Started,
    /// It was made.
    Created,
    /// It was made anew, for it was another.
    Replaced,
}

impl Deed {
    /// Its name in JSON and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Started => "started",
            Self::Created => "created",
            Self::Replaced => "replaced",
        }
    }
}

/// Who learns what happens.
pub type Tell<'a> = &'a dyn Fn(Resource, Stage);

/// Does all of it once the images are there; all of `specs` are healthy then.
///
/// # Errors
/// Why a resource is not healthy; the others are, as far as they do not need it.
pub async fn bring_up(
    engine: &Engine,
    specs: &[Spec],
    actions: &[Action],
    options: &Options,
    tell: Tell<'_>,
) -> Result<(), DockerError> {
    let start = Instant::now();
    let removals = actions.iter().map(|action| remove(engine, action, tell));
    try_join_all(removals).await?;
    let foundations = actions.iter().map(|action| lay(engine, action));
    try_join_all(foundations).await?;

    // Whether it is healthy, as soon as that is known.
    let verdicts: BTreeMap<Resource, watch::Sender<Option<bool>>> = specs
        .iter()
        .map(|spec| (spec.resource, watch::Sender::new(None)))
        .collect();
    let run = |spec| {
        let verdicts = &verdicts;
        let job = Job {
            engine,
            spec,
            actions,
            options,
            deadline: start + options.wait,
        };
        async move {
            let outcome = match needs(spec.resource, verdicts).await {
                Ok(()) => job.run(tell).await,
                Err(error) => Err(error),
            };
            if let Some(verdict) = verdicts.get(&spec.resource) {
                verdict.send_replace(Some(outcome.is_ok()));
            }
            if outcome.is_err() {
                tell(spec.resource, Stage::Failed);
            }
            outcome
        }
    };
    let outcomes = join_all(specs.iter().map(run)).await;
    let mut errors: Vec<DockerError> = outcomes.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(DockerError::Several(errors)),
    }
}

/// Sees to it that the images of these are there. It is done before anything else, so that nothing is
/// changed when one cannot be had.
///
/// # Errors
/// Which cannot be had, and why.
pub async fn get_images(
    engine: &Engine,
    specs: impl Iterator<Item = &Spec>,
    pull: Pull,
    tell: Tell<'_>,
) -> Result<(), DockerError> {
    let pulls = specs.map(|spec| {
        let resource = spec.resource;
        let told = move |bytes| tell(resource, Stage::Pulling(bytes));
        pull::ensure(engine, (&spec.image, resource), pull, told)
    });
    let outcomes = join_all(pulls).await;
    let mut errors: Vec<DockerError> = outcomes.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(DockerError::Several(errors)),
    }
}

async fn remove(engine: &Engine, action: &Action, tell: Tell<'_>) -> Result<(), DockerError> {
    let Action::Remove { id, resource, why } = action else {
        return Ok(());
    };
    if let Some(resource) = resource {
        tell(*resource, Stage::Removing(why.clone()));
    }
    engine.remove(id, *resource).await
}

/// Makes and removes what containers stand on.
async fn lay(engine: &Engine, action: &Action) -> Result<(), DockerError> {
    match action {
        Action::CreateNetwork => engine.create_network().await,
        Action::RemoveNetwork(id) => engine.remove_network(id).await,
        Action::CreateVolume(resource) => engine.create_volume(*resource).await,
        Action::RemoveVolume(resource) => engine.remove_volume(*resource).await,
        Action::Remove { .. }
        | Action::Create(_)
        | Action::Start { .. }
        | Action::Unpause { .. }
        | Action::Await(_) => Ok(()),
    }
}

/// Removes everything that it is said of.
///
/// # Errors
/// When the engine does not.
pub async fn tear_down(
    engine: &Engine,
    actions: &[Action],
    tell: Tell<'_>,
) -> Result<(), DockerError> {
    try_join_all(actions.iter().map(|action| remove(engine, action, tell))).await?;
    try_join_all(actions.iter().map(|action| lay(engine, action))).await?;
    Ok(())
}

/// Returns when everything that a resource needs is healthy.
async fn needs(
    resource: Resource,
    verdicts: &BTreeMap<Resource, watch::Sender<Option<bool>>>,
) -> Result<(), DockerError> {
    for needed in resource.needs() {
        let Some(verdict) = verdicts.get(needed) else {
            continue;
        };
        let mut verdict = verdict.subscribe();
        let is_healthy = verdict.wait_for(Option::is_some).await;
        if !is_healthy.is_ok_and(|it| *it == Some(true)) {
            return Err(DockerError::Needed {
                resource,
                needed: *needed,
            });
        }
    }
    Ok(())
}

/// One resource on its way.
struct Job<'a> {
    engine: &'a Engine,
    spec: &'a Spec,
    actions: &'a [Action],
    options: &'a Options,
    deadline: Instant,
}

impl Job<'_> {
    async fn run(&self, tell: Tell<'_>) -> Result<(), DockerError> {
        let resource = self.spec.resource;
        let start = Instant::now();
        let started = timeout_at(self.deadline.into(), self.start(tell)).await;
        let (deed, id) = started.unwrap_or_else(|_| {
            Err(DockerError::Gone {
                attempt: format!("make and start `{resource}`"),
                source: "no answer in time".into(),
            })
        })?;
        tell(resource, Stage::Waiting);
        self.healthy(id.as_deref()).await?;
        let took = start.elapsed();
        tell(resource, Stage::Healthy(Done { deed, took }));
        Ok(())
    }

    /// Makes it run; what was done, and the container's id where it had to be asked for.
    async fn start(&self, tell: Tell<'_>) -> Result<(Deed, Option<String>), DockerError> {
        let own = self.spec.resource;
        let mut deed = Deed::Unchanged;
        let mut container = None;
        for action in self.actions {
            match action {
                Action::Remove {
                    resource: Some(resource),
                    why: Why::Changed(_),
                    ..
                } if *resource == own => deed = Deed::Replaced,
                Action::Create(resource) if *resource == own => {
                    if deed != Deed::Replaced {
                        deed = Deed::Created;
                    }
                    tell(own, Stage::Creating);
                    let id = self.engine.create(self.spec).await?;
                    tell(own, Stage::Starting);
                    if let Err(error) = self.engine.start(&id, own).await {
                        // It would stand in the way of the next; the failure is what is told.
                        let _ = self.engine.remove(&id, Some(own)).await;
                        return Err(error);
                    }
                    container = Some(id);
                }
                Action::Start { id, resource } if *resource == own => {
                    deed = Deed::Started;
                    tell(own, Stage::Starting);
                    self.engine.start(id, own).await?;
                    container = Some(id.clone());
                }
                Action::Unpause { id, resource } if *resource == own => {
                    deed = Deed::Started;
                    self.engine.unpause(id, own).await?;
                    container = Some(id.clone());
                }
                _ => {}
            }
        }
        Ok((deed, container))
    }

    /// Waits until it answers, or its container ends, or there is no more time.
    async fn healthy(&self, id: Option<&str>) -> Result<(), DockerError> {
        let resource = self.spec.resource;
        let name = self.engine.project.name_of(resource);
        let id = id.unwrap_or(&name);
        let target = ready::Target {
            resource,
            host: self.options.host.clone(),
            ports: self.spec.ports.clone(),
        };
        let progress = watch::Sender::new(String::new());
        let answers = ready::until_healthy(&target, &progress);
        let ended = async {
            loop {
                match self.engine.ended(id).await {
                    Ok(code) => return Ok(code),
                    // Nothing is known of its end: only what is probed counts.
                    Err(bollard::errors::Error::RequestTimeoutError) => {}
                    Err(error) => {
                        return Err(DockerError::of(format!("watch `{resource}`"), error));
                    }
                }
            }
        };
        tokio::select! {
            biased;
            waited = timeout_at(self.deadline.into(), answers) => match waited {
                Ok(()) => Ok(()),
                Err(_) => Err(DockerError::NotHealthy {
                    resource,
                    limit: self.options.wait,
                    problem: progress.borrow().clone(),
                    said: self.engine.last_words(id, LAST_LINES).await,
                }),
            },
            code = ended => Err(DockerError::Ended {
                resource,
                status: format!("exit code {}", code?),
                said: self.engine.last_words(id, LAST_LINES).await,
            }),
        }
    }
}
