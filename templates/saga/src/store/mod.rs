//! Where sagas are kept.

#[cfg(feature = "storage")]
mod database;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::machine::Journal;
use crate::{Error, Status};

/// Where sagas are kept. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Store(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Memory(Arc<memory::Memory>),
    #[cfg(feature = "storage")]
    Database(storage::Database),
}

/// What a saga is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) saga: String,
    pub(crate) id: Arc<str>,
}

/// A saga that is started.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) key: Key,
    pub(crate) input: String,
    /// The trace that it is part of, as JSON.
    pub(crate) trace: String,
}

/// A saga that one process works on.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) key: Key,
    pub(crate) input: Arc<str>,
    pub(crate) trace: String,
    pub(crate) journal: Journal,
    /// Grows with each process that takes the saga up: one that has an older one has lost it.
    pub(crate) fence: i64,
}

/// A saga as others see it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    pub(crate) journal: Journal,
    pub(crate) owner: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// Who takes sagas up, and until when it has them. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'c> {
    pub(crate) owner: &'c str,
    pub(crate) now: i64,
    pub(crate) lease_until: i64,
}

/// Which sagas are looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) saga: Option<String>,
    pub(crate) id: Option<String>,
    /// `None` is those that have not ended, and those that are stuck.
    pub(crate) status: Option<Status>,
    pub(crate) limit: u32,
}

/// The same for each of them.
macro_rules! each {
    ($store:expr, $inner:ident => $memory:expr, $database:expr) => {
        match &$store.0 {
            Kind::Memory($inner) => Ok($memory),
            #[cfg(feature = "storage")]
            Kind::Database($inner) => $database.await,
        }
    };
}

impl Store {
    /// In this process, and gone with it: for tests.
    #[must_use]
    pub fn memory() -> Self {
        Self(Kind::Memory(Arc::default()))
    }

    /// In the table `sagas` of `database`, which is made when it is not there.
    ///
    /// # Errors
    /// Those of [`Database::migrate`](storage::Database::migrate).
    #[cfg(feature = "storage")]
    pub async fn database(database: &storage::Database) -> Result<Self, Error> {
        database.migrate(database::MIGRATIONS).await?;
        Ok(Self(Kind::Database(database.clone())))
    }

    /// False when there is one with that key already.
    pub(crate) async fn insert(&self, new: New, now: i64) -> Result<bool, Error> {
        each!(self, it => it.insert(new, now), database::insert(it, new, now))
    }

    /// Takes up to `limit` sagas called `saga` that nobody works on.
    pub(crate) async fn claim(
        &self,
        saga: &str,
        claim: Claim<'_>,
        limit: u32,
    ) -> Result<Vec<Claimed>, Error> {
        each!(self, it => it.claim(saga, claim, limit), database::claim(it, saga, claim, limit))
    }

    /// Keeps `journal`; false when another process has taken the saga up.
    pub(crate) async fn save(
        &self,
        claimed: &Claimed,
        due_at: i64,
        now: i64,
    ) -> Result<bool, Error> {
        each!(self, it => it.save(claimed, due_at, now), database::save(it, claimed, due_at, now))
    }

    /// Has the saga until `due_at`; false when another process has taken it up.
    pub(crate) async fn renew(&self, claimed: &Claimed, due_at: i64) -> Result<bool, Error> {
        each!(self, it => it.renew(claimed, due_at), database::renew(it, claimed, due_at))
    }

    /// Has a saga that is stuck undone again; false when there is none, or it is not stuck. Whoever had it
    /// has lost it.
    pub(crate) async fn resume(&self, key: &Key, now: i64) -> Result<bool, Error> {
        each!(self, it => it.resume(key, now), database::resume(it, key, now))
    }

    /// The newest first.
    pub(crate) async fn list(&self, filter: &Filter) -> Result<Vec<Seen>, Error> {
        each!(self, it => it.list(filter), database::list(it, filter))
    }

    /// The journal of one.
    pub(crate) async fn find(&self, key: &Key) -> Result<Option<Journal>, Error> {
        each!(self, it => it.find(key), database::find(it, key))
    }

    /// Forgets up to `limit` of those that were completed or compensated before `before`; how many.
    pub(crate) async fn forget(&self, before: i64, limit: u32) -> Result<u64, Error> {
        each!(self, it => it.forget(before, limit), database::forget(it, before, limit))
    }
}

#[cfg(feature = "storage")]
pub(crate) use database::insert_in;
