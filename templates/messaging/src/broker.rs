//! A connection to the broker that the configuration names.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::background::Stop;
use chassis::backoff::Backoff;
use tokio::time::Instant;

use crate::backend::{Backend, Boxed, Route, Topic};
use crate::consumer::{self, Consumer};
use crate::memory::Memory;
use crate::{Delivery, Error, Failure, Message, Settings, Subscription, metrics, name, trace};

/// The pauses before a broker that could not be reached is tried again.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// How many attempts to publish without an answer there is time for.
const ATTEMPTS_IN_TIME: u32 = 3;

/// Publishes, and consumes. Clones share the connection.
#[derive(Clone)]
pub struct Broker {
    backend: Arc<dyn Backend>,
    prefix: Arc<str>,
    partitions: u16,
    publish_timeout: Duration,
}

impl Broker {
    /// Connects to the broker of `settings`. One that is not there yet is no error: it is tried again
    /// when it is needed. (A database is waited for: it needs its tables.) Where messages are kept in
    /// memory, each call makes a broker of its own.
    ///
    /// # Errors
    /// When the URL is not understood, or is that of a broker whose feature is off.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        Self::over(backend(settings).await?, settings)
    }

    /// The same, with the messages in tables of a database that is open already, such as the service's
    /// own. The `url` of `settings` is not looked at.
    ///
    /// # Errors
    /// When the tables cannot be made.
    #[cfg(feature = "database")]
    pub async fn in_database(
        database: &storage::Database,
        settings: &Settings,
    ) -> Result<Self, Error> {
        let tables = crate::database::Tables::open(database).await?;
        Self::over(Arc::new(tables), settings)
    }

    fn over(backend: Arc<dyn Backend>, settings: &Settings) -> Result<Self, Error> {
        if !settings.prefix.is_empty() {
            name::check(&settings.prefix)?;
        }
        Ok(Self {
            backend,
            prefix: settings.prefix.as_str().into(),
            partitions: settings.partitions.max(1),
            publish_timeout: settings.publish_timeout.get(),
        })
    }

    /// Publishes a message. It returns when the broker has it, on disk if that is how the broker keeps
    /// messages: then it will not be lost. Messages that are published one after the other keep their
    /// order within a key; those that are published at the same time have none.
    ///
    /// # Errors
    /// [`Error::NotConfirmed`] when the broker has not said so within `publish_timeout` of the
    /// settings: it may have the message nevertheless. Others when it is of no use to go on, such as
    /// [`Error::Message`] for one that not every broker can carry.
    pub async fn publish(&self, topic: &str, message: Message) -> Result<(), Error> {
        name::check(topic)?;
        message.check()?;
        let topic = Topic::new(&self.full(topic), self.partitions);
        self.publish_to(&topic, message).await
    }

    async fn publish_to(&self, topic: &Topic, mut message: Message) -> Result<(), Error> {
        let system = self.backend.system();
        let begin = Instant::now();
        let span = trace::publishing(system, topic, &message);
        let publish = async {
            trace::inject(&mut message);
            self.confirmed(topic, &message).await
        };
        let result = span.run(publish).await;
        metrics::published(system, &topic.name, result.is_ok(), begin.elapsed());
        result
    }

    /// Sends a message until the broker has it, or the time is up.
    async fn confirmed(&self, topic: &Topic, message: &Message) -> Result<(), Error> {
        let mut last = None;
        // An answer that never comes, as over a connection that was just lost, leaves time for another.
        let limit = self.publish_timeout / ATTEMPTS_IN_TIME;
        let attempts = async {
            let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
            loop {
                let publish = self.backend.publish(topic, message);
                match tokio::time::timeout(limit, publish).await {
                    Ok(Err(Error::Unreachable(reason))) => last = Some(reason),
                    Ok(result) => return result,
                    Err(_) => last = Some(format!("no answer within {limit:?}")),
                }
                tokio::time::sleep(backoff.delay()).await;
            }
        };
        match tokio::time::timeout(self.publish_timeout, attempts).await {
            Ok(result) => result,
            Err(_) => Err(Error::NotConfirmed {
                topic: topic.name.to_string(),
                limit: self.publish_timeout,
                last,
            }),
        }
    }

    /// Makes the group of `subscription`, if it is not there, without a member. A publisher that may
    /// start before those who are to get its messages does so for them.
    ///
    /// # Errors
    /// When a name is none, or the broker refuses or is not there.
    pub async fn declare(&self, subscription: &Subscription) -> Result<(), Error> {
        let route = self.route(subscription)?;
        self.declare_with_dead(&route).await
    }

    async fn declare_with_dead(&self, route: &Route) -> Result<(), Error> {
        if !route.is_dead() {
            self.backend.declare(&route.dead()).await?;
        }
        self.backend.declare(route).await
    }

    /// Becomes a member of a group: `handler` is called for each message, for as many at a time as
    /// `subscription` says, until the [`Consumer`] is stopped. A panic in it is a failure like others.
    ///
    /// A broker that is not there is waited for, for as long as `publish_timeout`; one that goes away
    /// later for as long as it takes.
    ///
    /// # Errors
    /// When a name is none, or the broker refuses or is not there.
    pub async fn consume<H, F>(
        &self,
        subscription: Subscription,
        handler: H,
    ) -> Result<Consumer, Error>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let route = self.route(&subscription)?;
        let begin = async {
            let mut backoff = Backoff::new(MIN_PAUSE, MAX_PAUSE);
            loop {
                let source = async {
                    self.declare_with_dead(&route).await?;
                    self.backend.subscribe(&route, subscription.prefetch).await
                };
                match source.await {
                    Err(Error::Unreachable(reason)) => {
                        tracing::warn!(topic = %route.topic.name, reason, "the broker is not there");
                    }
                    result => return result,
                }
                tokio::time::sleep(backoff.delay()).await;
            }
        };
        let source = tokio::time::timeout(self.publish_timeout, begin).await;
        let source = source.map_err(|_| Error::Unreachable("no answer in time".to_owned()))??;
        let handler: consumer::Handler = Box::new(move |delivery| Box::pin(handler(delivery)));
        Ok(Consumer::start(
            self.clone(),
            route,
            subscription,
            handler,
            source,
        ))
    }

    /// The same as work of a service, for `Services::background`: it becomes a member of the group when
    /// the service begins, and finishes what it is handling when the service stops.
    pub fn worker<H, F>(
        &self,
        subscription: Subscription,
        handler: H,
    ) -> impl Fn(Stop) -> Boxed<'static, Result<(), Error>> + Send + Sync + use<H, F>
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (broker, handler) = (self.clone(), Arc::new(handler));
        move |stop| {
            let (broker, subscription) = (broker.clone(), subscription.clone());
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let handler = move |delivery| handler(delivery);
                let consumer = broker.consume(subscription, handler);
                let consumer = tokio::select! {
                    () = stop.requested() => return Ok(()),
                    consumer = consumer => consumer?,
                };
                stop.requested().await;
                consumer.stop().await;
                Ok(())
            })
        }
    }

    /// Asks the broker whether it is there.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn ping(&self) -> Result<(), Error> {
        self.backend.ping().await
    }

    /// [`ping`](Self::ping), for `Services::depends_on`: `services.depends_on("broker", broker.probe())`.
    pub fn probe(&self) -> impl Fn() -> Boxed<'static, Result<(), Error>> + Send + Sync + use<> {
        let broker = self.clone();
        move || {
            let broker = broker.clone();
            Box::pin(async move { broker.ping().await })
        }
    }

    /// Puts a message aside for the group of `route`.
    pub(crate) fn publish_dead(
        &self,
        route: &Route,
        message: Message,
    ) -> Boxed<'_, Result<(), Error>> {
        let topic = route.dead().topic;
        Box::pin(async move { self.publish_to(&topic, message).await })
    }

    pub(crate) fn system(&self) -> &'static str {
        self.backend.system()
    }

    fn route(&self, subscription: &Subscription) -> Result<Route, Error> {
        subscription.route(|topic| self.full(topic), self.partitions)
    }

    fn full(&self, topic: &str) -> String {
        match self.prefix.is_empty() {
            true => topic.to_owned(),
            false => format!("{}-{topic}", self.prefix),
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("system", &self.backend.system())
            .field("prefix", &self.prefix)
            .field("partitions", &self.partitions)
            .field("publish_timeout", &self.publish_timeout)
            .finish_non_exhaustive()
    }
}

/// The one that a URL of this scheme means.
async fn backend(settings: &Settings) -> Result<Arc<dyn Backend>, Error> {
    let url = settings.url.expose();
    let (scheme, _) = url
        .split_once(':')
        .ok_or_else(|| Error::Url("it has no scheme, as in `memory:`".to_owned()))?;
    let authorities = match &settings.ca {
        Some(_) if ["amqp", "kafka"].contains(&scheme) => {
            let problem = format!("`{scheme}:` is not over TLS, `{scheme}s:` is");
            return Err(Error::Authorities(problem));
        }
        Some(path) => Some(certificates(path)?),
        None => None,
    };
    #[cfg_attr(
        not(any(feature = "kafka-tls", feature = "rabbitmq-tls")),
        expect(unused_variables, reason = "no broker that is built in is over TLS")
    )]
    let authorities = authorities.as_deref();
    Ok(match scheme {
        "memory" => Arc::new(Memory::default()),
        #[cfg(feature = "database")]
        "sqlite" | "postgres" | "postgresql" => {
            let database = storage::Database::open(&storage::Settings::at(url), &[]).await?;
            Arc::new(crate::database::Tables::open(&database).await?)
        }
        #[cfg(not(feature = "database"))]
        "sqlite" | "postgres" | "postgresql" => return Err(is_off(scheme, "database")),
        #[cfg(feature = "kafka")]
        "kafka" => Arc::new(crate::kafka::Kafka::new(url, None)?),
        #[cfg(feature = "kafka-tls")]
        "kafkas" => Arc::new(crate::kafka::Kafka::new(url, authorities)?),
        #[cfg(not(feature = "kafka-tls"))]
        "kafkas" => return Err(is_off(scheme, "kafka-tls")),
        #[cfg(not(feature = "kafka"))]
        "kafka" => return Err(is_off(scheme, "kafka")),
        #[cfg(feature = "nats")]
        "nats" | "tls" => Arc::new(crate::nats::Nats::new(url, settings.ca.as_deref()).await?),
        #[cfg(not(feature = "nats"))]
        "nats" | "tls" => return Err(is_off(scheme, "nats")),
        #[cfg(not(feature = "rabbitmq-tls"))]
        "amqps" => return Err(is_off(scheme, "rabbitmq-tls")),
        #[cfg(feature = "rabbitmq")]
        "amqp" => Arc::new(crate::rabbitmq::RabbitMq::new(url, None)?),
        #[cfg(feature = "rabbitmq-tls")]
        "amqps" => Arc::new(crate::rabbitmq::RabbitMq::new(url, authorities)?),
        #[cfg(not(feature = "rabbitmq"))]
        "amqp" => return Err(is_off(scheme, "rabbitmq")),
        other => {
            return Err(Error::UnknownScheme {
                scheme: other.to_owned(),
            });
        }
    })
}

/// The text of a file with certificates.
fn certificates(path: &Path) -> Result<String, Error> {
    let problem =
        |problem: &dyn fmt::Display| Error::Authorities(format!("{}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| problem(&error))?;
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(text),
        false => Err(problem(&"it has no certificate")),
    }
}

#[cfg(not(all(
    feature = "database",
    feature = "kafka-tls",
    feature = "nats",
    feature = "rabbitmq-tls"
)))]
fn is_off(scheme: &str, feature: &'static str) -> Error {
    Error::FeatureIsOff {
        scheme: scheme.to_owned(),
        feature,
    }
}
