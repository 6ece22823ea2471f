//! Getting images: from the registry that their name says, with the progress of all layers together.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as EngineError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptions;
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::engine::Engine;
use super::error::{DockerError, PullProblem, innermost, is_disk_full};
use crate::infra::resource::Resource;

/// How long a pull may stand still.
const STALL: Duration = Duration::from_secs(60);

/// When images are pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Pull {
    /// Never: what is not there is an error.
    Never,
    /// When they are not there.
    #[default]
    Missing,
    /// Always, to get what a tag means today.
    Always,
}

/// How far a pull is: bytes of those that are known of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// So many are here.
    pub done: u64,
    /// Of so many; the number grows while layers are found.
    pub total: u64,
}

/// Sees to it that an image is there; `tell` learns how far that is.
///
/// # Errors
/// [`DockerError::NoImage`] when it cannot be had.
pub async fn ensure(
    engine: &Engine,
    (image, resource): (&str, Resource),
    pull: Pull,
    tell: impl Fn(Bytes),
) -> Result<(), DockerError> {
    let no_image = |problem| DockerError::NoImage {
        image: image.to_owned(),
        resource,
        problem,
    };
    if pull != Pull::Always && engine.has_image(image).await? {
        return Ok(());
    }
    if pull == Pull::Never {
        return Err(no_image(PullProblem::Never));
    }
    let options = CreateImageOptions {
        from_image: Some(image.to_owned()),
        ..CreateImageOptions::default()
    };
    let docker = engine.docker.clone().with_timeout(STALL);
    let credentials = engine.credentials(image);
    let mut messages = Box::pin(docker.create_image(Some(options), None, credentials));
    let mut layers = Layers::default();
    tell(layers.bytes());
    loop {
        let message = match timeout(STALL, messages.next()).await {
            Err(_) | Ok(Some(Err(EngineError::RequestTimeoutError))) => {
                return Err(no_image(PullProblem::Stalled(STALL)));
            }
            Ok(None) => return Ok(()),
            Ok(Some(Err(error))) => return Err(failure(error, image, no_image)),
            Ok(Some(Ok(message))) => message,
        };
        // Podman tells of failures within the stream.
        if let Some(error) = message
            .error_detail
            .as_ref()
            .and_then(|it| it.message.as_ref())
        {
            return Err(no_image(problem(None, error)));
        }
        layers.learn(&message);
        tell(layers.bytes());
    }
}

/// What a failed pull means.
fn failure(
    error: EngineError,
    image: &str,
    no_image: impl Fn(PullProblem) -> DockerError,
) -> DockerError {
    let (status, message) = match error {
        EngineError::DockerResponseServerError {
            status_code,
            message,
        } => (Some(status_code), message),
        EngineError::DockerStreamError { error } => (None, error),
        error => {
            return DockerError::Gone {
                attempt: format!("pull `{image}`"),
                source: innermost(&error).into(),
            };
        }
    };
    if is_disk_full(&message) {
        return DockerError::DiskFull {
            attempt: format!("pull `{image}`"),
            message,
        };
    }
    no_image(problem(status, &message))
}

/// What the engine's message means; it has no codes of its own for most of it.
fn problem(status: Option<u16>, message: &str) -> PullProblem {
    let lower = message.to_lowercase();
    let has = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
    let message = message.trim().to_owned();
    if has(&["manifest unknown", "not found: manifest", "no such image"]) {
        PullProblem::NotFound
    } else if has(&[
        "denied",
        "unauthorized",
        "authentication required",
        "no basic auth",
    ]) {
        PullProblem::Denied(message)
    } else if has(&[
        "dial tcp",
        "lookup ",
        "connection refused",
        "i/o timeout",
        "timeout exceeded",
        "deadline exceeded",
        "no route to host",
        "eof",
        "x509",
        "tls:",
        "server gave http response",
    ]) {
        PullProblem::Unreachable(message)
    } else if status == Some(404) {
        PullProblem::NotFound
    } else {
        PullProblem::Other(message)
    }
}

/// The layers of an image while they come.
#[derive(Debug, Default)]
struct Layers(HashMap<String, Bytes>);

impl Layers {
    fn learn(&mut self, message: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&message.id, &message.status) else {
            return;
        };
        let detail = message.progress_detail.as_ref();
        let number = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok());
        let current = detail.and_then(|it| number(it.current));
        let total = detail.and_then(|it| number(it.total));
        match status.as_str() {
            "Downloading" => {
                let layer = self.0.entry(id.clone()).or_default();
                layer.done = current.unwrap_or(layer.done);
                layer.total = total.unwrap_or(layer.total).max(layer.done);
            }
            // What is unpacked counts anew, so the bytes that came are all that is counted.
            "Verifying Checksum" | "Download complete" | "Extracting" | "Pull complete" => {
                if let Some(layer) = self.0.get_mut(id) {
                    layer.done = layer.total;
                }
            }
            _ => {}
        }
    }

    fn bytes(&self) -> Bytes {
        let layers = self.0.values();
        layers.fold(Bytes::default(), |all, layer| Bytes {
            done: all.done + layer.done,
            total: all.total + layer.total,
        })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn message(id: &str, status: &str, progress: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: progress.map(|(current, total)| ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn the_bytes_of_all_layers_are_counted_once() {
        let mut layers = Layers::default();
        let mut bytes = Vec::new();
        for message in [
            message("a", "Pulling fs layer", None),
            message("a", "Downloading", Some((10, 100))),
            message("b", "Downloading", Some((5, 20))),
            message("a", "Download complete", None),
            message("a", "Extracting", Some((1, 400))),
            message("c", "Already exists", None),
            message("b", "Pull complete", None),
        ] {
            layers.learn(&message);
            bytes.push((layers.bytes().done, layers.bytes().total));
        }
        assert_eq!(
            bytes,
            [
                (0, 0),
                (10, 100),
                (15, 120),
                (105, 120),
                (105, 120),
                (105, 120),
                (120, 120)
            ]
        );
    }

    #[test]
    fn what_a_registry_says_is_understood() {
        let unreachable = "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host";
        for (status, message, expected) in [
            (
                Some(404),
                "manifest for a:1 not found: manifest unknown: manifest unknown",
                PullProblem::NotFound,
            ),
            (
                Some(404),
                "pull access denied for a, repository does not exist or may require 'docker login'",
                PullProblem::Denied(
                    "pull access denied for a, repository does not exist or may require 'docker login'"
                        .to_owned(),
                ),
            ),
            (
                Some(500),
                unreachable,
                PullProblem::Unreachable(unreachable.to_owned()),
            ),
            (None, "something new", PullProblem::Other("something new".to_owned())),
        ] {
            assert_eq!(problem(status, message), expected);
        }
    }
}
