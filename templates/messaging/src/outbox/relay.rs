//! The relay: it reads what is written, publishes it, and deletes what the broker has confirmed.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use chassis::background::Stop;
use futures_util::{StreamExt, stream};
use prometheus_client::metrics::gauge::Gauge;
use storage::{Database, FromRow, Row};
use tokio::time::Instant;

use super::Outbox;
use super::lease::{Lease, RENEWAL};
use crate::database::now;
use crate::{Error, Message};

/// How often the table is looked at for what other processes have written.
const POLL: Duration = Duration::from_millis(100);

/// The first pause before it is looked at again for what this process has written, and may have
/// committed by then. It doubles, up to `POLL`.
const FIRST_POLL: Duration = Duration::from_millis(2);

/// How many messages are read at once.
const BATCH: i64 = 256;

/// How many keys are published at the same time.
const CONCURRENCY: usize = 64;

/// The pauses of a message that could not be published.
const MIN_PAUSE: Duration = Duration::from_millis(200);
const MAX_PAUSE: Duration = Duration::from_secs(30);

static WAITING: LazyLock<Gauge> = LazyLock::new(|| {
    let waiting = Gauge::default();
    chassis::metrics::register(
        "messaging_outbox_messages",
        "Messages in the outbox, as the process that relays sees it",
        waiting.clone(),
    );
    waiting
});

/// A message of the outbox.
struct Written {
    sequence: i64,
    topic: String,
    message: Message,
    attempts: i64,
}

impl FromRow for Written {
    fn from_row(row: &Row) -> Result<Self, storage::Error> {
        let payload: Vec<u8> = row.get("payload")?;
        let mut message = Message::new(payload).with_id(row.get::<String>("id")?);
        message.key = row.get("message_key")?;
        message.set_headers_from_json(&row.get::<String>("headers")?);
        Ok(Self {
            sequence: row.get("sequence")?,
            topic: row.get("topic")?,
            message,
            attempts: row.get("attempts")?,
        })
    }
}

/// Relays until it is told to stop, whenever this process has the lease.
pub(super) async fn run(outbox: &Outbox, stop: &Stop) -> Result<(), Error> {
    let lease = Lease::new(&outbox.database);
    while !stop.is_requested() {
        if lease.take().await? {
            tracing::debug!("relaying the outbox");
            let ended = relay(outbox, &lease, stop).await;
            // If this fails too, it comes to its end by itself.
            let _ = lease.give_up().await;
            ended?;
        }
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(RENEWAL) => {}
        }
    }
    Ok(())
}

/// Relays while the lease is renewed, and at the end once more what the last calls have left.
async fn relay(outbox: &Outbox, lease: &Lease<'_>, stop: &Stop) -> Result<(), Error> {
    let renew = async {
        loop {
            WAITING.set(count(&outbox.database).await?);
            tokio::time::sleep(RENEWAL).await;
            if !lease.take().await? {
                tracing::warn!("another process relays the outbox now");
                return Ok(());
            }
        }
    };
    let publish = async {
        let mut pause = POLL;
        loop {
            let written = outbox.written.notified();
            if publish_batch(outbox).await? > 0 {
                continue;
            }
            if stop.is_requested() {
                return Ok(());
            }
            tokio::select! {
                () = stop.requested() => {}
                () = written => pause = FIRST_POLL,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(POLL),
            }
        }
    };
    tokio::select! {
        ended = renew => ended,
        ended = publish => ended,
    }
}

async fn count(database: &Database) -> Result<i64, storage::Error> {
    let count = database.query("SELECT COUNT(*) FROM messaging_outbox");
    count.untraced().fetch_one().await
}

/// Publishes the first messages that may be published now; how many have been.
async fn publish_batch(outbox: &Outbox) -> Result<usize, Error> {
    // One that has failed holds up those after it with its key.
    let due = outbox.database.query(
        "SELECT sequence, topic, id, message_key, headers, payload, attempts \
         FROM messaging_outbox o WHERE due <= $1 AND NOT EXISTS ( \
           SELECT 1 FROM messaging_outbox e WHERE e.topic = o.topic \
           AND e.message_key = o.message_key AND e.sequence < o.sequence AND e.due > $1) \
         ORDER BY sequence LIMIT $2",
    );
    let due: Vec<Written> = due.untraced().bind(now()).bind(BATCH).fetch_all().await?;
    if due.is_empty() {
        return Ok(0);
    }
    // Those of a key one after the other, keys at the same time.
    let mut lanes: BTreeMap<(String, String), Vec<Written>> = BTreeMap::new();
    for written in due {
        let key = written.message.key().map(str::to_owned);
        let lane = key.unwrap_or_else(|| format!("\0{}", written.sequence));
        let lane = lanes.entry((written.topic.clone(), lane)).or_default();
        lane.push(written);
    }
    let published = stream::iter(lanes.into_values())
        .map(|lane| publish_lane(outbox, lane))
        .buffer_unordered(CONCURRENCY)
        .ready_chunks(CONCURRENCY);
    let mut published = pin!(published);
    let mut count = 0;
    // What is published is deleted at once, so that a key that takes long brings none of it again.
    while let Some(lanes) = published.next().await {
        let sequences = lanes.concat();
        delete(&outbox.database, &sequences).await?;
        count += sequences.len();
    }
    Ok(count)
}

/// Publishes messages of a key up to the first that fails; which are published.
async fn publish_lane(outbox: &Outbox, lane: Vec<Written>) -> Vec<i64> {
    let mut published = Vec::new();
    for written in lane {
        let Written {
            sequence,
            topic,
            message,
            attempts,
        } = written;
        let id = message.id.clone();
        let begin = Instant::now();
        if let Err(error) = outbox.broker.publish(&topic, message).await {
            let pause = pause(attempts);
            let took = begin.elapsed();
            tracing::warn!(topic, id, attempts, %error, ?took, ?pause, "a message stays in the outbox");
            if let Err(error) = postpone(&outbox.database, sequence, pause).await {
                tracing::warn!(topic, id, %error, "it is tried again at once");
            }
            break;
        }
        published.push(sequence);
    }
    published
}

/// How long a message waits that has failed so often before.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(16);
    MIN_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE)
}

async fn postpone(database: &Database, sequence: i64, pause: Duration) -> Result<(), Error> {
    let due = now().saturating_add(pause.as_millis() as i64);
    let postpone = database
        .query("UPDATE messaging_outbox SET attempts = attempts + 1, due = $1 WHERE sequence = $2");
    postpone
        .untraced()
        .bind(due)
        .bind(sequence)
        .execute()
        .await?;
    Ok(())
}

async fn delete(database: &Database, sequences: &[i64]) -> Result<(), Error> {
    let delete = async |transaction: &mut storage::Transaction| {
        for sequence in sequences {
            let delete = transaction.query("DELETE FROM messaging_outbox WHERE sequence = $1");
            delete.untraced().bind(*sequence).execute().await?;
        }
        Ok::<(), storage::Error>(())
    };
    Ok(database.transaction(delete).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_failing_waits_longer_up_to_a_limit() {
        let pauses = [0, 1, 2, 7, 8, i64::MAX].map(|attempts| pause(attempts).as_millis());
        assert_eq!(pauses, [200, 400, 800, 25_600, 30_000, 30_000]);
    }
}
