//! Noticing changes: the files by reading them again, the store by following its key.
//!
//! Files are read, not watched by the system: two small files twice a second cost next to nothing,
//! and it works the same for files that are edited in place, replaced by a rename, or reached by
//! links that a ConfigMap swaps, on every file system and without another dependency.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::start::{self, Started, source_name};
use super::{Change, Hooks, Outcome, metrics};
use crate::config::follow::PROCESS;
use crate::config::source::{File, read};
use crate::config::{ConfigCenter, ConfigError};
use crate::registry::{Store, Value};
use crate::task;

/// A file that has changed is read again after this time, until it no longer does: an editor may be
/// in the middle of writing it.
const SETTLE: Duration = Duration::from_millis(50);

const FILE: &str = "file";

/// Follows changes until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _tasks: JoinSet<()>,
}

/// Begins to follow the configuration that was loaded, if there is one, and to apply changes by
/// `hooks`. It must be called inside of a runtime.
pub(crate) fn watch(hooks: Hooks) -> Watch {
    let mut tasks = JoinSet::new();
    if let Some(mut started) = start::take() {
        for reason in started.warnings.drain(..) {
            tracing::warn!(
                reason,
                "the configuration store is not used as it should be"
            );
        }
        metrics::in_force();
        started.center.tell(hooks, &PROCESS);
        let interval = started.config.config_center.poll_interval.get();
        let (files, file_changes) = mpsc::channel(1);
        if !interval.is_zero() && !started.files.is_empty() {
            tasks.spawn(task::boxed(poll(started.files.clone(), interval, files)));
        }
        let (values, store_changes) = mpsc::channel(1);
        match Store::new(&started.config) {
            Ok(Some(store)) => {
                tasks.spawn(task::boxed(store.follow(values)));
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the configuration store cannot be followed"),
        }
        tasks.spawn(task::boxed(apply(started, file_changes, store_changes)));
    }
    Watch { _tasks: tasks }
}

type Texts = Result<Vec<Option<String>>, ConfigError>;

/// Sends the texts of `files` when they have changed.
pub(super) async fn poll(files: Vec<File>, interval: Duration, changes: mpsc::Sender<Texts>) {
    let mut last = None;
    let mut first = true;
    loop {
        if !std::mem::take(&mut first) {
            tokio::time::sleep(interval).await;
        }
        let mut texts = read_in_background(&files).await;
        if last.as_ref() == Some(&fingerprint(&texts)) {
            continue;
        }
        loop {
            tokio::time::sleep(SETTLE).await;
            let again = read_in_background(&files).await;
            let is_settled = fingerprint(&again) == fingerprint(&texts);
            texts = again;
            if is_settled {
                break;
            }
        }
        last = Some(fingerprint(&texts));
        if changes.send(texts).await.is_err() {
            return;
        }
    }
}

/// Whatever two readings have in common when nothing has changed.
fn fingerprint(texts: &Texts) -> Result<Vec<Option<String>>, String> {
    match texts {
        Ok(texts) => Ok(texts.clone()),
        Err(error) => Err(error.with_cause()),
    }
}

async fn read_in_background(files: &[File]) -> Texts {
    let files = files.to_vec();
    let reading = tokio::task::spawn_blocking(move || read(&files)).await;
    // It is cancelled at the end of the runtime alone.
    reading.unwrap_or_else(|_| Ok(Vec::new()))
}

/// Applies changes one after the other.
async fn apply(
    mut started: Started,
    mut files: mpsc::Receiver<Texts>,
    mut values: mpsc::Receiver<Value>,
) {
    let config = started.config.config_center.clone();
    let store = source_name(config.source).unwrap_or_default();
    loop {
        let (source, outcome) = tokio::select! {
            Some(texts) = files.recv() => match texts {
                Ok(texts) => (FILE, started.center.change(Change::Files(texts))),
                Err(error) => (FILE, started.center.refuse(error)),
            },
            Some(value) = values.recv() => {
                let outcome = started.center.change(Change::Store(value.clone()));
                if matches!(outcome, Outcome::Applied { .. }) {
                    keep(&config, value).await;
                }
                (store, outcome)
            },
            else => return,
        };
        tell(source, outcome);
    }
}

/// Keeps what the store said for the next start.
async fn keep(config: &ConfigCenter, value: Value) {
    let config = config.clone();
    let write = move || {
        let mut warnings = Vec::new();
        start::cache(&config, value.as_deref(), &mut warnings);
        warnings
    };
    let warnings = tokio::task::spawn_blocking(write).await;
    for reason in warnings.unwrap_or_default() {
        tracing::warn!(reason, "the settings of the store are not kept");
    }
}

/// Values are never logged: they may be secrets.
fn tell(source: &'static str, outcome: Outcome) {
    match outcome {
        Outcome::Known => {}
        Outcome::Applied {
            changed,
            need_restart,
        } => {
            metrics::reloaded(source, true);
            // A comment, or a value that a higher layer overrides.
            if changed.is_empty() {
                return;
            }
            let changed = changed.join(",");
            tracing::info!(source, changed, "the configuration was reloaded");
            if !need_restart.is_empty() {
                let keys = need_restart.join(",");
                tracing::warn!(
                    source,
                    keys,
                    "these settings have changed and need a restart"
                );
            }
        }
        Outcome::Refused(error) => {
            metrics::reloaded(source, false);
            let reason = error.with_cause();
            tracing::warn!(
                source,
                reason,
                "a change of the configuration was refused, the last good one stays"
            );
        }
    }
}
