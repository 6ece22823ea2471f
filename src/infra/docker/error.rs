//! Why the engine was of no help.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use bollard::errors::Error as EngineError;

use super::endpoint::ContextError;
use crate::duration;
use crate::error::{Diagnostic, Exit};
use crate::infra::resource::Resource;

/// Why the engine was of no help.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// No engine answers.
    #[error("no Docker engine answers{}", tried(.0))]
    NoEngine(Vec<Refusal>),
    /// A context leads nowhere.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The engine does not answer any more.
    #[error("the Docker engine does not answer any more: failed to {attempt}")]
    Gone {
        /// What was tried, as a fragment that follows "failed to".
        attempt: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The engine refused something.
    #[error("the Docker engine refused to {attempt}: {message}")]
    Refused {
        /// What, as a fragment that follows "refused to".
        attempt: String,
        /// What it says.
        message: String,
    },
    /// The disk of the engine is full.
    #[error("the Docker engine's disk is full: failed to {attempt}: {message}")]
    DiskFull {
        /// What was tried, as a fragment that follows "failed to".
        attempt: String,
        /// What it says.
        message: String,
    },
    /// A name is taken by a container that is not ours.
    #[error("a container that is not ours has the name `{0}`")]
    NameTaken(String),
    /// A port was taken after it was looked at.
    #[error("a port of `{resource}` is taken: {message}")]
    PortTaken {
        /// Whose port it was to be.
        resource: Resource,
        /// What the engine says.
        message: String,
    },
    /// An image cannot be had.
    #[error("the image `{image}` of `{resource}` is not here and cannot be had: {problem}")]
    NoImage {
        /// Its name.
        image: String,
        /// What it was for.
        resource: Resource,
        /// Why.
        problem: PullProblem,
    },
    /// A container ended instead of starting.
    #[error("`{resource}` ended before it was healthy ({status}){said}")]
    Ended {
        /// What it is.
        resource: Resource,
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// A container takes too long.
    #[error("`{resource}` was not healthy within {}: {problem}{said}", duration::exact(*.limit))]
    NotHealthy {
        /// What it is.
        resource: Resource,
        /// How long that was.
        limit: Duration,
        /// What it answered last.
        problem: String,
        /// What it said last.
        said: String,
    },
    /// What a resource needs did not start.
    #[error("`{resource}` was not started, for `{needed}` is not healthy")]
    Needed {
        /// What it is.
        resource: Resource,
        /// What it needs.
        needed: Resource,
    },
    /// More than one failed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: "))]
    Several(Vec<DockerError>),
}

/// An engine that was tried, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its URL.
    pub address: String,
    /// Who chose it.
    pub chosen_by: Option<String>,
    /// What went wrong.
    pub problem: String,
    /// Whether the user may not use its socket.
    pub is_denied: bool,
}

/// Why an image cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullProblem {
    /// It was not to be pulled.
    Never,
    /// There is no such image or tag.
    NotFound,
    /// The registry wants to know who asks, or does not let everybody.
    Denied(String),
    /// The registry cannot be reached.
    Unreachable(String),
    /// It came no further.
    Stalled(Duration),
    /// Something else.
    Other(String),
}

impl fmt::Display for PullProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => formatter.write_str("it was not to be pulled (`--pull never`)"),
            Self::NotFound => formatter.write_str("its registry has no such image or tag"),
            Self::Denied(message) => write!(formatter, "its registry denies it: {message}"),
            Self::Unreachable(message) => {
                write!(formatter, "its registry cannot be reached: {message}")
            }
            Self::Stalled(limit) => {
                let limit = duration::exact(*limit);
                write!(formatter, "the pull made no progress for {limit}")
            }
            Self::Other(message) => formatter.write_str(message),
        }
    }
}

fn tried(refusals: &[Refusal]) -> String {
    let told = refusals.iter().map(|it| {
        let by = it.chosen_by.as_ref().map(|by| format!(" ({by})"));
        format!("{}{}: {}", it.address, by.unwrap_or_default(), it.problem)
    });
    let told: Vec<String> = told.collect();
    match told.is_empty() {
        true => ": there is none of the usual sockets".to_owned(),
        false => format!(" at {}", told.join("; ")),
    }
}

impl DockerError {
    /// What an error of the library means when this was tried, a fragment that follows "failed to".
    pub fn of(attempt: impl Into<String>, error: EngineError) -> Self {
        let attempt = attempt.into();
        match error {
            EngineError::DockerResponseServerError { message, .. } => {
                Self::refused(attempt, message)
            }
            EngineError::DockerStreamError { error } => Self::refused(attempt, error),
            error => Self::Gone {
                attempt,
                source: innermost(&error).into(),
            },
        }
    }

    fn refused(attempt: String, message: String) -> Self {
        let message = message.trim().to_owned();
        match is_disk_full(&message) {
            true => Self::DiskFull { attempt, message },
            false => Self::Refused { attempt, message },
        }
    }
}

/// Whether a message of the engine is about space.
pub(super) fn is_disk_full(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no space left", "disk quota exceeded", "not enough space"]
        .iter()
        .any(|sign| message.contains(sign))
}

/// What the operating system or the innermost library said.
pub(super) fn innermost(error: &EngineError) -> String {
    match error {
        EngineError::RequestTimeoutError => "no answer in time".to_owned(),
        error => crate::infra::root(error),
    }
}

/// Whether the operating system denied it.
pub(super) fn is_denied(error: &EngineError) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            return true;
        }
        next = error.source();
    }
    false
}

impl Diagnostic for DockerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoEngine(refusals) if refusals.iter().any(|it| it.is_denied) => Some(
                "your user may not use that socket: `sudo usermod -aG docker $USER`, then log in \
                 again"
                    .to_owned(),
            ),
            Self::NoEngine(_) => Some("start Docker, or set DOCKER_HOST to where it is".to_owned()),
            Self::Context(_) => Some(
                "`docker context ls` has those that are there; `docker context use default` \
                 goes back"
                    .to_owned(),
            ),
            Self::Gone { .. } => Some(
                "what was made is labelled: `msvc up` goes on from there once the engine answers"
                    .to_owned(),
            ),
            Self::DiskFull { .. } => Some(
                "`docker system df` says what takes the space, `docker system prune` frees some"
                    .to_owned(),
            ),
            Self::NameTaken(name) => Some(format!(
                "rename or remove it: `docker rename {name} …`; `msvc` touches nothing of others"
            )),
            Self::PortTaken { resource, .. } => Some(format!(
                "stop what has it, give another port in `[infra.ports]` of `msvc.toml`, or \
                 `msvc up {resource} --auto-ports`"
            )),
            Self::NoImage {
                resource, problem, ..
            } => Some(image_hint(*resource, problem)),
            Self::Ended { resource, .. } => Some(format!(
                "`msvc logs {resource}` has all it said; `msvc up` tries again"
            )),
            Self::NotHealthy { resource, .. } => Some(format!(
                "`msvc logs {resource}` says how far it is; `--wait` gives it longer"
            )),
            Self::Several(errors) => errors.iter().find_map(Diagnostic::hint),
            Self::Refused { .. } | Self::Needed { .. } => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NoEngine(_) | Self::Gone { .. } => Exit::Unreachable,
            Self::NoImage {
                problem: PullProblem::Unreachable(_) | PullProblem::Stalled(_),
                ..
            } => Exit::Unreachable,
            Self::Several(errors) => match errors.first() {
                Some(first) => first.exit(),
                None => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }
}

fn image_hint(resource: Resource, problem: &PullProblem) -> String {
    let variable = format!("MSVC_IMAGE_{}", resource.name().to_uppercase());
    let other = format!(
        "another image: `{resource} = \"…\"` in `[infra.images]` of `msvc.toml`, or {variable}"
    );
    match problem {
        PullProblem::Never => format!("`docker load` it, or `--pull missing`; {other}"),
        PullProblem::Denied(_) => format!("`docker login` says who you are; {other}"),
        PullProblem::NotFound => other,
        PullProblem::Unreachable(_) | PullProblem::Stalled(_) | PullProblem::Other(_) => format!(
            "a mirror: `mirror = \"HOST/PATH\"` in `[infra]` of `msvc.toml`, or MSVC_REGISTRY_MIRROR; \
             {other}; or `docker load` it; or `--engine embedded`"
        ),
    }
}
