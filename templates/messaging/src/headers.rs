//! The headers that this crate writes. A service's own may have any other name.

/// What the payload is, as a media type: [`PROTOBUF`] for what
/// [`Message::encode`](crate::Message::encode) made.
pub const CONTENT_TYPE: &str = "content-type";

/// The media type of a message of Protocol Buffers.
pub const PROTOBUF: &str = "application/protobuf";

/// Why a dead letter is one, in the words of the last failure.
pub const DEAD_REASON: &str = "dead-letter-reason";

/// How often a dead letter was tried.
pub const DEAD_ATTEMPTS: &str = "dead-letter-attempts";

/// The topic on which a dead letter was published.
pub const DEAD_TOPIC: &str = "dead-letter-topic";

/// The group that could not handle a dead letter.
pub const DEAD_GROUP: &str = "dead-letter-group";

/// When a dead letter was put aside: milliseconds since 1970, UTC.
pub const DEAD_TIME: &str = "dead-letter-time";

/// Headers by which brokers and this crate tell the id, the key and the deliveries of a message.
pub(crate) const RESERVED: [&str; 4] = [
    "message-id",
    "message-key",
    "nats-msg-id",
    "x-delivery-count",
];
