//! Of many who want the same, one gets it and the others wait (single flight).

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is being read, by key.
#[derive(Debug)]
pub(super) struct Flights<V, E>(Mutex<HashMap<String, UnderWay<V, E>>>);

#[derive(Debug)]
struct UnderWay<V, E> {
    outcome: watch::Receiver<Option<Result<V, E>>>,
    is_disowned: Arc<AtomicBool>,
}

/// What somebody who wants a value is to do.
pub(super) enum Role<'f, V, E, F> {
    /// To read it.
    Leader(Flight<'f, V, E>),
    /// To wait for the one who reads; `None` when that one gave up.
    Follower(F),
}

/// A value that is being read by whoever has this.
#[derive(Debug)]
pub(super) struct Flight<'f, V, E> {
    flights: &'f Flights<V, E>,
    key: String,
    outcome: watch::Sender<Option<Result<V, E>>>,
    is_disowned: Arc<AtomicBool>,
}

impl<V, E> Default for Flights<V, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone, E: Clone> Flights<V, E> {
    pub(super) fn join(
        &self,
        key: &str,
    ) -> Role<'_, V, E, impl Future<Output = Option<Result<V, E>>> + use<V, E>> {
        let mut under_way = self.under_way();
        if let Some(found) = under_way.get(key) {
            let mut outcome = found.outcome.clone();
            return Role::Follower(async move {
                let landed = outcome.wait_for(Option::is_some).await.ok()?;
                landed.clone()
            });
        }
        let (sender, receiver) = watch::channel(None);
        let is_disowned = Arc::<AtomicBool>::default();
        let flight = UnderWay {
            outcome: receiver,
            is_disowned: Arc::clone(&is_disowned),
        };
        under_way.insert(key.to_owned(), flight);
        Role::Leader(Flight {
            flights: self,
            key: key.to_owned(),
            outcome: sender,
            is_disowned,
        })
    }

    /// What is being read is old when it arrives: those who wait get it, and it is not kept. Whoever
    /// wants it from now on reads again.
    pub(super) fn disown(&self, key: &str) {
        if let Some(found) = self.under_way().remove(key) {
            found.is_disowned.store(true, Ordering::Release);
        }
    }
}

impl<V, E> Flights<V, E> {
    fn under_way(&self) -> MutexGuard<'_, HashMap<String, UnderWay<V, E>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V, E> Flight<'_, V, E> {
    /// Whether the value has changed since.
    pub(super) fn is_disowned(&self) -> bool {
        self.is_disowned.load(Ordering::Acquire)
    }

    /// Hands the outcome to those who wait.
    pub(super) fn land(&self, outcome: Result<V, E>) {
        self.outcome.send_replace(Some(outcome));
    }
}

/// Also of one that was given up.
impl<V, E> Drop for Flight<'_, V, E> {
    fn drop(&mut self) {
        let mut under_way = self.flights.under_way();
        // Once it is disowned, another may be under way.
        let is_this = |it: &UnderWay<V, E>| Arc::ptr_eq(&it.is_disowned, &self.is_disowned);
        if under_way.get(&self.key).is_some_and(is_this) {
            under_way.remove(&self.key);
        }
    }
}
