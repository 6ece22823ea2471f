//! Finding an engine that answers, and speaking the version of its API.

use std::fs;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::timeout;

use super::endpoint::{self, Candidate, DockerSettings};
use super::error::{DockerError, Refusal, innermost, is_denied};

/// How long an engine may take to say its version.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer anything else.
const REQUEST: Duration = Duration::from_secs(60);

/// An engine that answers.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The way to it.
    pub(super) docker: Docker,
    /// Where it is.
    pub address: String,
}

impl Connection {
    /// The version of the engine.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn version(&self) -> Result<String, DockerError> {
        let version = self.docker.version().await;
        let version = version.map_err(|error| DockerError::of("ask for the version", error))?;
        Ok(version
            .version
            .unwrap_or_else(|| "of unknown version".to_owned()))
    }
}

/// The first engine that answers.
///
/// # Errors
/// [`DockerError::NoEngine`] when none does.
pub async fn connect(settings: &DockerSettings) -> Result<Connection, DockerError> {
    let read = |path: &std::path::Path| fs::read_to_string(path).ok();
    let mut refusals = Vec::new();
    for candidate in endpoint::candidates(settings, &read)? {
        match answer(&candidate).await {
            Ok(Some(docker)) => {
                return Ok(Connection {
                    docker,
                    address: candidate.address,
                });
            }
            Ok(None) => {}
            Err((problem, is_denied)) => refusals.push(Refusal {
                address: candidate.address,
                chosen_by: candidate.chosen_by,
                problem,
                is_denied,
            }),
        }
    }
    Err(DockerError::NoEngine(refusals))
}

/// An engine that has answered, `None` where there is not even a socket that somebody chose.
///
/// # Errors
/// What went wrong, and whether the operating system denied it.
async fn answer(candidate: &Candidate) -> Result<Option<Docker>, (String, bool)> {
    if let Some(path) = candidate.address.strip_prefix("unix://")
        && !std::path::Path::new(path).exists()
    {
        return match candidate.chosen_by {
            Some(_) => Err(("there is no such socket".to_owned(), false)),
            None => Ok(None),
        };
    }
    let docker = open(candidate)?;
    let negotiated = timeout(PATIENCE, docker.negotiate_version()).await;
    let negotiated = negotiated.unwrap_or(Err(bollard::errors::Error::RequestTimeoutError));
    match negotiated {
        Ok(docker) => Ok(Some(docker.with_timeout(REQUEST))),
        Err(error) => Err((innermost(&error), is_denied(&error))),
    }
}

fn open(candidate: &Candidate) -> Result<Docker, (String, bool)> {
    let Candidate {
        address,
        certificates,
        ..
    } = candidate;
    let seconds = PATIENCE.as_secs();
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let opened = match (scheme, certificates) {
        ("unix", _) => Docker::connect_with_unix(address, seconds, API_DEFAULT_VERSION),
        ("tcp" | "http" | "https", Some(folder)) => Docker::connect_with_ssl(
            address,
            &folder.join("key.pem"),
            &folder.join("cert.pem"),
            &folder.join("ca.pem"),
            seconds,
            API_DEFAULT_VERSION,
        ),
        ("https", None) => {
            let problem = "TLS needs DOCKER_TLS_VERIFY=1 and certificates in DOCKER_CERT_PATH";
            return Err((problem.to_owned(), false));
        }
        ("tcp" | "http", None) => Docker::connect_with_http(address, seconds, API_DEFAULT_VERSION),
        ("ssh", _) => {
            let problem = "`ssh://` is not supported: forward its socket with `ssh -L`";
            return Err((problem.to_owned(), false));
        }
        _ => {
            let problem = "expected `unix://PATH` or `tcp://HOST:PORT`";
            return Err((problem.to_owned(), false));
        }
    };
    opened.map_err(|error| (error.to_string(), false))
}
