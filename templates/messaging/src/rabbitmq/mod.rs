//! RabbitMQ, by AMQP 0-9-1.
//!
//! A topic is a durable direct exchange. A group has a quorum queue for the messages without keys, and
//! one for each part of the topic; those have a single active consumer, which keeps their order
//! whichever member it is. Publishing waits for the broker's confirmation, which it gives once the
//! message is on the disks of a majority. Dead letters go to an exchange of their own, and so does what
//! the broker itself gives up.

mod link;
mod source;
mod topology;
mod wire;

use std::sync::Arc;

use lapin::Confirmation;
use lapin::options::BasicPublishOptions;
use tokio::sync::Mutex;

use crate::backend::{Backend, Boxed, Route, Source, Topic};
use crate::{Error, Message};
use link::{Link, Server, unreachable};

/// A broker, with the connection that publishes.
pub(crate) struct RabbitMq {
    server: Arc<Server>,
    link: Mutex<Option<Arc<Link>>>,
}

impl RabbitMq {
    pub(crate) fn new(url: &str, authorities: Option<&str>) -> Result<Self, Error> {
        Ok(Self {
            server: Arc::new(link::parse(url, authorities)?),
            link: Mutex::new(None),
        })
    }

    /// The connection; a new one if there is none, or no longer.
    async fn link(&self) -> Result<Arc<Link>, Error> {
        let mut link = self.link.lock().await;
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(Arc::clone(link));
        }
        let new = Arc::new(link::in_time(Link::open(&self.server)).await?);
        *link = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl Backend for RabbitMq {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let link = self.link().await?;
            link.declare_exchange(topic).await?;
            let confirmation = link.channel.basic_publish(
                topology::exchange(topic).into(),
                topology::routing_key(topic.partition(message.key())).into(),
                BasicPublishOptions {
                    mandatory: true,
                    ..BasicPublishOptions::default()
                },
                &message.payload,
                wire::properties(message),
            );
            let confirmation = confirmation.await.map_err(unreachable)?;
            match confirmation.await.map_err(unreachable)? {
                Confirmation::Ack(None) => Ok(()),
                // It came back: no queue is bound to the exchange.
                Confirmation::Ack(Some(_)) => Err(Error::NoGroup {
                    topic: topic.name.to_string(),
                }),
                Confirmation::Nack(_) | Confirmation::NotRequested => Err(Error::Unreachable(
                    "the broker could not keep the message".to_owned(),
                )),
            }
        })
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        Box::pin(link::in_time(async move {
            topology::declare(&self.link().await?.connection, route).await
        }))
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        Box::pin(async move {
            let source: Box<dyn Source> = Box::new(source::Member::start(
                Arc::clone(&self.server),
                route.clone(),
                prefetch,
            ));
            Ok(source)
        })
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(async move {
            let link = self.link().await?;
            // It needs an answer of the broker, which a connection alone does not.
            let channel = link
                .connection
                .create_channel()
                .await
                .map_err(unreachable)?;
            channel
                .close(link::OK, "OK".into())
                .await
                .map_err(unreachable)
        })
    }
}
