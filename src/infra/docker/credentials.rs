//! Who asks a registry: what `docker login` has kept.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::infra::resource::images;

/// The name under which `docker login` keeps who asks Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The part of Docker's configuration that is about registries.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Auth {
    auth: Option<String>,
}

/// What a helper answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Who asks the registry of an image; `None` for anybody. `folder` is the one of Docker's
/// configuration.
pub(super) fn find(folder: Option<&Path>, image: &str) -> Option<DockerCredentials> {
    let text = fs::read_to_string(folder?.join("config.json")).ok()?;
    let config: Config = serde_json::from_str(&text).ok()?;
    let registry = images::registry(image);
    let key = match registry {
        "docker.io" => DOCKER_HUB_KEY,
        other => other,
    };
    let helper = config.cred_helpers.get(key).or(config.creds_store.as_ref());
    helper
        .and_then(|helper| ask(helper, key))
        .or_else(|| decode(config.auths.get(key)?.auth.as_deref()?, key))
}

/// Asks a program that keeps secrets, as Docker's own command line does.
fn ask(helper: &str, key: &str) -> Option<DockerCredentials> {
    let program = PathBuf::from(format!("docker-credential-{helper}"));
    let mut command = Command::new(program);
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    child.stdin.take()?.write_all(key.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let answer: Answer = serde_json::from_slice(&output.stdout).ok()?;
    let is_token = answer.username == "<token>";
    Some(DockerCredentials {
        identitytoken: is_token.then(|| answer.secret.clone()),
        username: (!is_token).then_some(answer.username),
        password: (!is_token).then_some(answer.secret),
        serveraddress: Some(key.to_owned()),
        ..DockerCredentials::default()
    })
}

/// What stands in the file itself: `user:password` in base64.
fn decode(auth: &str, key: &str) -> Option<DockerCredentials> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.trim_end_matches('\0').to_owned()),
        serveraddress: Some(key.to_owned()),
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_login_kept_is_found_by_the_registry() {
        let folder = tempfile::tempdir().expect("a folder");
        let auths = format!(
            r#"{{"auths": {{"mirror.example.com:5000": {{"auth": "{}"}}, "{DOCKER_HUB_KEY}": {{"auth": "{}"}}}}}}"#,
            STANDARD.encode("ada:lovelace"),
            STANDARD.encode("hub:secret:1"),
        );
        fs::write(folder.path().join("config.json"), auths).expect("written");
        let found = |image: &str| {
            let found = find(Some(folder.path()), image)?;
            Some((found.username?, found.password?))
        };
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(
            found("mirror.example.com:5000/redis:7"),
            pair("ada", "lovelace")
        );
        assert_eq!(found("redis:7"), pair("hub", "secret:1"));
        assert_eq!(found("quay.io/coreos/etcd:v3"), None);
        assert_eq!(find(None, "redis:7"), None);
    }
}
