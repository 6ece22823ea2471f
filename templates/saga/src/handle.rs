//! How sagas are started and waited for.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use chassis::trace::TraceContext;
use serde::Serialize;

use crate::sagas::{Shared, now};
use crate::store::{Key, New};
use crate::{Error, Status, metrics};

/// How often it is looked whether a saga has ended that another process works on.
const LOOK: Duration = Duration::from_millis(250);

/// Sagas of one kind. Clones are the same.
pub struct Handle<I> {
    name: &'static str,
    shared: Arc<Shared>,
    input: PhantomData<fn(I)>,
}

/// How a saga has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Completed, compensated or stuck.
    pub status: Status,
    /// Why it was undone: the step, and what it said.
    pub error: Option<String>,
}

impl<I> Handle<I> {
    pub(crate) fn new(name: &'static str, shared: Arc<Shared>) -> Self {
        Self {
            name,
            shared,
            input: PhantomData,
        }
    }

    fn key(&self, id: &str) -> Key {
        Key {
            saga: self.name.to_owned(),
            id: id.into(),
        }
    }

    /// Where the saga `id` is.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; when it cannot be read.
    pub async fn status(&self, id: &str) -> Result<Status, Error> {
        let journal = self.shared.store.find(&self.key(id)).await?;
        journal.map(|it| it.status).ok_or(Error::NotFound)
    }

    /// Waits until the saga `id` has ended, for as long as that takes.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; when it cannot be read.
    pub async fn wait(&self, id: &str) -> Result<Ended, Error> {
        let key = self.key(id);
        // What ends while it is looked for counts as well.
        let mut ended = self.shared.ended.subscribe();
        loop {
            let journal = self.shared.store.find(&key).await?;
            let journal = journal.ok_or(Error::NotFound)?;
            if journal.status.has_ended() {
                return Ok(Ended {
                    status: journal.status,
                    error: journal.error,
                });
            }
            // There are others, and only the one that is waited for is worth a look.
            let ended = async { while ended.recv().await.is_ok_and(|it| it != key) {} };
            let _ = tokio::time::timeout(LOOK, ended).await;
        }
    }

    /// Has the saga `id`, which is stuck, undone again. False when it is not stuck.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub async fn resume(&self, id: &str) -> Result<bool, Error> {
        let is_resumed = self.shared.store.resume(&self.key(id), now()).await?;
        self.shared.started.notify_one();
        Ok(is_resumed)
    }
}

impl<I: Serialize> Handle<I> {
    /// Starts a saga. `id` is what it is known by: an order's, a request's. One that was started is not
    /// started again, and false is returned.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn start(&self, id: &str, input: &I) -> Result<bool, Error> {
        let new = self.prepare(id, input)?;
        let is_new = self.shared.store.insert(new, now()).await?;
        self.note(is_new);
        Ok(is_new)
    }

    /// As [`start`](Self::start), if and when `transaction` is committed, which has to be one of the
    /// database that sagas are kept in: what it writes and the saga hold together or not at all. It
    /// is taken up within [`Settings::poll_interval`](crate::Settings::poll_interval), or at once when
    /// [`wake`](Self::wake) is called after the commit.
    ///
    /// # Errors
    /// When it cannot be written.
    #[cfg(feature = "storage")]
    pub async fn start_in(
        &self,
        transaction: &mut storage::Transaction,
        id: &str,
        input: &I,
    ) -> Result<bool, Error> {
        let new = self.prepare(id, input)?;
        let is_new = crate::store::insert_in(transaction, new, now()).await?;
        self.note(is_new);
        Ok(is_new)
    }

    /// Has this process look for sagas now.
    pub fn wake(&self) {
        self.shared.started.notify_one();
    }

    fn prepare(&self, id: &str, input: &I) -> Result<New, Error> {
        Ok(New {
            key: self.key(id),
            input: serde_json::to_string(input)?,
            trace: serde_json::to_string(&TraceContext::current().headers())?,
        })
    }

    fn note(&self, is_new: bool) {
        if is_new {
            metrics::started(self.name);
            self.shared.started.notify_one();
        }
    }
}

impl<I> Clone for Handle<I> {
    fn clone(&self) -> Self {
        Self::new(self.name, Arc::clone(&self.shared))
    }
}

impl<I> fmt::Debug for Handle<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.name).finish()
    }
}
