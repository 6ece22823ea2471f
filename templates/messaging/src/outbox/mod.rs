//! Messages that are published if, and only if, a transaction is committed.
//!
//! To change a database and to publish what was changed are two things, and a process can die between
//! them. So the message is written into a table, the [`Outbox`], in the same transaction, and a relay
//! publishes what is there. On the other side the [`Inbox`] notes in the transaction of the handler
//! that it was there: at-least-once delivery has its effects once.

mod inbox;
mod lease;
mod relay;

use std::sync::Arc;

use chassis::background::Stop;
use storage::{Database, Migration, Transaction};
use tokio::sync::Notify;

pub use inbox::Inbox;

use crate::backend::Boxed;
use crate::{Broker, Error, Message, name, trace};

/// The tables.
const MIGRATIONS: &[Migration] = &[Migration::new(
    "messaging",
    "0002_outbox",
    include_str!("tables.sqlite.sql"),
)
.postgres(include_str!("tables.postgres.sql"))];

/// What is to be published once its transaction is committed. Clones share the relay.
///
/// ```
/// # use messaging::{Broker, Message, Outbox, Settings, Subscription};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), messaging::Error> {
/// # let database = storage::testing::database(&[]).await;
/// # database.query("CREATE TABLE orders (id TEXT)").execute().await?;
/// # let broker = Broker::connect(&Settings::default()).await?;
/// let outbox = Outbox::open(&database, &broker).await?;
/// database
///     .transaction(async |transaction| {
///         transaction.query("INSERT INTO orders (id) VALUES ($1)").bind("1").execute().await?;
///         outbox.publish(transaction, "orders", Message::new("order 1").with_key("1")).await
///     })
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// The relay is work of the service: `services.background("outbox", outbox.relay())`.
#[derive(Debug, Clone)]
pub struct Outbox {
    database: Database,
    broker: Broker,
    /// That something was written, though it may not be committed yet.
    written: Arc<Notify>,
}

impl Outbox {
    /// The outbox in `database`, whose messages go to `broker`. Makes its tables, if they are not there.
    ///
    /// # Errors
    /// When the tables cannot be made.
    pub async fn open(database: &Database, broker: &Broker) -> Result<Self, Error> {
        database.migrate(MIGRATIONS).await?;
        Ok(Self {
            database: database.clone(),
            broker: broker.clone(),
            written: Arc::default(),
        })
    }

    /// Writes a message in `transaction`. It will be published after the commit, and never if there is
    /// none. Messages with a key are published in the order in which they were written, as long as
    /// transactions that write the same key do so one after the other.
    ///
    /// # Errors
    /// As [`Broker::publish`] for names and messages that no broker could carry; what the database has
    /// against it.
    pub async fn publish(
        &self,
        transaction: &mut Transaction,
        topic: &str,
        mut message: Message,
    ) -> Result<(), Error> {
        name::check(topic)?;
        message.check()?;
        trace::inject(&mut message);
        let insert = transaction
            .query(
                "INSERT INTO messaging_outbox \
                 (topic, id, message_key, headers, payload, attempts, due) \
                 VALUES ($1, $2, $3, $4, $5, 0, 0)",
            )
            .bind(topic)
            .bind(&message.id)
            .bind(message.key())
            .bind(message.headers_as_json())
            .bind(&message.payload[..]);
        insert.execute().await?;
        self.written.notify_one();
        Ok(())
    }

    /// Publishes what is written, for `Services::background`. Of all processes that share the database
    /// one does at a time; when it dies, another goes on within 15 seconds.
    pub fn relay(
        &self,
    ) -> impl Fn(Stop) -> Boxed<'static, Result<(), Error>> + Send + Sync + use<> {
        let outbox = self.clone();
        move |stop| {
            let outbox = outbox.clone();
            Box::pin(async move { relay::run(&outbox, &stop).await })
        }
    }
}
