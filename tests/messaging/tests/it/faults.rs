//! Brokers that stand still, die and come back.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use messaging::{Broker, Delivery, Error, Message, Settings, Subscription};

use crate::servers::{
    Server, databases::OwnPostgres, kafka::Kafka, nats::Nats, rabbitmq::RabbitMq,
};
use crate::support::{ONE_AT_A_TIME, listen, text};

macro_rules! brokers {
    ($($name:ident: $start:expr),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let _alone = ONE_AT_A_TIME.lock().await;
                // It blocks, and so it is not for a thread of the runtime.
                let start = tokio::task::spawn_blocking(|| $start);
                if let Some(server) = start.await.expect("no panic") {
                    survives(Box::new(server)).await;
                }
            }
        )*
    };
}

brokers! {
    nothing_is_lost_by_rabbitmq_that_stops_and_dies: RabbitMq::start(),
    nothing_is_lost_by_kafka_that_stops_and_dies: Kafka::start(),
    nothing_is_lost_by_nats_that_stops_and_dies: Nats::start(),
    nothing_is_lost_by_postgres_that_stops_and_dies: OwnPostgres::start(),
}

/// All that can happen to a broker, one after the other, with the same connections.
async fn survives(server: Box<dyn Server>) {
    let settings = Settings {
        publish_timeout: chassis::config::Duration::from_secs(120),
        ..server.settings()
    };
    let broker = Broker::connect(&settings).await.expect("a broker");
    let (consumer, mut events) = listen(&broker, Subscription::new("orders", "mails")).await;
    let mut seen = BTreeSet::new();
    let mut expect = async |range: std::ops::Range<usize>| {
        while !range
            .clone()
            .all(|number| seen.contains(&number.to_string()))
        {
            seen.insert(events.next().await);
        }
    };

    publish(&broker, 0..100).await;
    expect(0..100).await;

    let mut server = tokio::task::spawn_blocking(move || {
        server.wait_until_kept("orders.mails");
        server
    })
    .await
    .expect("it is kept");

    // It stands still: what is published is not confirmed, until it goes on.
    server.signal("STOP");
    let hurried = Settings {
        publish_timeout: chassis::config::Duration::from_millis(500),
        ..settings.clone()
    };
    let waiting = tokio::spawn({
        let broker = broker.clone();
        async move { publish(&broker, 100..200).await }
    });
    if let Ok(hurried) =
        tokio::time::timeout(Duration::from_secs(1), Broker::connect(&hurried)).await
    {
        let hurried = hurried.expect("a broker that is not there is no error");
        let result = hurried.publish("orders", Message::new("never")).await;
        assert!(
            matches!(result, Err(Error::NotConfirmed { .. })),
            "{result:?}"
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    server.signal("CONT");
    waiting.await.expect("all are confirmed");
    expect(100..200).await;

    // It dies, and comes back, while messages are published.
    let publishing = tokio::spawn({
        let broker = broker.clone();
        async move { publish(&broker, 200..2_000).await }
    });
    expect(200..300).await;
    server = tokio::task::spawn_blocking(move || {
        server.kill_and_boot();
        server
    })
    .await
    .expect("it boots");
    publishing.await.expect("all are confirmed");
    expect(200..2_000).await;

    // It dies with messages that nobody has taken yet.
    consumer.stop().await;
    publish(&broker, 2_000..2_100).await;
    let server = tokio::task::spawn_blocking(move || {
        server.kill_and_boot();
        server
    });
    let _server = server.await.expect("it boots");
    let (consumer, mut events) = listen(&broker, Subscription::new("orders", "mails")).await;
    let mut left: BTreeSet<String> = (2_000..2_100).map(|it| it.to_string()).collect();
    while !left.is_empty() {
        left.remove(&events.next().await);
    }
    consumer.stop().await;
}

/// Publishes numbers, several at a time; all are confirmed.
async fn publish(broker: &Broker, numbers: std::ops::Range<usize>) {
    let publish = |number: usize| async move {
        let message = Message::new(number.to_string());
        broker.publish("orders", message).await.expect("confirmed");
    };
    stream::iter(numbers).for_each_concurrent(20, publish).await;
}

/// A member of a process that is gone gives nothing back: what it had is delivered when its claims are
/// over.
#[tokio::test]
async fn a_member_that_dies_with_its_process_loses_nothing_in_a_database() {
    let settings = crate::servers::databases::sqlite().await.expect("a file");
    let subscription = Subscription::new(crate::support::unique("orders"), "mails");
    let broker = Broker::connect(&settings).await.expect("a broker");
    let dies = tokio::task::spawn_blocking({
        let (settings, subscription) = (settings.clone(), subscription.clone());
        move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let (had, hears) = std::sync::mpsc::channel();
            runtime.spawn(async move {
                let broker = Broker::connect(&settings).await.expect("a broker");
                let consumer = broker.consume(subscription.clone(), move |delivery: Delivery| {
                    let had = had.clone();
                    async move {
                        had.send(text(&delivery))?;
                        std::future::pending().await
                    }
                });
                let _consumer = consumer.await.expect("a consumer");
                let topic = subscription.topic().to_owned();
                broker
                    .publish(&topic, Message::new("a"))
                    .await
                    .expect("confirmed");
                std::future::pending::<()>().await;
            });
            let had = hears.recv().expect("a message");
            runtime.shutdown_background();
            had
        }
    });
    assert_eq!(dies.await.expect("it died"), "a");
    let (consumer, mut events) = listen(&broker, subscription).await;
    assert_eq!(events.next().await, "a");
    consumer.stop().await;
}
