//! What goes wrong with Kafka alone.

use std::collections::BTreeSet;

use chassis::config::Duration;
use futures_util::{StreamExt, future, stream};
use messaging::{Broker, Message, Settings, Subscription};
use rskafka::client::ClientBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::servers::kafka::{Kafka, shared};
use crate::servers::{Server, free_port};
use crate::support::{ONE_AT_A_TIME, listen, unique};

async fn started(start: impl FnOnce() -> Option<Kafka> + Send + 'static) -> Option<Kafka> {
    // It blocks, and so it is not for a thread of the runtime.
    let start = tokio::task::spawn_blocking(start);
    start.await.expect("no panic")
}

/// Passes connections on, until those that there are fall silent: nothing comes through, and none ends.
struct Passage(watch::Sender<()>);

impl Passage {
    async fn open(from: u16, to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", from)).await;
        let listener = listener.expect("a listener");
        let (silence, _) = watch::channel(());
        let silences = silence.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut silence = silences.subscribe();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", to)).await;
                    let mut server = server.expect("a connection");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = silence.changed() => future::pending().await,
                    }
                });
            }
        });
        Self(silence)
    }

    fn silence(&self) {
        self.0.send_replace(());
    }
}

fn patient(settings: &Settings, seconds: u64) -> Settings {
    Settings {
        publish_timeout: Duration::from_secs(seconds),
        ..settings.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fall_silent_are_made_again_and_nothing_is_lost() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let advertised = free_port();
    let Some(server) = started(move || Kafka::start_behind(advertised)).await else {
        return;
    };
    let passage = Passage::open(advertised, server.port()).await;
    // One gives requests up before they have had their time, the other does not.
    let mut brokers = Vec::new();
    for seconds in [9, 60] {
        let settings = patient(&server.settings(), seconds);
        brokers.push(Broker::connect(&settings).await.expect("a broker"));
    }
    let (consumer, mut events) = listen(&brokers[0], Subscription::new("orders", "mails")).await;
    let mut missing = BTreeSet::new();
    for round in 0..3 {
        let publish = brokers.iter().enumerate().flat_map(|(index, broker)| {
            (0..10).map(move |number| {
                let text = format!("{round} {index} {number}");
                let message = Message::new(text.clone()).with_key(number.to_string());
                async move {
                    broker.publish("orders", message).await.expect("confirmed");
                    text
                }
            })
        });
        missing.extend(future::join_all(publish).await);
        if round == 1 {
            while !missing.is_empty() {
                missing.remove(&events.next().await);
            }
        }
        passage.silence();
    }
    while !missing.is_empty() {
        missing.remove(&events.next().await);
    }
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_without_a_leader_holds_up_no_other() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let both = || Kafka::start().map(|first| (first.start_another(), first));
    let both = tokio::task::spawn_blocking(both);
    let Some((second, first)) = both.await.expect("no panic") else {
        return;
    };
    let settings = patient(&first.settings(), 60);
    let keys: Vec<String> = (0..16).map(|key| key.to_string()).collect();
    let message = |key: &String| Message::new("").with_key(key.clone());
    let broker = Broker::connect(&settings).await.expect("a broker");
    for key in &keys {
        let published = broker.publish("orders", message(key)).await;
        published.expect("confirmed");
    }
    second.signal("KILL");

    // What gets through, each over connections of its own.
    let settings = patient(&settings, 10);
    let alone = stream::iter(&keys).map(async |key| {
        let broker = Broker::connect(&settings).await.expect("a broker");
        broker.publish("orders", message(key)).await.is_ok()
    });
    let alone: Vec<bool> = alone.buffered(keys.len()).collect().await;
    assert!(alone.contains(&true) && alone.contains(&false), "{alone:?}");

    let broker = Broker::connect(&settings).await.expect("a broker");
    let together = keys
        .iter()
        .map(async |key| broker.publish("orders", message(key)).await.is_ok());
    let together: Vec<bool> = future::join_all(together).await;
    assert_eq!(together, alone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_deleted_is_made_again() {
    let Some(settings) = shared().await else {
        return;
    };
    let topic = unique("orders");
    let broker = Broker::connect(&patient(&settings, 60)).await;
    let broker = broker.expect("a broker");
    let (consumer, mut events) = listen(&broker, Subscription::new(&topic, "mails")).await;
    let publish = async |text: &'static str| {
        let published = broker.publish(&topic, Message::new(text)).await;
        published.expect("confirmed");
    };
    publish("a").await;
    assert_eq!(events.next().await, "a");

    let address = settings.url.expose().trim_start_matches("kafka://");
    let client = ClientBuilder::new(vec![address.to_owned()]).build().await;
    let controller = client.expect("a client").controller_client();
    let controller = controller.expect("a controller");
    let deleted = controller.delete_topic(topic.clone(), 5_000).await;
    deleted.expect("it is deleted");
    publish("b").await;
    assert_eq!(events.next().await, "b");
    consumer.stop().await;
}
