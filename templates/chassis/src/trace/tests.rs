use opentelemetry::trace::SpanKind;

use super::*;
use crate::telemetry::recorder::{Recorder, attribute as attribute_of};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn remote() -> TraceContext {
    TraceContext::from_headers([
        ("Traceparent", PARENT),
        ("baggage", "tenant=acme"),
        ("x", "y"),
    ])
}

#[test]
fn what_headers_carry_is_carried_on() {
    let headers = remote().headers();
    let expected = [("traceparent", PARENT), ("baggage", "tenant=acme")];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name, value.to_owned()))
    );
    assert_eq!(remote().traceparent().as_deref(), Some(PARENT));
}

#[test]
fn headers_that_carry_nothing_or_nonsense_are_an_empty_context() {
    for headers in [
        &[][..],
        &[("traceparent", "00-zz")],
        &[("traceparent", "\n")],
    ] {
        let context = TraceContext::from_headers(headers.iter().copied());
        assert_eq!(context.headers(), []);
        assert_eq!(context.traceparent(), None);
    }
}

#[tokio::test]
async fn a_message_is_sent_and_worked_on_in_one_trace_with_its_baggage() {
    let recorder = Recorder::start("info");
    let send = async { TraceContext::current().headers() };
    let sent = Span::new(Kind::Producer, "send orders")
        .below(remote())
        .wrap(send);
    let headers = sent.await;
    let received = headers.iter().map(|(name, value)| (*name, value.as_str()));
    let work = async {
        tokio::task::yield_now().await;
        attribute("messaging.message.id", "7");
        tracing::info!("working");
        crate::baggage::get("tenant")
    };
    let span = Span::new(Kind::Consumer, "process orders")
        .below(TraceContext::from_headers(received))
        .attribute("messaging.system", "memory");
    assert_eq!(span.wrap(work).await.as_deref(), Some("acme"));

    let [producer, consumer] = &recorder.spans()[..] else {
        panic!("two spans: {:?}", recorder.spans());
    };
    assert_eq!(
        (&*producer.name, &producer.span_kind),
        ("send orders", &SpanKind::Producer)
    );
    assert_eq!(producer.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(
        (&*consumer.name, &consumer.span_kind),
        ("process orders", &SpanKind::Consumer)
    );
    assert_eq!(consumer.parent_span_id, producer.span_context.span_id());
    assert_eq!(consumer.span_context.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(
        attribute_of(consumer, "messaging.system").as_deref(),
        Some("memory")
    );
    assert_eq!(
        attribute_of(consumer, "messaging.message.id").as_deref(),
        Some("7")
    );
    assert_eq!(recorder.lines()[0]["trace_id"], PARENT[3..35]);
}

#[tokio::test]
async fn a_span_without_a_parent_is_part_of_the_current_work_and_links_to_other() {
    let recorder = Recorder::start("info");
    let inner = Span::new(Kind::Internal, "inner").link(remote());
    Span::new(Kind::Internal, "outer")
        .wrap(inner.wrap(async {}))
        .await;
    let [inner, outer] = &recorder.spans()[..] else {
        panic!("two spans: {:?}", recorder.spans());
    };
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
    let links: Vec<_> = inner
        .links
        .iter()
        .map(|it| it.span_context.span_id().to_string())
        .collect();
    assert_eq!(links, ["00f067aa0ba902b7"]);
}

#[tokio::test]
async fn an_error_is_the_status_of_its_span() {
    let recorder = Recorder::start("info");
    let fails = async { Err::<(), _>("no such table") };
    let outcome = Span::new(Kind::Client, "SELECT").run(fails).await;
    assert_eq!(outcome, Err("no such table"));
    let works = async { Ok::<_, String>(1) };
    assert_eq!(Span::new(Kind::Client, "SELECT").run(works).await, Ok(1));
    let statuses: Vec<_> = recorder.spans().into_iter().map(|it| it.status).collect();
    assert_eq!(statuses, [Status::error("no such table"), Status::Unset]);
}
