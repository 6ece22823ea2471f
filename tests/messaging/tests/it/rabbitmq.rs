//! What goes wrong with RabbitMQ alone.

use futures_util::future;
use lapin::options::ExchangeDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use messaging::{Broker, Error, Message, Subscription};

use crate::servers::rabbitmq::shared;
use crate::support::{listen, unique};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_is_refused_does_no_harm_to_other_topics() {
    const MESSAGES: usize = 200;
    let Some(settings) = shared().await else {
        return;
    };
    // One of another kind is there already.
    let (topic, taken) = (unique("orders"), unique("taken"));
    let connect = Connection::connect(settings.url.expose(), ConnectionProperties::default());
    let connection = connect.await.expect("a connection");
    let channel = connection.create_channel().await.expect("a channel");
    let options = ExchangeDeclareOptions::default();
    let name = taken.as_str().into();
    let declare =
        channel.exchange_declare(name, ExchangeKind::Fanout, options, FieldTable::default());
    declare.await.expect("an exchange");

    let broker = Broker::connect(&settings).await.expect("a broker");
    let (consumer, mut events) = listen(&broker, Subscription::new(&topic, "mails")).await;
    let publish = (0..MESSAGES).map(async |number| {
        let topic = if number % 10 == 0 { &taken } else { &topic };
        broker
            .publish(topic, Message::new(number.to_string()))
            .await
    });
    let published = future::join_all(publish).await;
    for (number, result) in published.iter().enumerate() {
        match number % 10 {
            0 => assert!(matches!(result, Err(Error::Refused(_))), "{result:?}"),
            _ => assert!(result.is_ok(), "{number}: {result:?}"),
        }
    }
    events.take(MESSAGES - MESSAGES / 10).await;
    consumer.stop().await;
}
