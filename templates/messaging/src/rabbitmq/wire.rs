//! Messages as AMQP has them.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::{Message, headers};

/// The header that has the key.
const KEY: &str = "message-key";

/// How often a quorum queue has delivered a message before.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// Why the broker itself made a dead letter of a message, at first.
const DEATH_REASON: &str = "x-first-death-reason";

/// By which a message survives a restart of the broker.
const PERSISTENT: u8 = 2;

pub(super) fn properties(message: &Message) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in message.headers() {
        table.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    if let Some(key) = message.key() {
        table.insert(KEY.into(), AMQPValue::LongString(key.into()));
    }
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(message.id().into())
        .with_headers(table);
    match message.header(headers::CONTENT_TYPE) {
        Some(content_type) => properties.with_content_type(content_type.into()),
        None => properties,
    }
}

/// The message of a delivery, and how often it was delivered before. Others may publish too: what they
/// do not say is left out.
pub(super) fn message(delivery: &mut Delivery) -> (Message, u32) {
    let mut message = Message::new(Bytes::from(std::mem::take(&mut delivery.data)));
    if let Some(id) = delivery.properties.message_id() {
        message.id = id.to_string();
    }
    let mut redeliveries = 0;
    let table = delivery.properties.headers().iter();
    for (name, value) in table.flat_map(|table| table.inner()) {
        match (name.as_str(), text(value)) {
            (DELIVERY_COUNT, Some(count)) => redeliveries = count.parse().unwrap_or_default(),
            (KEY, Some(key)) => message.key = Some(key),
            (name, Some(value)) => message = message.with_header(name, value),
            (_, None) => {}
        }
    }
    if let Some(reason) = message.header(DEATH_REASON)
        && message.header(headers::DEAD_REASON).is_none()
    {
        let reason = format!("the broker gave it up: {reason}");
        message = message.with_header(headers::DEAD_REASON, reason);
    }
    (message, redeliveries)
}

/// A value of a header, if it is text or a number.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::ShortInt(number) => Some(number.to_string()),
        AMQPValue::ShortUInt(number) => Some(number.to_string()),
        AMQPValue::ShortShortInt(number) => Some(number.to_string()),
        AMQPValue::ShortShortUInt(number) => Some(number.to_string()),
        AMQPValue::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}
