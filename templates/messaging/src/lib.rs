//! Messages between services: one interface over a broker that the configuration names.
//!
//! A topic has groups, a group has members. Each group gets every message of the topic, and one of its
//! members handles it. Messages with the same key are handled one after the other, in the order in
//! which they were published.
//!
//! ```
//! # use messaging::{Broker, Delivery, Failure, Message, Settings, Subscription};
//! # async fn send_mail(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), messaging::Error> {
//! let broker = Broker::connect(&Settings::default()).await?;
//!
//! let mails = broker
//!     .consume(Subscription::new("orders", "mails"), |order: Delivery| async move {
//!         send_mail(order.payload()).await?; // an error is tried again, later
//!         Ok(())
//!     })
//!     .await?;
//!
//! // It returns once the broker has the message, safely.
//! broker.publish("orders", Message::new("a book").with_key("customer 7")).await?;
//!
//! mails.stop().await; // what is being handled is finished
//! # Ok(())
//! # }
//! ```
//!
//! In a service, the consumer lives as long as the service does:
//!
//! ```no_run
//! # use messaging::{Broker, Delivery, Subscription};
//! # fn example(services: chassis::Services, broker: Broker) -> chassis::Services {
//! # async fn send_mail(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
//! let mails = broker.worker(Subscription::new("orders", "mails"), |order: Delivery| async move {
//!     Ok(send_mail(order.payload()).await?)
//! });
//! services
//!     .depends_on("broker", broker.probe())
//!     .background("mails", mails)
//! # }
//! ```
//!
//! # What is promised
//!
//! A message whose `publish` returned `Ok` is handled by each group **at least once**. It is handled
//! again when its acknowledgement was lost: with a member that died, with a connection, with a broker
//! that was restarted. Handlers are idempotent, or use an inbox, which makes them so.
//!
//! A message that fails is tried again, with growing pauses, as [`Retry`] says. Then it is a dead
//! letter: it is put aside with the reason ([`headers`]), for [`Subscription::dead_letters`].
//!
//! # The map
//!
//! | what happens | where |
//! |---|---|
//! | a broker is chosen, messages are published | [`Broker`] |
//! | a message, and one that arrived | [`Message`], [`Delivery`] |
//! | what a group wants of a topic | [`Subscription`], [`Retry`] |
//! | messages are handled: order, retries, dead letters, the end | `consumer` |
//! | what a broker must be able to do | `backend` |
//! | the brokers | `memory`, `database`, `kafka`, `nats`, `rabbitmq` |
//! | messages that a transaction publishes, and handlers that are idempotent | `outbox` |
//! | spans, and trace context in headers | `trace` |
//! | counters and histograms | `metrics` |

mod backend;
mod broker;
mod consumer;
#[cfg(feature = "database")]
mod database;
mod delivery;
mod error;
mod failure;
pub mod headers;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod message;
mod metrics;
mod name;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "database")]
mod outbox;
#[cfg(any(test, feature = "kafka", feature = "nats", feature = "rabbitmq"))]
mod partition;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod settings;
mod subscription;
mod trace;

pub use broker::Broker;
pub use consumer::Consumer;
pub use delivery::Delivery;
pub use error::Error;
pub use failure::Failure;
pub use message::Message;
#[cfg(feature = "database")]
pub use outbox::{Inbox, Outbox};
pub use settings::Settings;
pub use subscription::{Retry, Subscription};
