//! Messages in the tables of a database: durable, and shared by processes, with nothing but the
//! database that a service has anyway.
//!
//! A message is a row for each group. A member claims rows for a while, extends the claim while it
//! handles them, and deletes them when it is done. It is offered the first row of a key alone, so keys
//! keep their order across members. Members ask again and again; those in the publisher's process are
//! told.

mod claim;
mod member;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use storage::{Database, Migration};
use tokio::sync::Notify;

use crate::backend::{Backend, Boxed, Route, Source, Topic};
use crate::{Error, Message};

/// The tables.
const MIGRATIONS: &[Migration] =
    &[
        Migration::new("messaging", "0001_queue", include_str!("queue.sqlite.sql"))
            .postgres(include_str!("queue.postgres.sql")),
    ];

/// A queue in a database.
pub(crate) struct Tables {
    database: Database,
    /// Wakes the members of this process.
    changed: Arc<Notify>,
}

impl Tables {
    /// Makes the tables, if they are not there.
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        database.migrate(MIGRATIONS).await?;
        Ok(Self {
            database: database.clone(),
            changed: Arc::default(),
        })
    }
}

impl Backend for Tables {
    fn system(&self) -> &'static str {
        "database"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let insert = self
                .database
                .query(
                    "INSERT INTO messaging_messages \
                     (topic, group_name, id, message_key, headers, payload, deliveries, claimed_until) \
                     SELECT topic, name, $2, $3, $4, $5, 0, 0 FROM messaging_groups WHERE topic = $1",
                )
                .bind(&*topic.name)
                .bind(&message.id)
                .bind(message.key())
                .bind(message.headers_as_json())
                .bind(&message.payload[..]);
            let groups = insert.execute().await.map_err(unreachable)?;
            self.changed.notify_waiters();
            match groups {
                0 => Err(Error::NoGroup {
                    topic: topic.name.to_string(),
                }),
                _ => Ok(()),
            }
        })
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let insert = self
                .database
                .query("INSERT INTO messaging_groups (topic, name) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(&*route.topic.name)
                .bind(&*route.group);
            insert.execute().await.map(drop).map_err(unreachable)
        })
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        Box::pin(async move {
            let changed = Arc::clone(&self.changed);
            let member = member::Member::start(&self.database, changed, route.clone(), prefetch);
            let source: Box<dyn Source> = Box::new(member);
            Ok(source)
        })
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(async move { self.database.ping().await.map_err(unreachable) })
    }
}

/// What a database tells, by what can be done about it.
fn unreachable(error: storage::Error) -> Error {
    let may_pass = error.is_transient()
        || matches!(
            error,
            storage::Error::Timeout(_)
                | storage::Error::Exhausted { .. }
                | storage::Error::CommitUnknown(_)
        );
    match may_pass {
        true => Error::Unreachable(error.to_string()),
        false => Error::Database(error),
    }
}

/// The time, in milliseconds since 1970. Members compare each other's: their clocks should differ by
/// less than a claim lasts.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
