//! What every broker does alike.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use messaging::{Broker, Delivery, Failure, Message, Settings, Subscription, headers};
use tokio::sync::Semaphore;

use crate::support::{Events, listen, soon, text, unique};

/// One module a broker, with all tests that all brokers pass. `$settings` says where it is, or that it
/// is not there.
macro_rules! broker {
    ($name:ident, $settings:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let settings: Option<messaging::Settings> = $settings.await;
                    if let Some(settings) = settings {
                        super::$test(super::connect(&settings).await).await;
                    }
                }
            )*
        }
    };
}

/// Expands `broker!` with the name of each test.
macro_rules! all_brokers {
    ($($name:ident: $settings:expr),* $(,)?) => {
        $(
            broker!($name, $settings, [
                a_message_arrives_as_it_was_published,
                each_group_gets_every_message_and_a_member_each_once,
                a_group_that_is_declared_misses_nothing,
                a_message_that_fails_is_tried_again,
                a_message_that_panics_is_tried_again,
                a_message_that_keeps_failing_is_a_dead_letter_with_its_reason,
                a_permanent_failure_is_a_dead_letter_at_once,
                messages_of_a_key_are_handled_in_order_by_all_members_together,
                a_retry_holds_up_its_key_and_no_other,
                no_more_than_prefetch_are_handled_at_once,
                stopping_finishes_what_is_handled_and_gives_back_the_rest,
                a_member_that_is_dropped_loses_nothing,
                messages_may_be_empty_or_large,
            ]);
        )*
    };
}

all_brokers! {
    memory: async { Some(messaging::Settings::default()) },
    sqlite: crate::servers::databases::sqlite(),
    postgres: crate::servers::databases::postgres(),
    kafka: crate::servers::kafka::shared(),
    nats: crate::servers::nats::shared(),
    rabbitmq: crate::servers::rabbitmq::shared(),
}

async fn connect(settings: &Settings) -> Broker {
    Broker::connect(settings).await.expect("a broker")
}

async fn publish(broker: &Broker, topic: &str, message: Message) {
    broker.publish(topic, message).await.expect("confirmed");
}

async fn a_message_arrives_as_it_was_published(broker: Broker) {
    let topic = unique("orders");
    let (arrived, mut events) = Events::new();
    let subscription = Subscription::new(&topic, "mails");
    let consumer = broker.consume(subscription, move |delivery: Delivery| {
        let arrived = arrived.clone();
        async move { Ok(arrived.send(delivery)?) }
    });
    let consumer = consumer.await.expect("a consumer");

    let message = Message::new(&b"\0\xff a book"[..])
        .with_key("Kundin 7 \u{1f4da}")
        .with_header("Tenant", "acme, \"größte\"");
    publish(&broker, &topic, message.clone()).await;
    let delivery = events.next().await;
    assert_eq!(*delivery, message);
    let place = (delivery.topic(), delivery.group());
    assert_eq!(place, (topic.as_str(), "mails"));
    assert_eq!((delivery.attempt(), delivery.redeliveries()), (1, 0));
    consumer.stop().await;
}

async fn each_group_gets_every_message_and_a_member_each_once(broker: Broker) {
    let topic = unique("orders");
    let (first, mut of_first) = listen(&broker, Subscription::new(&topic, "mails")).await;
    let (second, mut of_second) = listen(&broker, Subscription::new(&topic, "mails")).await;
    let (bills, mut of_bills) = listen(&broker, Subscription::new(&topic, "bills")).await;
    let sent: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    for number in &sent {
        publish(&broker, &topic, Message::new(number.clone())).await;
    }
    let mut billed = of_bills.take(sent.len()).await;
    billed.sort();
    assert_eq!(billed, sent);
    let mut mailed = Vec::new();
    while mailed.len() < sent.len() {
        tokio::select! {
            number = of_first.next() => mailed.push(number),
            number = of_second.next() => mailed.push(number),
        }
    }
    for consumer in [first, second, bills] {
        consumer.stop().await;
    }
    mailed.extend(of_first.rest().into_iter().chain(of_second.rest()));
    mailed.sort();
    assert_eq!(mailed, sent);
}

async fn a_group_that_is_declared_misses_nothing(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails");
    broker.declare(&subscription).await.expect("a group");
    broker.declare(&subscription).await.expect("the same group");
    publish(&broker, &topic, Message::new("early")).await;
    let (consumer, mut events) = listen(&broker, subscription).await;
    assert_eq!(events.next().await, "early");
    consumer.stop().await;
}

/// A consumer of `topic` whose handler does as `outcome` says, and tells each attempt.
async fn attempts(
    broker: &Broker,
    subscription: Subscription,
    outcome: impl Fn(&Delivery) -> Result<(), Failure> + Send + Sync + 'static,
) -> (messaging::Consumer, Events<(String, u32)>) {
    let (tried, events) = Events::new();
    let outcome = Arc::new(outcome);
    let consumer = broker.consume(subscription, move |delivery: Delivery| {
        let (tried, outcome) = (tried.clone(), Arc::clone(&outcome));
        async move {
            tried.send((text(&delivery), delivery.attempt()))?;
            outcome(&delivery)
        }
    });
    (consumer.await.expect("a consumer"), events)
}

async fn a_message_that_fails_is_tried_again(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails").retry(soon(5));
    let (consumer, mut events) =
        attempts(&broker, subscription, |delivery| match delivery.attempt() {
            3 => Ok(()),
            _ => Err(Failure::transient("the server is busy")),
        })
        .await;
    publish(&broker, &topic, Message::new("a")).await;
    let expected = [1, 2, 3].map(|attempt| ("a".to_owned(), attempt));
    assert_eq!(events.take(3).await, expected);
    consumer.stop().await;
    assert_eq!(events.rest(), []);
}

async fn a_message_that_panics_is_tried_again(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails").retry(soon(2));
    let (consumer, mut events) = attempts(&broker, subscription, |delivery| {
        assert_eq!(delivery.attempt(), 2, "a panic of a test");
        Ok(())
    })
    .await;
    publish(&broker, &topic, Message::new("a")).await;
    let expected = [1, 2].map(|attempt| ("a".to_owned(), attempt));
    assert_eq!(events.take(2).await, expected);
    consumer.stop().await;
}

/// What there is in the headers of the next dead letter, and its payload and key.
async fn dead_letter(broker: &Broker, topic: &str) -> Vec<String> {
    let (arrived, mut events) = Events::new();
    let subscription = Subscription::dead_letters(topic, "mails");
    let consumer = broker.consume(subscription, move |delivery: Delivery| {
        let arrived = arrived.clone();
        async move { Ok(arrived.send(delivery)?) }
    });
    let consumer = consumer.await.expect("a consumer");
    let letter = events.next().await;
    consumer.stop().await;
    let names = [
        headers::DEAD_REASON,
        headers::DEAD_ATTEMPTS,
        headers::DEAD_TOPIC,
        headers::DEAD_GROUP,
        "tenant",
    ];
    let headers = names.map(|name| letter.header(name).unwrap_or("-").to_owned());
    let mut all = vec![text(&letter), letter.key().unwrap_or("-").to_owned()];
    all.extend(headers);
    all
}

async fn a_message_that_keeps_failing_is_a_dead_letter_with_its_reason(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails").retry(soon(3));
    let (consumer, mut events) = attempts(&broker, subscription, |delivery| match text(delivery) {
        bad if bad == "bad" => Err(std::io::Error::other("no such customer"))?,
        _ => Ok(()),
    })
    .await;
    let bad = Message::new("bad")
        .with_key("7")
        .with_header("tenant", "acme");
    publish(&broker, &topic, bad).await;
    publish(&broker, &topic, Message::new("good").with_key("7")).await;
    let expected = [("bad", 1), ("bad", 2), ("bad", 3), ("good", 1)];
    let expected = expected.map(|(text, attempt)| (text.to_owned(), attempt));
    assert_eq!(events.take(4).await, expected);
    let letter = dead_letter(&broker, &topic).await;
    assert_eq!(
        letter,
        ["bad", "7", "no such customer", "3", &topic, "mails", "acme"]
    );
    consumer.stop().await;
}

async fn a_permanent_failure_is_a_dead_letter_at_once(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails").retry(soon(3));
    let (consumer, mut events) = attempts(&broker, subscription, |delivery| {
        delivery.decode::<String>().map(drop)
    })
    .await;
    publish(&broker, &topic, Message::new(&b"\x0a\xffno message"[..])).await;
    let (_, attempt) = events.next().await;
    assert_eq!(attempt, 1);
    let letter = dead_letter(&broker, &topic).await;
    assert!(
        letter[2].starts_with("the payload cannot be decoded: "),
        "{letter:?}"
    );
    assert_eq!(letter[3], "1");
    consumer.stop().await;
}

async fn messages_of_a_key_are_handled_in_order_by_all_members_together(broker: Broker) {
    const KEYS: usize = 10;
    const EACH: usize = 30;
    let topic = unique("orders");
    let (handled, mut events) = Events::new();
    let mut members = Vec::new();
    for _ in 0..2 {
        let handled = handled.clone();
        let subscription = Subscription::new(&topic, "mails");
        let member = broker.consume(subscription, move |delivery: Delivery| {
            let handled = handled.clone();
            async move {
                handled.send((
                    delivery.key().map(str::to_owned),
                    format!("+{}", text(&delivery)),
                ))?;
                tokio::task::yield_now().await;
                handled.send((
                    delivery.key().map(str::to_owned),
                    format!("-{}", text(&delivery)),
                ))?;
                Ok(())
            }
        });
        members.push(member.await.expect("a consumer"));
    }
    for number in 0..EACH {
        for key in 0..KEYS {
            let message = Message::new(number.to_string()).with_key(key.to_string());
            publish(&broker, &topic, message).await;
        }
    }
    let events = events.take(2 * KEYS * EACH).await;
    let expected: Vec<String> = (0..EACH)
        .flat_map(|number| [format!("+{number}"), format!("-{number}")])
        .collect();
    for key in 0..KEYS {
        let key = Some(key.to_string());
        let of_key = events.iter().filter(|(it, _)| *it == key);
        let of_key: Vec<String> = of_key.map(|(_, event)| event.clone()).collect();
        assert_eq!(of_key, expected, "key {key:?}");
    }
    for member in members {
        member.stop().await;
    }
}

async fn a_retry_holds_up_its_key_and_no_other(broker: Broker) {
    let topic = unique("orders");
    let subscription = Subscription::new(&topic, "mails").retry(soon(u32::MAX));
    let is_open = Arc::new(AtomicUsize::new(0));
    let gate = Arc::clone(&is_open);
    let (consumer, mut events) = attempts(&broker, subscription, move |delivery| {
        match delivery.payload().starts_with(b"closed") && gate.load(Ordering::Relaxed) == 0 {
            true => Err(Failure::transient("closed")),
            false => Ok(()),
        }
    })
    .await;
    for (text, key) in [("closed", "3"), ("after it", "3"), ("other", "4")] {
        publish(&broker, &topic, Message::new(text).with_key(key)).await;
    }
    let mut seen = Vec::new();
    while !seen.contains(&"other".to_owned()) {
        let (text, _) = events.next().await;
        seen.push(text);
    }
    assert!(!seen.contains(&"after it".to_owned()), "{seen:?}");
    is_open.store(1, Ordering::Relaxed);
    while !seen.contains(&"after it".to_owned()) {
        let (text, _) = events.next().await;
        seen.push(text);
    }
    consumer.stop().await;
}

async fn no_more_than_prefetch_are_handled_at_once(broker: Broker) {
    const PREFETCH: usize = 3;
    let topic = unique("orders");
    let (handled, mut events) = Events::new();
    let running = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let subscription = Subscription::new(&topic, "mails").prefetch(PREFETCH);
    let consumer = broker.consume(subscription, move |_| {
        let (running, gate, handled) = (Arc::clone(&running), Arc::clone(&gate), handled.clone());
        async move {
            handled.send(running.fetch_add(1, Ordering::SeqCst) + 1)?;
            gate.acquire().await?.forget();
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let consumer = consumer.await.expect("a consumer");
    for number in 0..4 * PREFETCH {
        publish(&broker, &topic, Message::new(number.to_string())).await;
    }
    let mut seen = events.take(PREFETCH).await;
    open.add_permits(4 * PREFETCH);
    seen.extend(events.take(3 * PREFETCH).await);
    assert_eq!(seen.iter().max(), Some(&PREFETCH), "{seen:?}");
    consumer.stop().await;
}

async fn stopping_finishes_what_is_handled_and_gives_back_the_rest(broker: Broker) {
    let topic = unique("orders");
    let (handled, mut events) = Events::new();
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    let subscription = Subscription::new(&topic, "mails").prefetch(4);
    let consumer = broker.consume(subscription.clone(), move |delivery: Delivery| {
        let (gate, handled) = (Arc::clone(&gate), handled.clone());
        async move {
            handled.send(format!("begins {}", text(&delivery)))?;
            gate.acquire().await?.forget();
            handled.send(format!("ends {}", text(&delivery)))?;
            Ok(())
        }
    });
    let consumer = consumer.await.expect("a consumer");
    for number in 0..6 {
        let message = Message::new(number.to_string()).with_key("7");
        publish(&broker, &topic, message).await;
    }
    assert_eq!(events.next().await, "begins 0");
    let stop = tokio::spawn(consumer.stop());
    // What is handled holds the end up; a stop that did not wait would be done by now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stop.is_finished());
    open.add_permits(100);
    stop.await.expect("an end");
    assert_eq!(events.rest(), ["ends 0"]);

    let (consumer, mut events) = listen(&broker, subscription).await;
    assert_eq!(events.take(5).await, ["1", "2", "3", "4", "5"]);
    consumer.stop().await;
}

async fn a_member_that_is_dropped_loses_nothing(broker: Broker) {
    let topic = unique("orders");
    let (handled, mut events) = Events::new();
    let subscription = Subscription::new(&topic, "mails");
    let consumer = broker.consume(subscription.clone(), move |_| {
        let handled = handled.clone();
        async move {
            handled.send(())?;
            std::future::pending().await
        }
    });
    let consumer = consumer.await.expect("a consumer");
    for number in 0..3 {
        publish(&broker, &topic, Message::new(number.to_string())).await;
    }
    events.take(3).await;
    drop(consumer);
    let (consumer, mut events) = listen(&broker, subscription).await;
    let mut again = BTreeSet::new();
    while again.len() < 3 {
        again.insert(events.next().await);
    }
    assert!(again.iter().eq(["0", "1", "2"]), "{again:?}");
    consumer.stop().await;
}

async fn messages_may_be_empty_or_large(broker: Broker) {
    let topic = unique("orders");
    let (consumer, mut events) = listen(&broker, Subscription::new(&topic, "mails")).await;
    let large = "x".repeat(900_000);
    for text in ["", &large] {
        publish(&broker, &topic, Message::new(text.to_owned())).await;
    }
    let mut seen = events.take(2).await;
    seen.sort();
    assert_eq!(seen, [String::new(), large]);
    consumer.stop().await;
}
