//! The exchanges and queues of topics and groups.

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection};

use super::link::{self, unreachable};
use crate::Error;
use crate::backend::{Route, Topic};

/// The routing key of messages without a key.
const ANY: &str = "any";

/// After so many deliveries the broker itself makes a dead letter of a message. Members do before, and
/// say why; this is for those that no member survives.
const DELIVERY_LIMIT: i64 = 100;

pub(super) fn exchange(topic: &Topic) -> &str {
    &topic.name
}

pub(super) fn routing_key(partition: Option<u16>) -> String {
    partition.map_or_else(|| ANY.to_owned(), |partition| partition.to_string())
}

/// The parts of a topic: that without keys, and the others.
pub(super) fn partitions(topic: &Topic) -> impl Iterator<Item = Option<u16>> + use<> {
    std::iter::once(None).chain((0..topic.partitions).map(Some))
}

/// The name of the queue in which a group has a part.
pub(super) fn queue(route: &Route, partition: Option<u16>) -> String {
    let Route { topic, group } = route;
    match partition {
        None => format!("{}.{group}", topic.name),
        Some(partition) => format!("{}.{group}.{partition}", topic.name),
    }
}

/// Makes the exchange and the queues of a group, if they are not there.
pub(super) async fn declare(connection: &Connection, route: &Route) -> Result<(), Error> {
    // A refusal ends the channel.
    let channel = connection.create_channel().await.map_err(unreachable)?;
    link::declare_exchange(&channel, &route.topic).await?;
    for partition in partitions(&route.topic) {
        declare_queue(&channel, route, partition).await?;
    }
    channel
        .close(link::OK, "OK".into())
        .await
        .map_err(unreachable)
}

async fn declare_queue(
    channel: &Channel,
    route: &Route,
    partition: Option<u16>,
) -> Result<(), Error> {
    let queue = queue(route, partition);
    let declare = channel.queue_declare(
        queue.as_str().into(),
        QueueDeclareOptions::durable(),
        arguments(route, partition),
    );
    declare.await.map_err(unreachable)?;
    let bind = channel.queue_bind(
        queue.into(),
        exchange(&route.topic).into(),
        routing_key(partition).into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await.map_err(unreachable)
}

fn arguments(route: &Route, partition: Option<u16>) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    if partition.is_some() {
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    if !route.is_dead() {
        let dead = route.dead();
        arguments.insert("x-dead-letter-exchange".into(), text(exchange(&dead.topic)));
        arguments.insert("x-dead-letter-routing-key".into(), text(ANY));
        // Without these two, what the broker gives up may be lost on its way.
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
        arguments.insert(
            "x-delivery-limit".into(),
            AMQPValue::LongLongInt(DELIVERY_LIMIT),
        );
    }
    arguments
}
