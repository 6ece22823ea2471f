//! Kafka.
//!
//! A topic is a topic, with a partition for each of its parts. A group is a consumer group by Kafka's own
//! protocol: its coordinator knows the members, one of them divides the partitions among all, and what
//! was handled is committed to it, as the first offset of each partition that is not done.

mod access;
mod cluster;
mod coordinator;
mod offsets;
mod reader;
mod source;
#[cfg(feature = "kafka-tls")]
mod tls;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::backend::{Backend, Boxed, Route, Source, Topic};
use crate::{Error, Message};
use access::{Access, User};
use cluster::Cluster;

/// The port of a broker whose URL has none.
const PORT: u16 = 9092;

/// A broker that does not answer within this time is asked again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Kafka(Arc<Cluster>);

impl Kafka {
    /// Of brokers over TLS, `authorities` vouch as PEM, beside those of the system.
    pub(crate) fn new(url: &str, authorities: Option<&str>) -> Result<Self, Error> {
        let wrong = || Error::Url("`kafka://user:password@host:port,host:port`".to_owned());
        let (scheme, hosts) = url.split_once("://").ok_or_else(wrong)?;
        let mut access = Access::default();
        if scheme == "kafkas" {
            #[cfg(feature = "kafka-tls")]
            {
                access.tls = Some(tls::config(authorities)?);
            }
            #[cfg(not(feature = "kafka-tls"))]
            let _ = authorities;
        }
        let mut hosts = hosts.trim_end_matches('/');
        if let Some((user, rest)) = hosts.rsplit_once('@') {
            let (name, password) = user.split_once(':').ok_or_else(wrong)?;
            let decode = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
            access.user = Some(User {
                name: decode(name).map_err(|_| wrong())?,
                password: decode(password).map_err(|_| wrong())?,
            });
            hosts = rest;
        }
        if hosts.split(',').any(str::is_empty) || hosts.contains(['/', '?']) {
            return Err(wrong());
        }
        let address = |host: &str| match host.contains(':') {
            true => host.to_owned(),
            false => format!("{host}:{PORT}"),
        };
        let addresses = hosts.split(',').map(address).collect();
        Ok(Self(Arc::new(Cluster::new(addresses, access))))
    }
}

impl Backend for Kafka {
    fn system(&self) -> &'static str {
        "kafka"
    }

    fn publish<'a>(
        &'a self,
        topic: &'a Topic,
        message: &'a Message,
    ) -> Boxed<'a, Result<(), Error>> {
        Box::pin(async move {
            let partition = topic.partition(message.key());
            let record = wire::record(message);
            self.0.append(topic, partition, record).await
        })
    }

    fn declare<'a>(&'a self, route: &'a Route) -> Boxed<'a, Result<(), Error>> {
        Box::pin(self.0.declare(&route.topic))
    }

    fn subscribe<'a>(
        &'a self,
        route: &'a Route,
        prefetch: usize,
    ) -> Boxed<'a, Result<Box<dyn Source>, Error>> {
        Box::pin(async move {
            let member = source::Member::start(Arc::clone(&self.0), route.clone(), prefetch);
            let source: Box<dyn Source> = Box::new(member);
            Ok(source)
        })
    }

    fn ping(&self) -> Boxed<'_, Result<(), Error>> {
        Box::pin(self.0.ping())
    }
}

/// A topic of dead letters knows no parts, and has one partition.
pub(super) fn partitions(topic: &Topic) -> i32 {
    i32::from(topic.partitions.max(1))
}

/// Waits for what a broker that is well does soon.
pub(super) async fn in_time<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(REQUEST_TIMEOUT, future).await {
        Ok(result) => result,
        Err(_) => Err(Error::Unreachable(format!(
            "no answer within {REQUEST_TIMEOUT:?}"
        ))),
    }
}

pub(super) fn unreachable(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}
