//! What was handled, so that it is not handled twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use storage::{Database, Transaction};

use super::MIGRATIONS;
use crate::database::now;
use crate::{Delivery, Error};

/// How long it is remembered, unless told otherwise.
const DEFAULT_MEMORY: Duration = Duration::from_secs(7 * 86_400);

/// How often what is too old is forgotten.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// How many are forgotten by one statement, so that none takes long or holds a database up.
const AT_ONCE: i64 = 500;

/// The messages that were handled, by their ids, for each group. A handler that has its effects in the
/// same transaction has them once, however often its message comes.
///
/// ```
/// # use messaging::{Broker, Delivery, Failure, Inbox, Message, Settings, Subscription};
/// # use storage::Database;
/// async fn handle(database: &Database, inbox: &Inbox, payment: &Delivery) -> Result<(), Failure> {
///     database
///         .transaction(async |transaction| {
///             if !inbox.is_new(transaction, payment).await? {
///                 return Ok(()); // it was here before
///             }
///             let add = transaction.query("UPDATE accounts SET paid = paid + 1 WHERE id = $1");
///             add.bind(payment.key()).execute().await.map(drop)
///         })
///         .await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Inbox {
    memory: Duration,
    /// When what is too old was last forgotten, in milliseconds since 1970.
    swept: Arc<AtomicI64>,
}

impl Inbox {
    /// The inbox in `database`. Makes its tables, if they are not there. It remembers for seven days.
    ///
    /// # Errors
    /// When the tables cannot be made.
    pub async fn open(database: &Database) -> Result<Self, Error> {
        database.migrate(MIGRATIONS).await?;
        Ok(Self {
            memory: DEFAULT_MEMORY,
            swept: Arc::default(),
        })
    }

    /// Remembers for so long: longer than a message can be on its way.
    #[must_use]
    pub fn remembering_for(mut self, memory: Duration) -> Self {
        self.memory = memory;
        self
    }

    /// Whether `delivery` was never handled by its group. If so, it is when `transaction` is committed;
    /// another member that has the same message waits until then.
    ///
    /// # Errors
    /// What the database has against it.
    pub async fn is_new(
        &self,
        transaction: &mut Transaction,
        delivery: &Delivery,
    ) -> Result<bool, storage::Error> {
        let now = now();
        self.sweep(transaction.database(), now);
        let insert = transaction.query(
            "INSERT INTO messaging_inbox (group_name, id, accepted) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        );
        let group = format!("{}/{}", delivery.topic(), delivery.group());
        let insert = insert.bind(group).bind(delivery.id()).bind(now);
        Ok(insert.execute().await? > 0)
    }

    /// Forgets what is too old, now and then, and not in the transaction of a handler: that would hold
    /// those rows as long as the handler takes, and forget nothing if it fails.
    fn sweep(&self, database: &Database, now: i64) {
        let last = self.swept.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last) >= SWEEP.as_millis() as i64;
        let order = Ordering::Relaxed;
        let is_first = || self.swept.compare_exchange(last, now, order, order).is_ok();
        if !is_due || !is_first() {
            return;
        }
        let oldest = now.saturating_sub(i64::try_from(self.memory.as_millis()).unwrap_or(i64::MAX));
        let database = database.clone();
        tokio::spawn(async move {
            loop {
                let forget = database.query(
                    "DELETE FROM messaging_inbox WHERE (group_name, id) IN (SELECT group_name, id \
                     FROM messaging_inbox WHERE accepted < $1 LIMIT $2)",
                );
                match forget.bind(oldest).bind(AT_ONCE).execute().await {
                    Ok(forgotten) if forgotten < AT_ONCE as u64 => return,
                    Ok(_) => {}
                    // What is left is forgotten the next time.
                    Err(error) => return tracing::warn!(%error, "an inbox was not swept"),
                }
            }
        });
    }
}
