//! Spans of messages, by OpenTelemetry's conventions for messaging, and the trace context in their
//! headers, so that a trace goes on from the publisher to all who handle the message.

use chassis::trace::{Kind, Span, TraceContext};

use crate::backend::{Route, Topic};
use crate::{Delivery, Message};

/// The span of publishing a message. One that is passed on outside of any trace, such as from an
/// outbox, belongs to the trace that it came from.
pub(crate) fn publishing(system: &'static str, topic: &Topic, message: &Message) -> Span {
    let mut span = Span::new(Kind::Producer, format!("publish {}", topic.name))
        .attribute("messaging.operation.name", "publish")
        .attribute("messaging.operation.type", "send");
    if TraceContext::current().traceparent().is_none() {
        span = span.below(TraceContext::from_headers(message.headers()));
    }
    about(span, system, topic, message)
}

/// The span of one attempt to handle a message, in the trace of its publisher.
pub(crate) fn processing(system: &'static str, route: &Route, delivery: &Delivery) -> Span {
    let span = Span::new(Kind::Consumer, format!("process {}", route.topic.name))
        .below(TraceContext::from_headers(delivery.headers()))
        .attribute("messaging.operation.name", "process")
        .attribute("messaging.operation.type", "process")
        .attribute("messaging.consumer.group.name", route.group.to_string())
        .attribute("messaging.message.attempt", i64::from(delivery.attempt()));
    about(span, system, &route.topic, delivery)
}

fn about(span: Span, system: &'static str, topic: &Topic, message: &Message) -> Span {
    let size = i64::try_from(message.payload.len()).unwrap_or(i64::MAX);
    let span = span
        .attribute("messaging.system", system)
        .attribute("messaging.destination.name", topic.name.to_string())
        .attribute("messaging.message.id", message.id.clone())
        .attribute("messaging.message.body.size", size);
    match &message.key {
        Some(key) => span.attribute("messaging.message.key", key.clone()),
        None => span,
    }
}

/// Writes where the current work stands into the headers of a message. What is there stays if there is
/// nothing to write: a message that is passed on keeps the context that it had.
pub(crate) fn inject(message: &mut Message) {
    for (name, value) in TraceContext::current().headers() {
        message.headers.insert(name.to_owned(), value);
    }
}
