//! Reading a partition, for as long as a member has it.

use std::sync::Arc;

use rskafka::client::error::{Error as ClientError, ProtocolError};
use rskafka::client::partition::OffsetAt;
use tokio::sync::mpsc;

use super::cluster::Cluster;
use super::offsets::Offsets;
use super::{in_time, unreachable, wire};
use crate::Error;
use crate::backend::{Boxed, Incoming, Receipt, Route};

/// How long a broker waits for messages.
const FETCH_WAIT_MS: i32 = 500;

/// How much it sends at a time; one message that is larger comes nevertheless.
const FETCH_BYTES: std::ops::Range<i32> = 1..1_048_576;

/// A message, and the session in which it was fetched.
pub(super) struct Fetched {
    pub(super) session: u64,
    pub(super) incoming: Incoming,
}

/// Reads a partition.
pub(super) struct Reader {
    pub(super) cluster: Cluster,
    pub(super) route: Route,
    pub(super) partition: i32,
    pub(super) prefetch: usize,
    pub(super) session: u64,
    pub(super) offsets: Arc<Offsets>,
    pub(super) sender: mpsc::Sender<Fetched>,
}

impl Reader {
    /// From `offset` on; a group that is new begins with the first message that is kept.
    pub(super) async fn run(self, offset: Option<i64>) -> Result<(), Error> {
        let client = self
            .cluster
            .partition(&self.route.topic, self.partition)
            .await?;
        let earliest = async || {
            let earliest = client.get_offset(OffsetAt::Earliest);
            in_time(async { earliest.await.map_err(unreachable) }).await
        };
        let mut offset = match offset {
            Some(offset) => offset,
            None => earliest().await?,
        };
        self.offsets.begin(self.partition, offset);
        loop {
            self.room().await;
            let fetch = client.fetch_records(offset, FETCH_BYTES, FETCH_WAIT_MS);
            let records = match in_time(async { Ok(fetch.await) }).await? {
                Ok((records, _)) => records,
                Err(ClientError::ServerError {
                    protocol_error: ProtocolError::OffsetOutOfRange,
                    ..
                }) => {
                    tracing::warn!(offset, "what was to come next is no longer kept");
                    offset = earliest().await?;
                    self.offsets.begin(self.partition, offset);
                    continue;
                }
                Err(error) => return Err(unreachable(error)),
            };
            for record in records {
                // A batch may begin before what was asked for.
                if record.offset < offset {
                    continue;
                }
                self.room().await;
                let Ok(place) = self.sender.reserve().await else {
                    return Ok(());
                };
                offset = record.offset + 1;
                self.offsets.fetched(self.partition, record.offset);
                let at = format!(
                    "{}/{}/{}",
                    self.route.topic.name, self.partition, record.offset
                );
                place.send(Fetched {
                    session: self.session,
                    incoming: Incoming {
                        message: wire::message(record.record, at),
                        // Kafka does not count.
                        redeliveries: 0,
                        receipt: Box::new(Ticket {
                            offsets: Arc::clone(&self.offsets),
                            partition: self.partition,
                            offset: record.offset,
                        }),
                    },
                });
            }
        }
    }

    /// Waits until another message may be held.
    async fn room(&self) {
        loop {
            let settled = self.offsets.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.offsets.open(self.partition) < self.prefetch {
                return;
            }
            settled.await;
        }
    }
}

struct Ticket {
    offsets: Arc<Offsets>,
    partition: i32,
    offset: i64,
}

impl Receipt for Ticket {
    /// It is committed soon.
    fn acknowledge(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        self.offsets.settle(self.partition, self.offset);
        Box::pin(std::future::ready(Ok(())))
    }

    /// All that is not committed is read again.
    fn release(self: Box<Self>) -> Boxed<'static, Result<(), Error>> {
        self.offsets.released.notify_one();
        Box::pin(std::future::ready(Ok(())))
    }
}
