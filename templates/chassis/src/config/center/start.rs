//! The configuration at the start, and where the process keeps it.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::effective::Effective;
use super::report::State;
use super::{Center, Checked, Hooks};
use crate::config::layers::Layers;
use crate::config::seal::Keys;
use crate::config::source::{File, Source};
use crate::config::{Config, ConfigCenter, ConfigError, ConfigSource, Live};
use crate::registry::{Store, Value};

/// What was loaded last: a process serves once.
static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

struct Loaded {
    started: Option<Started>,
    /// `Live<A>`
    live: Box<dyn Any + Send>,
    state: Arc<ArcSwap<State>>,
}

/// What is needed to follow changes, for whoever comes first.
pub(super) struct Started {
    pub(super) center: Center,
    pub(super) files: Vec<File>,
    pub(super) config: Config,
    /// What there is to say once there is a log.
    pub(super) warnings: Vec<String>,
}

fn loaded() -> std::sync::MutexGuard<'static, Option<Loaded>> {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in force now.
pub(super) fn current() -> Option<Arc<State>> {
    loaded().as_ref().map(|loaded| loaded.state.load_full())
}

/// What was loaded, unless somebody follows it already.
pub(super) fn take() -> Option<Started> {
    loaded().as_mut().and_then(|loaded| loaded.started.take())
}

/// The settings of the type `A` that were loaded.
pub(in crate::config) fn live<A: 'static>() -> Option<Live<A>> {
    let loaded = loaded();
    let live = loaded.as_ref()?.live.downcast_ref::<Live<A>>();
    live.cloned()
}

/// Loads the configuration and keeps what is needed to follow its changes.
pub(in crate::config) fn load<A>(name: &str, version: &str) -> Result<Config<A>, ConfigError>
where
    A: DeserializeOwned + Default + Send + Sync + 'static,
{
    let source = Source::from_process();
    let (config, live, started) = load_from::<A>(source, (name, version), ask)?;
    *loaded() = Some(Loaded {
        state: Arc::clone(&started.center.state),
        started: Some(started),
        live: Box::new(live),
    });
    Ok(config)
}

/// Asks the store that `config` names, in a thread with a runtime of its own: the caller may or may
/// not be in one.
fn ask(config: &Config) -> Result<Value, String> {
    let config = config.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        runtime.block_on(async {
            match Store::new(&config).map_err(|error| error.to_string())? {
                Some(store) => store.get(config.config_center.timeout.get()).await,
                None => Ok(None),
            }
        })
    });
    let result = thread.join();
    result.unwrap_or_else(|_| Err("the request panicked".to_owned()))
}

/// Loads from `source`, where `ask` gets what the store says.
pub(super) fn load_from<A>(
    source: Source,
    (name, version): (&str, &str),
    ask: impl FnOnce(&Config) -> Result<Value, String>,
) -> Result<(Config<A>, Live<A>, Started), ConfigError>
where
    A: DeserializeOwned + Default + Send + Sync + 'static,
{
    let (mut layers, files) = source.layers(name, version)?;
    let keys = Keys::of(&source)?;
    // The service's own settings may be complete only with what the store says.
    let first: Config<IgnoredAny> = source.typed(&layers.tree(&keys)?)?;
    let first = first.chassis();
    let store = store_name(&first);
    let mut warnings = Vec::new();
    if let Some(name) = &store {
        let value = from_store(&first.config_center, name, ask(&first), &mut warnings)?;
        layers.store = value.map(|value| (Arc::clone(name), value));
    }

    let read = |layers: &Layers| -> Result<_, ConfigError> {
        let tree = layers.tree(&keys)?;
        let config = source.typed::<A>(&tree)?;
        Ok((tree, config))
    };
    let (tree, config) = match read(&layers) {
        Ok(read) => read,
        Err(error) => {
            // What the store says is not valid: what it said before was.
            let cached = cached(&first.config_center).filter(|_| layers.store.is_some());
            let mut before = layers.clone();
            before.store = store.clone().zip(cached);
            match read(&before) {
                Ok(read) if before.store.is_some() => {
                    warnings.push(format!(
                        "{}: starting with the cached settings",
                        error.with_cause()
                    ));
                    layers = before;
                    read
                }
                _ => return Err(error),
            }
        }
    };
    if let Some((_, value)) = &layers.store {
        cache(&first.config_center, Some(value), &mut warnings);
    }

    let live = Live::fixed(source.typed::<A>(&tree)?.app);
    let chassis = config.chassis();
    let publisher = live.clone();
    let state = State {
        effective: Effective::new(&chassis, &source, &tree),
        tree,
        hooked: Vec::new(),
        need_restart: BTreeMap::new(),
        refused: None,
    };
    let center = Center {
        check: Box::new(move |tree| {
            let config = source.typed::<A>(tree)?;
            let publisher = publisher.clone();
            let chassis = config.chassis();
            Ok(Checked {
                effective: Effective::new(&chassis, &source, tree),
                config: chassis,
                publish_app: Box::new(move || publisher.replace(config.app)),
            })
        }),
        keys,
        accepted: layers.clone(),
        seen: layers,
        store: store.map(|name| (name, chassis.config_center.required)),
        missing: false,
        started: state.clone(),
        hooks: Hooks::default(),
        followers: None,
        state: Arc::new(ArcSwap::from_pointee(state)),
    };
    let started = Started {
        center,
        files,
        config: chassis,
        warnings,
    };
    Ok((config, live, started))
}

/// `consul:config/dev/user-service`, if there is a store.
fn store_name(config: &Config) -> Option<Arc<str>> {
    let store = source_name(config.config_center.source)?;
    Some(format!("{store}:{}", config.config_center_key()).into())
}

/// As in the configuration.
pub(super) fn source_name(source: ConfigSource) -> Option<&'static str> {
    match source {
        ConfigSource::Consul => Some("consul"),
        ConfigSource::Etcd => Some("etcd"),
        ConfigSource::None => None,
    }
}

/// What to start with, after the store gave `answer`.
fn from_store(
    center: &ConfigCenter,
    name: &Arc<str>,
    answer: Result<Value, String>,
    warnings: &mut Vec<String>,
) -> Result<Value, ConfigError> {
    let missing = |message: String| ConfigError::Store {
        name: name.to_string(),
        message,
    };
    match answer {
        Ok(None) if center.required => Err(missing("there is no such key".to_owned())),
        Ok(None) => {
            // A key that was deleted meanwhile must not come back when the store is away.
            cache(center, None, warnings);
            Ok(None)
        }
        Ok(value) => Ok(value),
        Err(error) => match cached(center) {
            Some(value) => {
                warnings.push(format!(
                    "failed to load {name}: {error}: starting with the cached settings"
                ));
                Ok(Some(value))
            }
            None if center.required => Err(missing(error)),
            None => {
                warnings.push(format!("failed to load {name}: {error}: starting without"));
                Ok(None)
            }
        },
    }
}

/// The last good text of the store.
fn cached(center: &ConfigCenter) -> Value {
    let path = center.cache_file.as_ref()?;
    std::fs::read(path).ok()
}

/// Keeps `value` for the next start; that it cannot be kept is a warning.
pub(super) fn cache(center: &ConfigCenter, value: Option<&[u8]>, warnings: &mut Vec<String>) {
    let Some(path) = &center.cache_file else {
        return;
    };
    let result = match value {
        Some(value) if cached(center).as_deref() == Some(value) => Ok(()),
        Some(value) => write(path, value),
        None => match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    };
    if let Err(error) = result {
        let path = path.display();
        warnings.push(format!("failed to write the cache {path}: {error}"));
    }
}

/// Writes a file as a whole, for nobody else to read.
fn write(path: &Path, value: &[u8]) -> std::io::Result<()> {
    use std::io::Write;

    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = Path::new(&name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(temporary)?;
    file.write_all(value)?;
    drop(file);
    std::fs::rename(temporary, path)
}
