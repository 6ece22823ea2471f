//! Settings that change while the service runs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

type Callback<A> = Box<dyn FnMut(&Arc<A>) + Send>;

/// The service's own settings, `[app]`, as they are now. Clones see the same settings.
///
/// Only a change that is valid as a whole is ever seen here, and one that leaves `[app]` as it was
/// is not.
///
/// ```
/// # use chassis::config::Live;
/// #[derive(Debug, Clone, Default)]
/// struct Settings { greeting: String }
///
/// struct UserApi { settings: Live<Settings> }
///
/// impl UserApi {
///     fn greet(&self, name: &str) -> String {
///         format!("{} {name}", self.settings.current().greeting)
///     }
/// }
///
/// // In `main`, `config.live()` is what a test makes by `Live::fixed`.
/// let settings = Live::fixed(Settings { greeting: "hello".to_owned() });
/// assert_eq!(UserApi { settings }.greet("Ada"), "hello Ada");
/// ```
pub struct Live<A> {
    shared: Arc<Shared<A>>,
    /// What this handle has seen.
    version: watch::Receiver<u64>,
}

struct Shared<A> {
    current: ArcSwap<A>,
    version: watch::Sender<u64>,
    callbacks: Mutex<Vec<Callback<A>>>,
}

impl<A> Live<A> {
    /// Settings that never change, for tests.
    #[must_use]
    pub fn fixed(settings: A) -> Self {
        let (version, receiver) = watch::channel(0);
        Self {
            shared: Arc::new(Shared {
                current: ArcSwap::from_pointee(settings),
                version,
                callbacks: Mutex::default(),
            }),
            version: receiver,
        }
    }

    /// The settings as they are now. It costs a few nanoseconds and never waits. Take it once a
    /// call: two takes may differ.
    #[must_use]
    pub fn current(&self) -> Arc<A> {
        self.shared.current.load_full()
    }

    /// Waits for settings that this handle has not yet returned from here, and returns the latest.
    /// It may be dropped and called again.
    pub async fn changed(&mut self) -> Arc<A> {
        // The sender lives as long as `self`, so there is no error to handle.
        let _ = self.version.changed().await;
        self.current()
    }

    /// Calls `callback` with the settings of each change to come, one after the other. It runs in
    /// the task that applies changes, so it must not block.
    pub fn on_change(&self, callback: impl FnMut(&Arc<A>) + Send + 'static) {
        self.lock().push(Box::new(callback));
    }

    /// Changes the settings, for all clones.
    pub(super) fn replace(&self, settings: A) {
        let settings = Arc::new(settings);
        self.shared.current.store(Arc::clone(&settings));
        self.shared.version.send_modify(|version| *version += 1);
        // A callback may add another.
        let mut callbacks = std::mem::take(&mut *self.lock());
        for callback in &mut callbacks {
            // The panic itself is logged by the hook.
            if catch_unwind(AssertUnwindSafe(|| callback(&settings))).is_err() {
                tracing::error!("a callback for changed settings panicked");
            }
        }
        self.lock().splice(0..0, callbacks);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Callback<A>>> {
        let callbacks = self.shared.callbacks.lock();
        callbacks.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Clone for Live<A> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            version: self.version.clone(),
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for Live<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&self.current()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_handles_see_a_change_and_wait_for_the_next() {
        let live = Live::fixed(1);
        let mut other = live.clone();
        live.replace(2);
        assert_eq!((*live.current(), *other.current()), (2, 2));
        assert_eq!(*other.changed().await, 2);
        tokio::select! {
            biased;
            _ = other.changed() => panic!("nothing has changed since"),
            () = std::future::ready(()) => {}
        }
        let waiting = tokio::spawn(async move { *other.changed().await });
        live.replace(3);
        assert_eq!(waiting.await.expect("no panic"), 3);
    }

    #[test]
    fn callbacks_are_called_in_order_and_survive_a_panic() {
        let live = Live::fixed(0);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let first = Arc::clone(&seen);
        live.on_change(move |value| {
            first.lock().expect("no panic").push(("first", **value));
            assert_ne!(**value, 1, "as told");
        });
        let second = Arc::clone(&seen);
        live.on_change(move |value| second.lock().expect("no panic").push(("second", **value)));
        live.replace(1);
        live.replace(2);
        let expected = [("first", 1), ("second", 1), ("first", 2), ("second", 2)];
        assert_eq!(*seen.lock().expect("no panic"), expected);
    }
}
