//! The outbox and the inbox, on both databases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chassis::background::Stopper;
use messaging::{Broker, Delivery, Error, Failure, Inbox, Message, Outbox, Settings, Subscription};
use storage::Database;
use tokio::task::JoinHandle;

use crate::servers::databases;
use crate::support::{Events, PATIENCE, listen, unique};

/// Each test, on each database that is there.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let database = storage::testing::database(&[]).await;
                    super::$test((*database).clone()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(database) = super::databases::fresh_postgres().await {
                        super::$test(database).await;
                    }
                }
            )*
        }
    };
}

on_both! {
    what_is_rolled_back_is_never_published,
    one_process_relays_and_another_goes_on_when_it_stops,
    a_message_that_fails_holds_up_its_key_and_no_other,
    effects_happen_once_however_often_relays_die,
    what_is_too_old_is_forgotten_though_the_handler_fails,
}

async fn memory() -> Broker {
    Broker::connect(&Settings::default())
        .await
        .expect("a broker")
}

/// Starts what a service would.
fn relay(outbox: &Outbox) -> (Stopper, JoinHandle<Result<(), Error>>) {
    let stopper = Stopper::new();
    let work = outbox.relay()(stopper.handle());
    (stopper, tokio::spawn(work))
}

async fn write(outbox: &Outbox, database: &Database, topic: &str, message: Message) {
    let message = &message;
    let written = database
        .transaction(async |transaction| outbox.publish(transaction, topic, message.clone()).await);
    written.await.expect("written");
}

async fn what_is_rolled_back_is_never_published(database: Database) {
    let broker = memory().await;
    let outbox = Outbox::open(&database, &broker).await.expect("an outbox");
    let (consumer, mut events) = listen(&broker, Subscription::new("orders", "mails")).await;
    let (stopper, relayed) = relay(&outbox);
    let undone = database.transaction(async |transaction| {
        outbox
            .publish(transaction, "orders", Message::new("undone"))
            .await?;
        Err::<(), _>(Error::Refused("changed my mind".to_owned()))
    });
    undone.await.expect_err("it was undone");
    let no_name = database.transaction(async |transaction| {
        outbox
            .publish(transaction, "no name", Message::new(""))
            .await
    });
    assert!(matches!(no_name.await, Err(Error::Name(_))));
    write(&outbox, &database, "orders", Message::new("done")).await;
    assert_eq!(events.next().await, "done");
    stopper.stop();
    relayed.await.expect("no panic").expect("no error");
    consumer.stop().await;
    assert_eq!(events.rest(), [] as [String; 0]);
    let left: i64 = database
        .query("SELECT COUNT(*) FROM messaging_outbox")
        .fetch_one()
        .await
        .expect("a count");
    assert_eq!(left, 0);
}

async fn one_process_relays_and_another_goes_on_when_it_stops(database: Database) {
    let [first, second] = [memory().await, memory().await];
    let mut outboxes = Vec::new();
    let mut members = Vec::new();
    for broker in [&first, &second] {
        outboxes.push(Outbox::open(&database, broker).await.expect("an outbox"));
        members.push(listen(broker, Subscription::new("orders", "mails")).await);
    }
    let (stopper, relayed) = relay(&outboxes[0]);
    write(&outboxes[0], &database, "orders", Message::new("1")).await;
    assert_eq!(members[0].1.next().await, "1");
    // The second waits, whoever writes.
    let (other_stopper, other_relayed) = relay(&outboxes[1]);
    write(&outboxes[1], &database, "orders", Message::new("2")).await;
    assert_eq!(members[0].1.next().await, "2");
    stopper.stop();
    relayed.await.expect("no panic").expect("no error");
    write(&outboxes[0], &database, "orders", Message::new("3")).await;
    assert_eq!(members[1].1.next().await, "3");
    // What is left when it is told to stop is published before it does.
    write(&outboxes[0], &database, "orders", Message::new("4")).await;
    other_stopper.stop();
    other_relayed.await.expect("no panic").expect("no error");
    assert_eq!(members[1].1.next().await, "4");
    for (member, mut events) in members {
        member.stop().await;
        assert_eq!(events.rest(), [] as [String; 0]);
    }
}

async fn a_message_that_fails_holds_up_its_key_and_no_other(database: Database) {
    let broker = memory().await;
    let outbox = Outbox::open(&database, &broker).await.expect("an outbox");
    // Nobody has subscribed to `bills`, so its messages fail.
    let (mails, mut mailed) = listen(&broker, Subscription::new("mails", "all")).await;
    for number in ["1", "2", "3"] {
        let bill = Message::new(format!("bill {number}")).with_key("7");
        write(&outbox, &database, "bills", bill).await;
        let mail = Message::new(format!("mail {number}")).with_key("7");
        write(&outbox, &database, "mails", mail).await;
    }
    let (stopper, relayed) = relay(&outbox);
    assert_eq!(mailed.take(3).await, ["mail 1", "mail 2", "mail 3"]);
    let (bills, mut billed) = listen(&broker, Subscription::new("bills", "all")).await;
    assert_eq!(billed.take(3).await, ["bill 1", "bill 2", "bill 3"]);
    stopper.stop();
    relayed.await.expect("no panic").expect("no error");
    mails.stop().await;
    bills.stop().await;
}

/// Relays are cut in the midst of it, again and again, and messages are delivered more than once. At
/// the end each has had its effect once, and those of a key in their order.
async fn effects_happen_once_however_often_relays_die(database: Database) {
    const KEYS: usize = 5;
    const EACH: usize = 60;
    let settings = Settings::default();
    let broker = Broker::in_database(&database, &settings)
        .await
        .expect("a broker");
    let outbox = Outbox::open(&database, &broker).await.expect("an outbox");
    let inbox = Inbox::open(&database).await.expect("an inbox");
    let effects =
        "CREATE TABLE effects (message_key TEXT NOT NULL, payload TEXT NOT NULL, nth BIGINT)";
    database.query(effects).execute().await.expect("a table");
    let (handled, mut events) = Events::new();
    let topic = unique("orders");
    let context = Arc::new((database.clone(), inbox));
    let consumer = broker.consume(Subscription::new(&topic, "all"), {
        move |delivery: Delivery| {
            let (context, handled) = (Arc::clone(&context), handled.clone());
            async move {
                let (database, inbox) = &*context;
                let is_new = database
                    .transaction(async |transaction| {
                        let is_new = inbox.is_new(transaction, &delivery).await?;
                        if is_new {
                            let insert = transaction.query(
                                "INSERT INTO effects (message_key, payload, nth) \
                                 SELECT $1, $2, COUNT(*) FROM effects WHERE message_key = $1",
                            );
                            let payload = crate::support::text(&delivery);
                            insert.bind(delivery.key()).bind(payload).execute().await?;
                        }
                        Ok::<bool, storage::Error>(is_new)
                    })
                    .await?;
                handled.send(is_new)?;
                Ok(())
            }
        }
    });
    let consumer = consumer.await.expect("a consumer");
    for number in 0..EACH {
        for key in 0..KEYS {
            let message = Message::new(number.to_string()).with_key(key.to_string());
            // One of three comes twice, as from a publisher that was not sure.
            let copies = if number % 3 == 0 { 2 } else { 1 };
            for _ in 0..copies {
                write(&outbox, &database, &topic, message.clone()).await;
            }
        }
    }
    let mut effects = 0;
    while effects < KEYS * EACH {
        let (_stopper, relayed) = relay(&outbox);
        // Some of what it publishes, it will not have deleted when it dies.
        for _ in 0..40 {
            if effects < KEYS * EACH && events.next().await {
                effects += 1;
            }
        }
        relayed.abort();
        let _ = relayed.await;
        // It is another process that goes on, once the lease of the dead one is over.
        let over = database.query("UPDATE messaging_leases SET until = 0");
        over.execute().await.expect("a lease");
    }
    consumer.stop().await;
    let rows: Vec<(String, String)> = database
        .query("SELECT message_key, payload FROM effects ORDER BY message_key, nth")
        .fetch_all()
        .await
        .expect("rows");
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, payload) in rows {
        by_key.entry(key).or_default().push(payload);
    }
    let expected: Vec<String> = (0..EACH).map(|number| number.to_string()).collect();
    let expected = (0..KEYS).map(|key| (key.to_string(), expected.clone()));
    assert_eq!(by_key, expected.collect());
}

async fn what_is_too_old_is_forgotten_though_the_handler_fails(database: Database) {
    let broker = Broker::in_database(&database, &Settings::default()).await;
    let broker = broker.expect("a broker");
    let inbox = Inbox::open(&database).await.expect("an inbox");
    let old = "INSERT INTO messaging_inbox (group_name, id, accepted) VALUES ('all', 'old', 0)";
    database.query(old).execute().await.expect("a row");
    let topic = unique("orders");
    let context = Arc::new((database.clone(), inbox));
    let consumer = broker.consume(
        Subscription::new(&topic, "all"),
        move |delivery: Delivery| {
            let context = Arc::clone(&context);
            async move {
                let (database, inbox) = &*context;
                let handled = database.transaction(async |transaction| {
                    inbox.is_new(transaction, &delivery).await?;
                    Err::<(), storage::Error>(storage::Error::NotFound)
                });
                handled
                    .await
                    .map_err(|it| Failure::permanent(it.to_string()))
            }
        },
    );
    let consumer = consumer.await.expect("a consumer");
    let published = broker.publish(&topic, Message::new("a")).await;
    published.expect("confirmed");
    let forgotten = async {
        let left = "SELECT COUNT(*) FROM messaging_inbox";
        while database
            .query(left)
            .fetch_one::<i64>()
            .await
            .expect("a count")
            > 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let forgotten = tokio::time::timeout(PATIENCE / 4, forgotten).await;
    forgotten.expect("it is forgotten");
    consumer.stop().await;
}
