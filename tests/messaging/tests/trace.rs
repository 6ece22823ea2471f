//! What is seen of messages: spans, in one trace from the publisher to the handler. A program of its
//! own, since which spans are wanted is remembered for a process.

use std::sync::{Arc, Mutex};

use chassis::trace::{Kind, Span, TraceContext};
use messaging::{Broker, Delivery, Failure, Message, Retry, Settings, Subscription};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::sync::mpsc::unbounded_channel;
use tracing_subscriber::layer::SubscriberExt;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

/// What is said of a span, in one line.
fn line(span: &SpanData) -> String {
    let about = |key: &str| {
        let found = span.attributes.iter().find(|it| it.key.as_str() == key);
        found.map_or_else(|| "-".to_owned(), |it| it.value.to_string())
    };
    let attributes = [
        "messaging.system",
        "messaging.destination.name",
        "messaging.consumer.group.name",
        "messaging.message.id",
        "messaging.message.attempt",
    ];
    let attributes = attributes.map(about).join(" ");
    let is_ours = span.span_context.trace_id().to_string() == TRACE;
    let is_error = matches!(span.status, opentelemetry::trace::Status::Error { .. });
    format!(
        "{:?} {}: {attributes} ours={is_ours} error={is_error}",
        span.span_kind, span.name
    )
}

#[tokio::test]
async fn a_trace_goes_on_from_the_publisher_to_each_attempt() {
    let spans = Spans::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(spans.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("the first");

    let broker = Broker::connect(&Settings::default())
        .await
        .expect("a broker");
    let (handled, mut events) = unbounded_channel();
    let retry = Retry {
        initial_backoff: std::time::Duration::from_millis(1),
        ..Retry::default()
    };
    let subscription = Subscription::new("orders", "mails").retry(retry);
    let consumer = broker.consume(subscription, move |delivery: Delivery| {
        let handled = handled.clone();
        async move {
            let tenant = chassis::baggage::get("tenant");
            handled.send((TraceContext::current().traceparent(), tenant))?;
            match (delivery.id(), delivery.attempt()) {
                ("1", 1) => Err(Failure::transient("busy")),
                _ => Ok(()),
            }
        }
    });
    let consumer = consumer.await.expect("a consumer");
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("traceparent", parent.as_str()), ("baggage", "tenant=acme")];

    // Within a call, and then as from an outbox, where the headers of the message alone tell.
    let span = Span::new(Kind::Internal, "a call").below(TraceContext::from_headers(headers));
    let publish = broker.publish("orders", Message::new("").with_id("1"));
    span.wrap(publish).await.expect("published");
    let passed_on = Message::new("").with_id("2");
    let passed_on = headers.iter().fold(passed_on, |message, (name, value)| {
        message.with_header(name, *value)
    });
    broker
        .publish("orders", passed_on)
        .await
        .expect("published");
    for _ in 0..3 {
        let (traceparent, tenant) = events.recv().await.expect("an attempt");
        let traceparent = traceparent.expect("a trace");
        assert_eq!(traceparent.get(3..35), Some(TRACE), "{traceparent}");
        assert_eq!(tenant.as_deref(), Some("acme"));
    }
    consumer.stop().await;

    let mut lines: Vec<String> = spans.0.lock().expect("no panic").iter().map(line).collect();
    lines.sort();
    let expected = [
        "Consumer process orders: memory orders mails 1 1 ours=true error=true",
        "Consumer process orders: memory orders mails 1 2 ours=true error=false",
        "Consumer process orders: memory orders mails 2 1 ours=true error=false",
        "Internal a call: - - - - - ours=true error=false",
        "Producer publish orders: memory orders - 1 - ours=true error=false",
        "Producer publish orders: memory orders - 2 - ours=true error=false",
    ];
    assert_eq!(lines, expected);
}
