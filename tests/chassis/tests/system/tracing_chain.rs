//! One trace through processes, as a collector sees it, and the baggage that goes along.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio_stream::StreamExt;
use tonic::Request;

use crate::collector;
use crate::process::Service;
use crate::support::{Behaviour, ProbeRequest, ask};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Services that call the one before each, and send their traces to `collector`.
fn chain<const N: usize>(collector: &str, names: [&str; N]) -> [Service; N] {
    let mut downstream = None;
    names.map(|name| {
        let mut variables = vec![
            ("APP_TRACING__ENDPOINT", collector),
            ("APP_SERVICE__NAME", name),
        ];
        variables.extend(downstream.as_deref().map(|it| ("PROBE_DOWNSTREAM", it)));
        let service = Service::start(&variables);
        downstream = Some(format!("static:///{}", service.grpc));
        service
    })
}

/// Ends `services`, which flushes what they have not yet sent.
fn end<const N: usize>(services: [Service; N]) {
    for mut service in services.into_iter().rev() {
        service.signal("TERM");
        assert!(service.wait().success());
    }
}

/// `message` from a caller that traces, with baggage.
fn traced(message: ProbeRequest) -> Request<ProbeRequest> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    metadata.insert("traceparent", parent.parse().expect("ASCII"));
    metadata.insert("baggage", "tenant=caf%C3%A9;p".parse().expect("ASCII"));
    request
}

/// The service and kind of each span, from the caller's on.
fn path(spans: &[(String, Span)]) -> Vec<(&str, SpanKind)> {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
    let mut children = BTreeMap::new();
    for (service, span) in spans {
        assert_eq!(hex(&span.trace_id), TRACE);
        let child = (hex(&span.span_id), service.as_str(), span.kind());
        let other = children.insert(hex(&span.parent_span_id), child);
        assert_eq!(other, None, "{spans:#?}");
    }
    let mut path = Vec::new();
    let mut parent = PARENT.to_owned();
    while let Some((id, service, kind)) = children.remove(&parent) {
        path.push((service, kind));
        parent = id;
    }
    assert!(children.is_empty(), "{children:#?}");
    path
}

/// The spans of calls that `service` makes.
fn clients<'s>(spans: &'s [(String, Span)], service: &str) -> Vec<&'s Span> {
    let of_it = |(name, span): &&(String, Span)| name == service && span.kind() == SpanKind::Client;
    spans.iter().filter(of_it).map(|(_, span)| span).collect()
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<AnyValue> {
    let attribute = attributes.iter().find(|it| it.key == key);
    attribute.and_then(|it| it.value.clone()?.value)
}

/// The messages that the events of `span` tell: their kinds and numbers.
fn messages(span: &Span) -> Vec<String> {
    let events = span.events.iter().filter(|it| it.name == "rpc.message");
    let messages = events.map(|event| {
        let value = |key| match attribute(&event.attributes, key) {
            Some(AnyValue::StringValue(text)) => text,
            Some(AnyValue::IntValue(number)) => number.to_string(),
            other => panic!("{key}: {other:?}"),
        };
        format!("{} {}", value("rpc.message.type"), value("rpc.message.id"))
    });
    messages.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_through_two_services_is_one_trace_and_takes_baggage_along() {
    let (collector, spans) = collector::grpc(0).await;
    let endpoint = format!("http://{}", collector.address());
    let services = chain(&endpoint, ["user", "order"]);
    let mut client = services[1].client().await;
    let reply = client.unary(traced(ask(Behaviour::Relay(true)))).await;
    let reply = reply.expect("a reply").into_inner();
    assert_eq!(reply.metadata["baggage"], "tenant=caf%C3%A9;p");
    drop(client);
    let peer = services[0].grpc;
    end(services);
    let spans = spans.lock().expect("no panic");
    assert_eq!(
        path(&spans),
        [
            ("order", SpanKind::Server),
            ("order", SpanKind::Client),
            ("user", SpanKind::Server)
        ]
    );
    let [client] = clients(&spans, "order")[..] else {
        panic!("one call: {spans:#?}");
    };
    let address = attribute(&client.attributes, "network.peer.address");
    assert_eq!(address, Some(AnyValue::StringValue(peer.ip().to_string())));
    let port = attribute(&client.attributes, "network.peer.port");
    assert_eq!(port, Some(AnyValue::IntValue(peer.port().into())));
    assert_eq!(messages(client), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_through_three_services_is_one_trace_and_takes_baggage_along() {
    let (collector, spans) = collector::grpc(0).await;
    let endpoint = format!("http://{}", collector.address());
    let services = chain(&endpoint, ["stock", "user", "order"]);
    let mut client = services[2].client().await;
    let asked = ProbeRequest {
        // Relays.
        size: 2,
        replies: 3,
        ..ask(Behaviour::Relay(true))
    };
    let replies = client.server_stream(traced(asked)).await.expect("replies");
    let replies: Vec<_> = replies.into_inner().collect().await;
    let baggage = replies.into_iter().map(|reply| {
        let mut reply = reply.expect("a reply");
        reply.metadata.remove("baggage")
    });
    let expected = Some("tenant=caf%C3%A9;p".to_owned());
    assert_eq!(baggage.collect::<Vec<_>>(), vec![expected; 3]);
    drop(client);
    end(services);
    let spans = spans.lock().expect("no panic");
    assert_eq!(
        path(&spans),
        [
            ("order", SpanKind::Server),
            ("order", SpanKind::Client),
            ("user", SpanKind::Server),
            ("user", SpanKind::Client),
            ("stock", SpanKind::Server)
        ]
    );
    for (_, span) in spans.iter() {
        let direction = match span.kind() {
            SpanKind::Client => "RECEIVED",
            _ => "SENT",
        };
        let expected = [1, 2, 3].map(|id| format!("{direction} {id}"));
        assert_eq!(messages(span), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_is_not_recorded_has_an_id_all_the_same() {
    let (collector, spans) = collector::grpc(0).await;
    let endpoint = format!("http://{}", collector.address());
    let endpoint = ("APP_TRACING__ENDPOINT", endpoint.as_str());
    // It records what begins with it, which this does not.
    let mut user = Service::start(&[endpoint]);
    let target = format!("static:///{}", user.grpc);
    let mut order = Service::start(&[
        endpoint,
        ("APP_TRACING__SAMPLE_RATIO", "0"),
        ("PROBE_DOWNSTREAM", &target),
    ]);
    let mut client = order.client().await;
    let reply = client.unary(ask(Behaviour::Relay(true))).await;
    drop(client);
    let received = &reply.expect("a reply").into_inner().metadata["traceparent"];
    let [version, id, _, flags] = received.split('-').collect::<Vec<_>>()[..] else {
        panic!("not a traceparent: {received}");
    };
    assert_eq!((version, flags), ("00", "00"));
    for service in [&mut order, &mut user] {
        let line = service.wait_for("chassis.test.v1.Probe/Unary");
        assert_eq!(line["trace_id"], id);
        service.signal("TERM");
        assert!(service.wait().success());
    }
    assert_eq!(spans.lock().expect("no panic").len(), 0);
}
