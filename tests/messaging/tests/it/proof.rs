//! A hundred thousand messages, and a broker that is killed while they are published.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use messaging::{Broker, Delivery, Inbox, Message, Settings, Subscription};
use tokio::sync::watch;

use crate::servers::rabbitmq::RabbitMq;
use crate::support::{ONE_AT_A_TIME, text};

const MESSAGES: usize = 100_000;

/// After so many confirmations the broker is killed, with hundreds of messages on their way.
const KILLS: [usize; 2] = [20_000, 60_000];

/// How many messages wait for their confirmation at a time.
const IN_FLIGHT: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_100_000_messages_is_lost_when_rabbitmq_is_killed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let start = tokio::task::spawn_blocking(RabbitMq::start);
    let Some(mut server) = start.await.expect("no panic") else {
        return;
    };
    let settings = Settings {
        publish_timeout: chassis::config::Duration::from_secs(120),
        // One queue for those without keys, which these are, and one more.
        partitions: 1,
        ..server.settings()
    };
    let broker = Broker::connect(&settings).await.expect("a broker");

    // One message of ten has an effect, in the same transaction as the inbox; a database takes longer for
    // all of them than a broker does.
    let in_memory = storage::Settings::at("sqlite::memory:");
    let database = storage::Database::open(&in_memory, &[]).await;
    let database = database.expect("a database");
    let inbox = Inbox::open(&database).await.expect("an inbox");
    let table = "CREATE TABLE effects (number TEXT PRIMARY KEY)";
    database.query(table).execute().await.expect("a table");
    let deliveries: Arc<Vec<AtomicU32>> =
        Arc::new((0..MESSAGES).map(|_| AtomicU32::new(0)).collect());
    let handled = Arc::new(watch::Sender::new(0_usize));
    let subscription = Subscription::new("orders", "all").prefetch(200);
    let consumer = broker.consume(subscription, {
        let (deliveries, handled) = (Arc::clone(&deliveries), Arc::clone(&handled));
        let database = database.clone();
        move |delivery: Delivery| {
            let (deliveries, handled) = (Arc::clone(&deliveries), Arc::clone(&handled));
            let (database, inbox) = (database.clone(), inbox.clone());
            async move {
                let number = text(&delivery);
                if deliveries[number.parse::<usize>()?].fetch_add(1, Ordering::Relaxed) == 0 {
                    handled.send_modify(|handled| *handled += 1);
                }
                if delivery.payload().last() != Some(&b'0') {
                    return Ok(());
                }
                // The key of the table would refuse an effect that happens twice.
                database
                    .transaction(async |transaction| {
                        let is_new = inbox.is_new(transaction, &delivery).await?;
                        if is_new {
                            let effect =
                                transaction.query("INSERT INTO effects (number) VALUES ($1)");
                            effect.bind(&number).execute().await?;
                        }
                        Ok::<(), storage::Error>(())
                    })
                    .await?;
                Ok(())
            }
        }
    });
    let consumer = consumer.await.expect("a consumer");
    server = tokio::task::spawn_blocking(move || {
        server.wait_until_kept("orders.all");
        server
    })
    .await
    .expect("it is kept");

    let confirmed = Arc::new(AtomicUsize::new(0));
    let publishing = tokio::spawn({
        let (broker, confirmed) = (broker.clone(), Arc::clone(&confirmed));
        async move {
            let publish = |number: usize| {
                let (broker, confirmed) = (&broker, &confirmed);
                async move {
                    let message = Message::new(number.to_string()).with_id(number.to_string());
                    broker.publish("orders", message).await.expect("confirmed");
                    confirmed.fetch_add(1, Ordering::Relaxed);
                }
            };
            stream::iter(0..MESSAGES)
                .for_each_concurrent(IN_FLIGHT, publish)
                .await;
        }
    });
    for kill_after in KILLS {
        while confirmed.load(Ordering::Relaxed) < kill_after && !publishing.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let kill = tokio::task::spawn_blocking(move || {
            server.kill_and_boot();
            server
        });
        server = kill.await.expect("it boots");
    }
    publishing.await.expect("all are confirmed");
    let mut all = handled.subscribe();
    let all = all.wait_for(|handled| *handled == MESSAGES);
    let in_time = tokio::time::timeout(Duration::from_secs(240), all).await;
    let missing = deliveries
        .iter()
        .filter(|it| it.load(Ordering::Relaxed) == 0)
        .count();
    assert!(in_time.is_ok(), "{missing} messages are lost");
    let stop = tokio::time::timeout(Duration::from_secs(60), consumer.stop()).await;
    assert!(stop.is_ok(), "nothing is left to be waited for");
    let effects: i64 = database
        .query("SELECT COUNT(*) FROM effects")
        .fetch_one()
        .await
        .expect("a count");
    assert_eq!(usize::try_from(effects), Ok(MESSAGES / 10));
}
