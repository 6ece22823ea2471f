//! The configuration while the service runs: a change of a layer is parsed and validated with all
//! the others, and either takes effect as a whole or not at all.
//!
//! [`start`] gets the first one, [`run`] notices changes, [`report`] shows what is in force. This
//! file decides, without a clock and without I/O.

mod effective;
mod metrics;
mod report;
mod run;
mod start;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::follow::{Followers, Ready};
use super::layers::Layers;
use super::node::Node;
use super::seal::Keys;
use super::{Config, ConfigError};
use crate::registry::Value;
use effective::Effective;
use report::{Refused, State};

pub(super) use start::{live, load};
pub(crate) use {report::json, run::watch};

/// What reads and validates a tree for the type of the service's own settings.
type Check = Box<dyn Fn(&Node) -> Result<Checked, ConfigError> + Send>;

/// A valid configuration.
struct Checked {
    config: Config,
    effective: Effective,
    /// Puts the service's own settings in force.
    publish_app: Box<dyn FnOnce() + Send>,
}

/// A change that can come into force.
struct Good {
    tree: Node,
    checked: Checked,
    /// The keys whose values differ from what is in force.
    changed: Vec<String>,
    ready: Ready,
}

/// The keys that a callback applies while the service runs. All others, but those of `[app]` and
/// those that are followed, need a restart.
#[derive(Default)]
pub(crate) struct Hooks(Vec<(&'static str, Hook)>);

type Hook = Box<dyn FnMut(&Config) + Send>;

impl Hooks {
    /// `apply` gets the configuration when the setting `key`, or one below it, has changed.
    #[must_use]
    pub(crate) fn add(
        mut self,
        key: &'static str,
        apply: impl FnMut(&Config) + Send + 'static,
    ) -> Self {
        self.0.push((key, Box::new(apply)));
        self
    }
}

/// A layer as it is now.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Files(Vec<Option<String>>),
    Store(Value),
}

/// What became of a change.
#[derive(Debug)]
enum Outcome {
    /// It was seen before.
    Known,
    /// It is in force.
    Applied {
        /// The keys whose values differ from before.
        changed: Vec<String>,
        /// Those of them that are not in force before a restart.
        need_restart: Vec<String>,
    },
    /// All is as it was.
    Refused(ConfigError),
}

struct Center {
    check: Check,
    keys: Keys,
    /// What is in force.
    accepted: Layers,
    /// What was last seen, good or bad.
    seen: Layers,
    /// The store, by the name that it has in errors, and whether its key must be there.
    store: Option<(Arc<str>, bool)>,
    /// Whether it is known that a key that must be there is not.
    missing: bool,
    /// What the service was started with.
    started: State,
    hooks: Hooks,
    /// `None` where nobody follows it.
    followers: Option<&'static Followers>,
    state: Arc<ArcSwap<State>>,
}

impl Center {
    /// From now on, changes are told to `hooks` and `followers`.
    fn tell(&mut self, hooks: Hooks, followers: &'static Followers) {
        let hooked = hooks.0.iter().map(|(key, _)| *key).collect();
        self.hooks = hooks;
        self.followers = Some(followers);
        self.state.rcu(|state| State {
            hooked: Vec::clone(&hooked),
            ..State::clone(state)
        });
    }

    fn change(&mut self, change: Change) -> Outcome {
        if change == Change::Store(None)
            && let Some((name, true)) = &self.store
        {
            if std::mem::replace(&mut self.missing, true) {
                return Outcome::Known;
            }
            return self.refuse(ConfigError::Store {
                name: name.to_string(),
                message: "there is no such key".to_owned(),
            });
        }
        if matches!(change, Change::Store(_)) {
            self.missing = false;
        }
        let mut seen = self.seen.clone();
        self.put(&mut seen, change.clone());
        if seen.files == self.seen.files && seen.store == self.seen.store {
            return Outcome::Known;
        }
        self.seen = seen.clone();
        // What was refused before may have become valid by this change; and if it has not, this
        // change may be good without it.
        match self.read(&seen) {
            Ok(good) => self.accept(seen, good, None),
            Err(_) => {
                let mut alone = self.accepted.clone();
                self.put(&mut alone, change);
                match self.read(&alone) {
                    Ok(good) => {
                        let refused = self.state.load().refused.clone();
                        self.accept(alone, good, refused)
                    }
                    Err(error) => self.refuse(error),
                }
            }
        }
    }

    fn put(&self, layers: &mut Layers, change: Change) {
        match change {
            Change::Files(files) => layers.files = files,
            Change::Store(value) => {
                let name = self.store.as_ref().map(|(name, _)| Arc::clone(name));
                layers.store = name.zip(value);
            }
        }
    }

    fn read(&self, layers: &Layers) -> Result<Good, ConfigError> {
        let tree = layers.tree(&self.keys)?;
        let checked = (self.check)(&tree)?;
        let changed = report::differing(&self.state.load().tree, &tree);
        let ready = match self.followers {
            Some(followers) => followers.prepare(&changed, &checked.config),
            None => Ok(Ready::default()),
        };
        let ready = ready.map_err(|refusal| {
            let origin = report::origin(&tree, &refusal.key);
            ConfigError::setting(origin, &refusal.key, refusal.reason)
        })?;
        Ok(Good {
            tree,
            checked,
            changed,
            ready,
        })
    }

    fn accept(&mut self, layers: Layers, good: Good, refused: Option<Refused>) -> Outcome {
        let Good {
            tree,
            checked,
            changed,
            ready,
        } = good;
        let before = self.state.load_full();
        let need_restart: Vec<String> = report::differing(&self.started.tree, &tree)
            .into_iter()
            .filter(|key| !before.is_live(key))
            .collect();
        self.accepted = layers;
        let in_force = |key: &String| (key.clone(), self.started.value(key));
        self.state.store(Arc::new(State {
            tree,
            effective: checked.effective,
            hooked: before.hooked.clone(),
            need_restart: need_restart.iter().map(in_force).collect(),
            refused,
        }));
        if changed.iter().any(|key| is_within(key, APP)) {
            (checked.publish_app)();
        }
        for (prefix, apply) in &mut self.hooks.0 {
            if changed.iter().any(|key| is_within(key, prefix)) {
                apply(&checked.config);
            }
        }
        if let Some(followers) = self.followers {
            followers.apply(ready, &changed, &checked.config);
        }
        Outcome::Applied {
            need_restart: need_restart
                .into_iter()
                .filter(|key| changed.contains(key))
                .collect(),
            changed,
        }
    }

    fn refuse(&self, error: ConfigError) -> Outcome {
        let before = self.state.load_full();
        self.state.store(Arc::new(State {
            refused: Some(Refused::now(&error)),
            ..State::clone(&before)
        }));
        Outcome::Refused(error)
    }
}

/// The section of the service's own settings.
const APP: &str = "app";

/// Whether `key` is `prefix` or below it.
pub(super) fn is_within(key: &str, prefix: &str) -> bool {
    let rest = key.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
