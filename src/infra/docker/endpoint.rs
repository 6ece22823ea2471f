//! Where a Docker engine may be, in the order in which Docker's own command line looks: the variable,
//! the context, the usual sockets. Its library knows the first of these only.
//!
//! Pure but for the files that it is handed a reader of.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::Deserialize;

/// The context that stands for the usual sockets.
const DEFAULT_CONTEXT: &str = "default";

/// What the environment says about engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerSettings {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_CONFIG`, the folder of Docker's configuration.
    pub config: Option<PathBuf>,
    /// `DOCKER_TLS_VERIFY` is set.
    pub tls_verify: bool,
    /// `DOCKER_CERT_PATH`, the folder of certificates.
    pub certificates: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, below which engines without root have their sockets.
    pub runtime: Option<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
}

/// A place where an engine may answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its URL.
    pub address: String,
    /// The folder with `ca.pem`, `cert.pem` and `key.pem`, where TLS is spoken.
    pub certificates: Option<PathBuf>,
    /// Whether somebody chose it, so that its absence is worth telling.
    pub chosen_by: Option<String>,
}

/// Why the context that was chosen leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the docker context `{name}` {problem}")]
pub struct ContextError {
    /// Its name.
    pub name: String,
    /// What is wrong, as a fragment that follows it.
    pub problem: &'static str,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext")]
    current_context: Option<String>,
}

#[derive(Deserialize)]
struct ContextFile {
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(rename = "Host")]
    host: String,
}

impl DockerSettings {
    /// The folder of Docker's configuration.
    pub fn config_folder(&self) -> Option<PathBuf> {
        let usual = || self.home.as_ref().map(|home| home.join(".docker"));
        self.config.clone().or_else(usual)
    }
}

/// Where to look, best first: one place where one was chosen. `read` gives the text of a file.
///
/// # Errors
/// When the context that was chosen is not there.
pub fn candidates(
    settings: &DockerSettings,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Vec<Candidate>, ContextError> {
    if let Some(host) = &settings.host {
        let usual = || settings.config_folder();
        let certificates = settings.certificates.clone().or_else(usual);
        return Ok(vec![Candidate {
            address: host.clone(),
            certificates: certificates.filter(|_| settings.tls_verify),
            chosen_by: Some("DOCKER_HOST".to_owned()),
        }]);
    }
    let configured = || {
        let text = read(&settings.config_folder()?.join("config.json"))?;
        let config: Config = serde_json::from_str(&text).ok()?;
        config.current_context.filter(|name| !name.is_empty())
    };
    let context = settings.context.clone().or_else(configured);
    match context.filter(|name| name != DEFAULT_CONTEXT) {
        Some(name) => Ok(vec![of_context(&name, settings, read)?]),
        None => Ok(usual_sockets(settings)),
    }
}

/// The place that a context stands for. Its files are below the digest of its name.
fn of_context(
    name: &str,
    settings: &DockerSettings,
    read: &dyn Fn(&Path) -> Option<String>,
) -> Result<Candidate, ContextError> {
    let failed = |problem| ContextError {
        name: name.to_owned(),
        problem,
    };
    let contexts = settings.config_folder().map(|it| it.join("contexts"));
    let contexts = contexts.ok_or_else(|| failed("is nowhere: there is no home folder"))?;
    let hex = digest(&SHA256, name.as_bytes());
    let hex: String = hex.as_ref().iter().map(|it| format!("{it:02x}")).collect();
    let text = read(&contexts.join("meta").join(&hex).join("meta.json"));
    let text = text.ok_or_else(|| failed("does not exist"))?;
    let file: ContextFile =
        serde_json::from_str(&text).map_err(|_| failed("has a `meta.json` that makes no sense"))?;
    let endpoint = file.endpoints.docker;
    let endpoint = endpoint.ok_or_else(|| failed("names no engine"))?;
    let certificates = contexts.join("tls").join(&hex).join("docker");
    let has_certificates = read(&certificates.join("ca.pem")).is_some();
    Ok(Candidate {
        address: endpoint.host,
        certificates: has_certificates.then_some(certificates),
        chosen_by: Some(format!("the docker context `{name}`")),
    })
}

/// The sockets of Docker, of Docker without root, of the machines that carry it on a Mac, and of Podman.
fn usual_sockets(settings: &DockerSettings) -> Vec<Candidate> {
    let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
    let below = |folder: &Option<PathBuf>, paths: &[&str]| -> Vec<PathBuf> {
        let folder = folder.iter();
        let all = folder.flat_map(|folder| paths.iter().map(|path| folder.join(path)));
        all.collect()
    };
    sockets.extend(below(&settings.runtime, &["docker.sock"]));
    sockets.extend(below(
        &settings.home,
        &[
            ".docker/run/docker.sock",
            ".docker/desktop/docker.sock",
            ".orbstack/run/docker.sock",
            ".colima/default/docker.sock",
            ".config/colima/default/docker.sock",
            ".rd/docker.sock",
        ],
    ));
    sockets.extend(below(&settings.runtime, &["podman/podman.sock"]));
    sockets.push(PathBuf::from("/run/podman/podman.sock"));
    sockets.extend(below(
        &settings.home,
        &[".local/share/containers/podman/machine/podman.sock"],
    ));
    let candidates = sockets.into_iter().map(|path| Candidate {
        address: format!("unix://{}", path.display()),
        certificates: None,
        chosen_by: None,
    });
    candidates.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings() -> DockerSettings {
        DockerSettings {
            runtime: Some("/run/user/1000".into()),
            home: Some("/home/ada".into()),
            ..DockerSettings::default()
        }
    }

    fn addresses(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|it| it.address.as_str()).collect()
    }

    /// The files of a context.
    fn context_files(name: &str, host: &str) -> BTreeMap<PathBuf, String> {
        let hex = digest(&SHA256, name.as_bytes());
        let hex: String = hex.as_ref().iter().map(|it| format!("{it:02x}")).collect();
        let contexts = Path::new("/home/ada/.docker/contexts");
        BTreeMap::from([
            (
                "/home/ada/.docker/config.json".into(),
                format!("{{\"auths\": {{}}, \"currentContext\": \"{name}\"}}"),
            ),
            (
                contexts.join("meta").join(&hex).join("meta.json"),
                format!(
                    "{{\"Name\": \"{name}\", \"Metadata\": {{}}, \
                     \"Endpoints\": {{\"docker\": {{\"Host\": \"{host}\"}}}}}}"
                ),
            ),
            (
                contexts.join("tls").join(&hex).join("docker/ca.pem"),
                "a certificate".to_owned(),
            ),
        ])
    }

    #[test]
    fn the_variable_is_the_only_place_where_it_is_set() {
        let mut settings = settings();
        settings.host = Some("tcp://engine:2376".to_owned());
        settings.context = Some("remote".to_owned());
        let found = candidates(&settings, &|_| None).expect("found");
        assert_eq!(addresses(&found), ["tcp://engine:2376"]);
        assert_eq!(found[0].certificates, None);
        settings.tls_verify = true;
        let found = candidates(&settings, &|_| None).expect("found");
        assert_eq!(found[0].certificates, Some("/home/ada/.docker".into()));
        settings.certificates = Some("/certs".into());
        let found = candidates(&settings, &|_| None).expect("found");
        assert_eq!(found[0].certificates, Some("/certs".into()));
    }

    #[test]
    fn a_context_is_found_by_the_digest_of_its_name() {
        let files = context_files("remote", "tcp://10.0.0.1:2376");
        let read = |path: &Path| files.get(path).cloned();
        let found = candidates(&settings(), &read).expect("found");
        assert_eq!(addresses(&found), ["tcp://10.0.0.1:2376"]);
        let folder = found[0].certificates.as_ref().expect("has certificates");
        assert!(folder.ends_with("docker"), "{}", folder.display());
        assert_eq!(
            found[0].chosen_by.as_deref(),
            Some("the docker context `remote`")
        );

        // The variable comes before the file.
        let mut other = settings();
        other.context = Some("other".to_owned());
        assert_eq!(
            candidates(&other, &read).map_err(|it| it.to_string()),
            Err("the docker context `other` does not exist".to_owned())
        );
        other.context = Some(DEFAULT_CONTEXT.to_owned());
        assert!(candidates(&other, &read).expect("found").len() > 1);
    }

    #[test]
    fn without_a_choice_the_usual_sockets_are_tried() {
        let found = candidates(&settings(), &|_| None).expect("found");
        assert_eq!(
            addresses(&found),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/user/1000/docker.sock",
                "unix:///home/ada/.docker/run/docker.sock",
                "unix:///home/ada/.docker/desktop/docker.sock",
                "unix:///home/ada/.orbstack/run/docker.sock",
                "unix:///home/ada/.colima/default/docker.sock",
                "unix:///home/ada/.config/colima/default/docker.sock",
                "unix:///home/ada/.rd/docker.sock",
                "unix:///run/user/1000/podman/podman.sock",
                "unix:///run/podman/podman.sock",
                "unix:///home/ada/.local/share/containers/podman/machine/podman.sock",
            ]
        );
    }
}
