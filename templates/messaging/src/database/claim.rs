//! Claims: which rows a member has, and until when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use storage::{Database, FromRow, Row, System};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{now, unreachable};
use crate::backend::{Boxed, Receipt, Route};
use crate::{Error, Message};

/// How long a claim lasts that is not extended: when a member dies, its messages wait for so long.
pub(super) const CLAIM: Duration = Duration::from_secs(10);

/// Whether there is something to claim: it only reads, so that those who have nothing to do do not
/// wait for each other.
const IS_THERE: &str = "SELECT 1 FROM messaging_messages m \
     WHERE topic = $1 AND group_name = $2 AND claimed_until <= $3 AND NOT EXISTS ( \
       SELECT 1 FROM messaging_messages e WHERE e.topic = m.topic AND e.group_name = m.group_name \
       AND e.message_key = m.message_key AND e.sequence < m.sequence) LIMIT 1";

/// Claims the first rows that are free and whose key has none before them.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH picked AS MATERIALIZED ( \
               SELECT sequence FROM messaging_messages m \
               WHERE topic = $1 AND group_name = $2 AND claimed_until <= $3 AND NOT EXISTS ( \
                 SELECT 1 FROM messaging_messages e WHERE e.topic = m.topic \
                 AND e.group_name = m.group_name AND e.message_key = m.message_key \
                 AND e.sequence < m.sequence) \
               ORDER BY sequence LIMIT $4",
            $lock,
            ") \
             UPDATE messaging_messages SET claimed_by = $5, claimed_until = $6, \
               deliveries = deliveries + 1 \
             FROM picked WHERE messaging_messages.sequence = picked.sequence \
             RETURNING messaging_messages.sequence, id, message_key, headers, payload, deliveries"
        )
    };
}

/// A message that was claimed.
pub(super) struct Claimed {
    pub(super) sequence: i64,
    pub(super) message: Message,
    /// This one included.
    pub(super) deliveries: u32,
}

impl FromRow for Claimed {
    fn from_row(row: &Row) -> Result<Self, storage::Error> {
        let payload: Vec<u8> = row.get("payload")?;
        let mut message = Message::new(payload).with_id(row.get::<String>("id")?);
        message.key = row.get("message_key")?;
        message.set_headers_from_json(&row.get::<String>("headers")?);
        let deliveries: i64 = row.get("deliveries")?;
        Ok(Self {
            sequence: row.get("sequence")?,
            message,
            deliveries: u32::try_from(deliveries).unwrap_or(u32::MAX),
        })
    }
}

/// Claims up to `limit` messages, in their order, under the name `by`.
pub(super) async fn claim(
    database: &Database,
    route: &Route,
    limit: usize,
    by: &str,
) -> Result<Vec<Claimed>, storage::Error> {
    let there = database.query(IS_THERE).untraced();
    let there = there
        .bind(&*route.topic.name)
        .bind(&*route.group)
        .bind(now());
    if there.fetch_optional::<i64>().await?.is_none() {
        return Ok(Vec::new());
    }
    let claim = match database.system() {
        System::Sqlite => database.query(claim!("")),
        System::Postgres => database.query(claim!(" FOR UPDATE SKIP LOCKED")),
    };
    let claim = claim
        .untraced()
        .bind(&*route.topic.name)
        .bind(&*route.group)
        .bind(now())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(by)
        .bind(until());
    let mut claimed: Vec<Claimed> = claim.fetch_all().await?;
    claimed.sort_by_key(|it| it.sequence);
    Ok(claimed)
}

/// When a claim that is made or extended now will be over.
fn until() -> i64 {
    now().saturating_add(CLAIM.as_millis() as i64)
}

/// The claims of a member that are not settled. Each has a name of its own: one that was made, and of
/// which the answer was lost, is not extended, and comes to its end.
#[derive(Default)]
pub(super) struct Claims {
    open: Mutex<BTreeMap<Arc<str>, usize>>,
    pub(super) settled: Notify,
}

impl Claims {
    /// The name of the next one.
    pub(super) fn name() -> Arc<str> {
        Uuid::now_v7().to_string().into()
    }

    pub(super) fn add(&self, name: &Arc<str>, messages: usize) {
        self.open().insert(Arc::clone(name), messages);
    }

    /// How many messages are claimed.
    pub(super) fn count(&self) -> usize {
        self.open().values().sum()
    }

    fn settle(&self, name: &Arc<str>) {
        let mut open = self.open();
        if let Some(count) = open.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                open.remove(name);
            }
        }
        drop(open);
        self.settled.notify_one();
    }

    /// Extends all of them.
    pub(super) async fn extend(&self, database: &Database) -> Result<(), storage::Error> {
        for name in self.names() {
            let extend = database
                .query("UPDATE messaging_messages SET claimed_until = $1 WHERE claimed_by = $2")
                .untraced();
            extend.bind(until()).bind(&*name).execute().await?;
        }
        Ok(())
    }

    /// Gives back what is not settled, as if it had not been delivered.
    pub(super) async fn release(&self, database: &Database) -> Result<(), storage::Error> {
        for name in self.names() {
            let release = database
                .query(
                    "UPDATE messaging_messages SET claimed_by = NULL, claimed_until = 0, \
                     deliveries = deliveries - 1 WHERE claimed_by = $1",
                )
                .untraced();
            release.bind(&*name).execute().await?;
        }
        Ok(())
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.open().keys().cloned().collect()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message of a claim.
pub(super) struct Ticket {
    pub(super) database: Database,
    pub(super) changed: Arc<Notify>,
    pub(super) claims: Arc<Claims>,
    pub(super) claim: Arc<str>,
    pub(super) sequence: i64,
}

impl Ticket {
    async fn settle(self, sql: &'static str) -> Result<(), Error> {
        let settle = self.database.query(sql).untraced();
        let rows = settle
            .bind(self.sequence)
            .bind(&*self.claim)
            .execute()
            .await;
        self.claims.settle(&self.claim);
        self.changed.notify_waiters();
        match rows.map_err(unreachable)? {
            0 => Err(Error::Refused(
                "another member has claimed it since".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

impl Receipt for Ticket {
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(
            self.settle("DELETE FROM messaging_messages WHERE sequence = $1 AND claimed_by = $2"),
        )
    }

    fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        Box::pin(self.settle(
            "UPDATE messaging_messages SET claimed_by = NULL, claimed_until = 0, \
             deliveries = deliveries - 1 WHERE sequence = $1 AND claimed_by = $2",
        ))
    }
}
