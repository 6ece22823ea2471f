//! One message: it is tried, tried again, and acknowledged or put aside.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chassis::backoff::Backoff;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::run::{Done, Held};
use super::{Work, told};
use crate::metrics::Outcome;
use crate::{Delivery, Failure, Message, headers, trace};

/// A message that was delivered more often, and never acknowledged nor given back, is taken for one
/// that kills its receivers, and not tried again. RabbitMQ 4 has the same default.
const MAX_REDELIVERIES: u32 = 20;

/// The most characters of a reason that are kept.
const LONGEST_REASON: usize = 1000;

/// What the attempts have led to.
enum Verdict {
    Handled,
    /// It cannot be handled.
    Dead {
        reason: String,
        attempts: u32,
    },
    /// The member stops before the next attempt.
    Stopping,
}

/// Handles a message to its end.
pub(super) async fn handle(work: &Work, held: Held) -> Done {
    let incoming = &held.incoming;
    let message = Arc::new(incoming.message.clone());
    let verdict = attempts(work, &message, incoming.redeliveries).await;
    let is_released = settle(work, held, &message, verdict).await;
    Done {
        key: message.key.clone(),
        is_released,
    }
}

/// Tells the broker what became of a message. Returns whether it comes again, not handled.
async fn settle(work: &Work, held: Held, message: &Message, verdict: Verdict) -> bool {
    let receipt = held.incoming.receipt;
    let topic = &*work.route.topic.name;
    let (id, group) = (&message.id, &*work.route.group);
    if let Verdict::Dead { reason, attempts } = &verdict {
        tracing::error!(
            topic,
            group,
            id,
            reason,
            attempts,
            "a message is a dead letter"
        );
        let letter = dead_letter(work, message, reason, *attempts);
        let put_aside = work.broker.publish_dead(&work.route, letter).await;
        if let Err(error) = put_aside {
            tracing::error!(topic, group, id, %error, "a dead letter could not be put aside, it will be tried again");
            // What is refused now will be so at once, too.
            tokio::select! {
                () = work.stopping() => {}
                () = tokio::time::sleep(work.retry.max_backoff) => {}
            }
            // It is delivered again even if this fails.
            let _ = told(receipt.release()).await;
            return true;
        }
    }
    if matches!(verdict, Verdict::Stopping) {
        // It goes back with all else that is not acknowledged.
        return true;
    }
    if let Err(error) = told(receipt.acknowledge()).await {
        tracing::warn!(topic, group, id, %error, "a message will be delivered again");
    }
    false
}

async fn attempts(work: &Work, message: &Arc<Message>, redeliveries: u32) -> Verdict {
    let has_no_end = work.route.is_dead();
    if redeliveries > MAX_REDELIVERIES && !has_no_end {
        let reason = format!("it was delivered {redeliveries} times and never acknowledged");
        let attempts = redeliveries;
        return Verdict::Dead { reason, attempts };
    }
    let mut attempt = 0_u32;
    let mut backoff = Backoff::new(work.retry.initial_backoff, work.retry.max_backoff);
    loop {
        attempt = attempt.saturating_add(1);
        let is_last = attempt >= work.retry.attempts && !has_no_end;
        let Err(failure) = try_once(work, message, (attempt, redeliveries), is_last).await else {
            return Verdict::Handled;
        };
        if is_last || (failure.is_permanent() && !has_no_end) {
            return Verdict::Dead {
                reason: failure.reason().to_owned(),
                attempts: attempt.saturating_add(redeliveries),
            };
        }
        let pause = backoff.delay();
        tracing::warn!(
            topic = &*work.route.topic.name,
            group = &*work.route.group,
            id = message.id,
            attempt,
            reason = failure.reason(),
            ?pause,
            "a message failed and will be tried again"
        );
        tokio::select! {
            () = work.stopping() => return Verdict::Stopping,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Calls the handler, in a span and with the context of the publisher.
async fn try_once(
    work: &Work,
    message: &Arc<Message>,
    (attempt, redeliveries): (u32, u32),
    is_last: bool,
) -> Result<(), Failure> {
    let names = (
        Arc::clone(&work.route.topic.name),
        Arc::clone(&work.route.group),
    );
    let delivery = Delivery::new(Arc::clone(message), names, attempt, redeliveries);
    let span = trace::processing(work.broker.system(), &work.route, &delivery);
    let begin = Instant::now();
    // The handler is called in here too: it may panic before it has made its future.
    let handling = async { (work.handler)(delivery).await };
    let handling = AssertUnwindSafe(handling).catch_unwind();
    let handling = handling.map(|result| result.unwrap_or_else(|panic| Err(panicked(&*panic))));
    let result = span.run(handling).await;
    let outcome = match &result {
        Ok(()) => Outcome::Handled,
        Err(failure) if failure.is_permanent() || is_last => Outcome::DeadLetter,
        Err(_) => Outcome::Failed,
    };
    work.metrics.attempted(outcome, begin.elapsed());
    result
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::transient(format!(
        "the handler panicked: {}",
        text.unwrap_or("without a word")
    ))
}

/// The message with what there is to know about its end.
fn dead_letter(work: &Work, message: &Message, reason: &str, attempts: u32) -> Message {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    message
        .clone()
        .with_header(headers::DEAD_REASON, one_line(reason))
        .with_header(headers::DEAD_ATTEMPTS, attempts.to_string())
        .with_header(headers::DEAD_TOPIC, &*work.route.topic.name)
        .with_header(headers::DEAD_GROUP, &*work.route.group)
        .with_header(headers::DEAD_TIME, now.to_string())
}

/// A text as a header may have it.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text
        .split(|it: char| it.is_control() || it.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    line.chars()
        .take(LONGEST_REASON)
        .collect::<String>()
        .trim()
        .to_owned()
}
