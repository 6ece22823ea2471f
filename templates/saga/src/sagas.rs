//! All sagas of a service.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use chassis::background::Stop;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Notify, broadcast};

use crate::definition::Definition;
use crate::store::Key;
use crate::{Error, Handle, Saga, Settings, Store};

/// How many ends one who waits for one may be behind; then it looks for itself.
const ENDS: usize = 256;

/// The sagas of a service. Clones share them.
#[derive(Clone)]
pub struct Sagas(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    definitions: RwLock<BTreeMap<&'static str, Arc<Definition>>>,
    /// Who this process is, to others.
    pub(crate) owner: String,
    /// One was started.
    pub(crate) started: Notify,
    /// Which one has ended.
    pub(crate) ended: broadcast::Sender<Key>,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Sagas {
    /// None yet; they are kept in `store`.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        let random = (chassis::backoff::random() * f64::from(u32::MAX)) as u32;
        Self(Arc::new(Shared {
            store,
            settings,
            definitions: RwLock::default(),
            owner: format!("{}-{random:08x}", std::process::id()),
            started: Notify::new(),
            ended: broadcast::Sender::new(ENDS),
        }))
    }

    /// Adds a kind of saga; with what is returned they are started.
    ///
    /// # Panics
    /// When two kinds, or two steps of it, have the same name.
    pub fn add<I>(&self, saga: Saga<I>) -> Handle<I>
    where
        I: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let definition = saga.into_definition();
        let name = definition.name;
        let definitions = &self.0.definitions;
        let mut definitions = definitions.write().unwrap_or_else(PoisonError::into_inner);
        let before = definitions.insert(name, Arc::new(definition));
        assert!(before.is_none(), "there are two sagas called `{name}`");
        Handle::new(name, Arc::clone(&self.0))
    }

    /// What works on them, for [`Services::background`](chassis::Services::background). Each replica of
    /// a service may have one.
    pub fn worker(&self) -> impl Fn(Stop) -> Boxed<Result<(), Error>> + Send + Sync + use<> {
        let shared = Arc::clone(&self.0);
        move |stop| Box::pin(crate::worker::work(Arc::clone(&shared), stop))
    }

    /// What `/sagas` shows, for [`Services::page`](chassis::Services::page): those that have not ended
    /// or are stuck, the newest first. `?status=stuck`, `?saga=place-order`, `?id=order-1` and
    /// `?limit=1000` choose others.
    pub fn page(
        &self,
    ) -> impl Fn(String) -> Boxed<Result<serde_json::Value, Error>> + Send + Sync + use<> {
        let shared = Arc::clone(&self.0);
        move |query| {
            let shared = Arc::clone(&shared);
            Box::pin(async move { crate::page::render(&shared.store, &query, now()).await })
        }
    }
}

impl Shared {
    pub(crate) fn definitions(&self) -> Vec<Arc<Definition>> {
        let definitions = self
            .definitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        definitions.values().cloned().collect()
    }
}

impl fmt::Debug for Sagas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.definitions();
        let names: Vec<&str> = names.iter().map(|it| it.name).collect();
        f.debug_tuple("Sagas").field(&names).finish()
    }
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_micros();
    i64::try_from(since).unwrap_or(i64::MAX)
}
