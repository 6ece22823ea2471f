//! Why nothing came up.

use crate::error::{Diagnostic, Exit};
use crate::infra::docker::error::DockerError;
use crate::infra::resource::Resource;

/// Why nothing came up.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// Ctrl-C in the middle.
    #[error("interrupted")]
    Interrupted,
    /// Docker was wanted, and is not there.
    #[error(transparent)]
    NoEngine(DockerError),
    /// Docker would take the place of a process that nobody would know of any more.
    #[error("the embedded engine runs{}, and Docker would take its place", process(.0))]
    EmbeddedRuns(Option<u32>),
    /// Services would not be told of the containers any more.
    #[error(
        "containers of this workspace run ({}), and the embedded engine would take their place",
        list(.0)
    )]
    ContainersRun(Vec<Resource>),
    /// What is built in takes no more while it runs.
    #[error(
        "the embedded engine runs with {}, and takes no {} besides",
        list(running),
        list(wanted)
    )]
    RunsWithout {
        /// What it has.
        running: Vec<Resource>,
        /// What it has not.
        wanted: Vec<Resource>,
    },
}

/// The process in parentheses, where it is known.
fn process(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

fn list(resources: &[Resource]) -> String {
    let names: Vec<&str> = resources.iter().map(|it| it.name()).collect();
    names.join(", ")
}

impl Diagnostic for UpError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Interrupted => {
                "what was made stays: `msvc up` goes on from there, `msvc down` removes it".to_owned()
            }
            Self::NoEngine(error) => {
                let hint = error.hint().unwrap_or_default();
                format!("{hint}; `--engine embedded` does without")
            }
            Self::EmbeddedRuns(_) => {
                "`msvc down` ends it, with what it keeps in memory; `msvc up --engine embedded` stays \
                 with it"
                    .to_owned()
            }
            Self::ContainersRun(_) => "`msvc down` stops them, and keeps their data; `msvc up --engine docker` stays \
                 with them"
                .to_owned(),
            Self::RunsWithout { running, wanted } => {
                let all: Vec<&str> = running.iter().chain(wanted).map(|it| it.name()).collect();
                format!(
                    "`msvc down` ends it, with what it keeps in memory; then `msvc up {}` starts all",
                    all.join(" ")
                )
            }
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted => Exit::Interrupted,
            Self::NoEngine(error) => error.exit(),
            Self::EmbeddedRuns(_) | Self::ContainersRun(_) | Self::RunsWithout { .. } => {
                Exit::Failed
            }
        }
    }
}
