//! What a handler gets.

use std::ops::Deref;
use std::sync::Arc;

use crate::{Failure, Message};

/// A message that arrived, for one attempt to handle it. All of the [`Message`] is there too. Clones
/// are cheap.
#[derive(Debug, Clone)]
pub struct Delivery {
    message: Arc<Message>,
    topic: Arc<str>,
    group: Arc<str>,
    attempt: u32,
    redeliveries: u32,
}

impl Delivery {
    pub(crate) fn new(
        message: Arc<Message>,
        (topic, group): (Arc<str>, Arc<str>),
        attempt: u32,
        redeliveries: u32,
    ) -> Self {
        Self {
            message,
            topic,
            group,
            attempt,
            redeliveries,
        }
    }

    /// Reads what [`Message::encode`] wrote.
    ///
    /// # Errors
    /// A [permanent](Failure::permanent) failure when the payload is no `M`: it will not become one.
    pub fn decode<M: prost::Message + Default>(&self) -> Result<M, Failure> {
        M::decode(self.message.payload.clone())
            .map_err(|error| Failure::permanent(format!("the payload cannot be decoded: {error}")))
    }

    /// Where it was published.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// For whom it is handled.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Which attempt this is of this member, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How often the broker has delivered it before to members that did not get to an
    /// acknowledgement, as far as the broker counts.
    #[must_use]
    pub fn redeliveries(&self) -> u32 {
        self.redeliveries
    }
}

impl Deref for Delivery {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}
