mod client;
mod registry;
mod tracing;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;

use super::source::Source;
use super::*;

/// A folder for one test, which is removed at its end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chassis-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(path.join("config")).expect("a temporary folder");
        Self(path)
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.0.join("config").join(name), text).expect("a temporary file");
        self
    }

    pub(super) fn load_as<A>(&self, variables: &[(&str, &str)]) -> Result<Config<A>, ConfigError>
    where
        A: DeserializeOwned + Default + Send + Sync + 'static,
    {
        let source = self.source(variables);
        let (layers, _) = source.layers("user-service", "1.2.3")?;
        source.typed(&layers.tree(&seal::Keys::of(&source)?)?)
    }

    pub(super) fn source(&self, variables: &[(&str, &str)]) -> Source {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Source {
            variables: variables.collect(),
            working_folder: self.0.clone(),
        }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        self.load_as(variables)
    }

    fn error(&self, variables: &[(&str, &str)]) -> String {
        let error = self
            .load(variables)
            .expect_err("the configuration is wrong");
        format!("{:?}", crate::Error::from(error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn without_files_and_variables_everything_has_a_default() {
    let config = Folder::new().load(&[]).expect("valid");
    assert_eq!(config.service.name, "user-service");
    assert_eq!(config.service.version, "1.2.3");
    assert_eq!(config.service.environment, "dev");
    assert_eq!(config.server, Server::default());
    assert_eq!(
        config.admin.address(&config.server),
        ("0.0.0.0".into(), 51051)
    );
}

#[test]
fn each_layer_overrides_the_one_below() {
    let folder = Folder::new()
        .file(
            "default.toml",
            "[server]\nhost = \"a\"\nport = 1\n[log]\nformat = \"json\"",
        )
        .file("dev.toml", "[server]\nhost = \"b\"\nport = 2")
        .file("prod.toml", "[server]\nhost = \"c\"");

    let dev = folder.load(&[("APP_SERVER__PORT", "3")]).expect("valid");
    assert_eq!((dev.server.host.as_str(), dev.server.port), ("b", 3));
    assert_eq!(dev.log.format, LogFormat::Json);

    let prod = folder.load(&[("APP_ENV", "prod")]).expect("valid");
    assert_eq!((prod.server.host.as_str(), prod.server.port), ("c", 1));
    assert_eq!(prod.service.environment, "prod");
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    greeting: String,
    retries: u32,
    tags: Vec<String>,
    timeout: Option<Duration>,
    on: bool,
}

#[test]
fn variables_are_typed_by_what_is_asked_for() {
    let config = Folder::new().load_as::<Settings>(&[
        ("APP_APP__GREETING", "42"),
        ("APP_APP__RETRIES", "42"),
        ("APP_APP__TAGS", "[\"a\", \"b\"]"),
        ("APP_APP__TIMEOUT", "250ms"),
        ("APP_APP__ON", "true"),
        ("APP_LOG__FORMAT", "json"),
        ("APP_TRACING__SAMPLE_RATIO", "0.25"),
        ("APP_REGISTRY__META", "{ zone = \"a\" }"),
    ]);
    let config = config.expect("valid");
    let expected = Settings {
        greeting: "42".to_owned(),
        retries: 42,
        tags: vec!["a".to_owned(), "b".to_owned()],
        timeout: Some(Duration::from_millis(250)),
        on: true,
    };
    assert_eq!(config.app, expected);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.tracing.sample_ratio, Ratio::new(0.25));
    assert_eq!(config.registry.meta["zone"], "a");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("APP_HOME", "/app"),
        ("APP_SERVER_PORT", "x"),
        ("APP___X", "y"),
    ];
    assert!(Folder::new().load(&others).is_ok());
}

#[test]
fn the_folder_can_be_named_and_must_exist_then() {
    let folder = Folder::new().file("other.toml", "");
    let named = [("APP_CONFIG_DIR", "elsewhere")];
    assert_eq!(
        folder.error(&named),
        "failed to load the configuration: APP_CONFIG_DIR names `elsewhere`, which is not a folder"
    );
}

#[test]
fn the_manifest_folder_is_where_cargo_run_finds_files() {
    let crate_folder = Folder::new().file("dev.toml", "[server]\nport = 7");
    let elsewhere = Folder(std::env::temp_dir().join("chassis-config-nowhere"));
    let manifest = crate_folder.0.display().to_string();
    let config = elsewhere.load(&[("CARGO_MANIFEST_DIR", &manifest)]);
    assert_eq!(config.expect("valid").server.port, 7);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
    let folder = Folder::new().file("dev.toml", "[server]\nhost = \"a\"\nprot = 1\n");
    assert_eq!(
        folder.error(&[]),
        "failed to load config/dev.toml:3: unknown key `server.prot`, did you mean `server.port`?"
    );
    let folder = Folder::new().file("dev.toml", "[app]\nname = 1\n");
    assert_eq!(
        folder.error(&[]),
        "failed to load config/dev.toml:2: unknown key `app.name`, no keys are known here"
    );
    assert_eq!(
        Folder::new().error(&[("APP_SERVR__PORT", "1")]),
        "failed to load the environment variable APP_SERVR__PORT: unknown key `servr`, \
         did you mean `server`?"
    );
    assert_eq!(
        Folder::new().error(&[("APP_LOG__TINT", "1")]),
        "failed to load the environment variable APP_LOG__TINT: unknown key `log.tint`, \
         known here: level, format, color, adjustable"
    );
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_was_expected() {
    let folder = Folder::new().file(
        "dev.toml",
        "[server]\ndrain_timeout = 30\n[server.http2]\nmax_concurrent_streams = -1\n",
    );
    assert_eq!(
        folder.error(&[]),
        "failed to load config/dev.toml:2: `server.drain_timeout`: \
         expected a duration such as \"10s\" or \"250ms\", got integer `30`"
    );
    let error = |name, value| Folder::new().error(&[(name, value)]);
    assert_eq!(
        error("APP_SERVER__PORT", "70000"),
        "failed to load the environment variable APP_SERVER__PORT: `server.port`: \
         expected a whole number from 0 to 65535, got integer `70000`"
    );
    assert_eq!(
        error("APP_SERVER__LIMITS__RATE__RATE", "-1"),
        "failed to load the environment variable APP_SERVER__LIMITS__RATE__RATE: \
         `server.limits.rate.rate`: expected a rate of 0 or more, got floating point `-1.0`"
    );
    assert_eq!(
        error("APP_SERVER__LIMITS__CLIENT_RATE__KEY", "metadata:"),
        "failed to load the environment variable APP_SERVER__LIMITS__CLIENT_RATE__KEY: \
         `server.limits.client_rate.key`: expected \"peer\", \"subject\", or \"metadata:\" and a name, \
         got string \"metadata:\""
    );
    assert_eq!(
        error("APP_SERVER__PORT", "http"),
        "failed to load the environment variable APP_SERVER__PORT: `server.port`: \
         expected a whole number from 0 to 65535, got string \"http\""
    );
    assert_eq!(
        error("APP_LOG__FORMAT", "jsn"),
        "failed to load the environment variable APP_LOG__FORMAT: `log.format`: \
         expected one of pretty, json, got \"jsn\", did you mean \"json\"?"
    );
    assert_eq!(
        error("APP_LOG__LEVEL", "inof"),
        "failed to load the environment variable APP_LOG__LEVEL: `log.level`: \
         expected levels such as \"info\" or \"warn,chassis=debug\", got string \"inof\""
    );
    assert_eq!(
        error("APP_TRACING__SAMPLE_RATIO", "2"),
        "failed to load the environment variable APP_TRACING__SAMPLE_RATIO: \
         `tracing.sample_ratio`: expected a ratio from 0 to 1, got floating point `2.0`"
    );
    assert_eq!(
        error("APP_TRACING__ENDPOINT", "localhost:4317"),
        "failed to load the environment variable APP_TRACING__ENDPOINT: `tracing.endpoint`: \
         expected an address of the form \"http://host:port/path\", got string \"localhost:4317\""
    );
    assert_eq!(
        error("APP_METRICS__BUCKETS", "[\"1s\", 5]"),
        "failed to load the environment variable APP_METRICS__BUCKETS: `metrics.buckets.1`: \
         expected a duration such as \"10s\" or \"250ms\", got integer `5`"
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_the_place_of_the_error() {
    let folder = Folder::new().file("default.toml", "[server]\nport 1\n");
    assert_eq!(
        folder.error(&[]),
        "failed to load config/default.toml:2:6: key with no value, expected `=`"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_reason() {
    let folder = Folder::new();
    std::fs::create_dir(folder.0.join("config/dev.toml")).expect("a folder");
    assert_eq!(
        folder.error(&[]),
        "failed to read config/dev.toml: Is a directory (os error 21)"
    );
}

#[test]
fn the_admin_port_is_a_thousand_above() {
    let port = |port| {
        let server = Server {
            port,
            ..Server::default()
        };
        Admin::default().address(&server).1
    };
    assert_eq!(port(50051), 51051);
    assert_eq!(port(0), 0);
    assert_eq!(port(65000), 0);
}
