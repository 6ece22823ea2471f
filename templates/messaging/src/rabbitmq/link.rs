//! A connection to RabbitMQ that publishes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, DefaultConnectionBuilder, ErrorKind, ExchangeKind};

use super::topology;
use crate::Error;
use crate::backend::Topic;

/// The code of AMQP for an end without a fault.
pub(super) const OK: u16 = 200;

/// A broker that does not answer within this time, while a connection is made and groups are declared,
/// is taken for dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection over which nothing comes for about twice this time is taken for lost, in seconds.
/// The URL may say another (`?heartbeat=30`).
const HEARTBEAT: u16 = 5;

/// A broker, and whom to trust over TLS.
pub(super) struct Server {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
}

/// Understands a URL. Over TLS, `authorities` vouch for the broker as PEM, beside those of the system.
pub(super) fn parse(url: &str, authorities: Option<&str>) -> Result<Server, Error> {
    let mut uri: AMQPUri = url.parse().map_err(Error::Url)?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    // Without a path, or with an empty one, it is the virtual host that every broker has.
    if uri.vhost.is_empty() {
        uri.vhost = "/".to_owned();
    }
    let tls = OwnedTLSConfig {
        identity: None,
        cert_chain: authorities.map(str::to_owned),
    };
    Ok(Server { uri, tls })
}

/// Connects.
pub(super) async fn connect(server: &Server) -> Result<Connection, Error> {
    let connection = DefaultConnectionBuilder::new().map_err(unreachable)?;
    let connection = connection.with_uri(server.uri.clone());
    let connection = connection.with_tls_config(server.tls.clone());
    connection.connect().await.map_err(unreachable)
}

/// Waits for what a broker that is well does soon.
pub(super) async fn in_time<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(CONNECT_TIMEOUT, future).await {
        Ok(result) => result,
        Err(_) => Err(Error::Unreachable(format!(
            "no answer within {CONNECT_TIMEOUT:?}"
        ))),
    }
}

pub(super) struct Link {
    pub(super) connection: Connection,
    /// Confirms what is published.
    pub(super) channel: Channel,
    /// The exchanges that are known to be there.
    exchanges: Mutex<BTreeSet<Arc<str>>>,
    /// Held while one is declared: a channel each would soon be too many.
    declaring: tokio::sync::Mutex<()>,
}

impl Link {
    pub(super) async fn open(server: &Server) -> Result<Self, Error> {
        let connection = connect(server).await?;
        let channel = connection.create_channel().await.map_err(unreachable)?;
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        confirm.await.map_err(unreachable)?;
        Ok(Self {
            connection,
            channel,
            exchanges: Mutex::default(),
            declaring: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Makes sure that there is an exchange: to publish to none would end the channel, with all that
    /// is not confirmed yet. So would a refusal, which has a channel of its own.
    pub(super) async fn declare_exchange(&self, topic: &Topic) -> Result<(), Error> {
        if self.exchanges().contains(&topic.name) {
            return Ok(());
        }
        let _alone = self.declaring.lock().await;
        if self.exchanges().contains(&topic.name) {
            return Ok(());
        }
        let channel = self.connection.create_channel().await;
        let channel = channel.map_err(unreachable)?;
        declare_exchange(&channel, topic).await?;
        let close = channel.close(OK, "OK".into());
        close.await.map_err(unreachable)?;
        self.exchanges().insert(Arc::clone(&topic.name));
        Ok(())
    }

    fn exchanges(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        let exchanges = self.exchanges.lock();
        exchanges.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the exchange of a topic, if it is not there.
pub(super) async fn declare_exchange(channel: &Channel, topic: &Topic) -> Result<(), Error> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let name = topology::exchange(topic).into();
    let declare =
        channel.exchange_declare(name, ExchangeKind::Direct, options, FieldTable::default());
    declare.await.map_err(unreachable)
}

/// What lapin tells, by what can be done about it: what the broker says on purpose will not change,
/// all else may.
pub(super) fn unreachable(error: lapin::Error) -> Error {
    match error.kind() {
        // The others are the broker's way of saying that it ends or is not well.
        ErrorKind::ProtocolError(told) if [403, 406, 530].contains(&told.get_id()) => {
            Error::Refused(error.to_string())
        }
        _ => Error::Unreachable(error.to_string()),
    }
}
