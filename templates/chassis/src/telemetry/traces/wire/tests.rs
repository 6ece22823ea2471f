use std::time::Duration;

use opentelemetry::trace::{Event, TraceFlags, TraceId, TraceState};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::*;

fn context(id: u64, state: TraceState, is_remote: bool) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(id) << 70), SpanId::from(id));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, is_remote, state)
}

/// A span of which every field is set that can be.
fn full(scope: &str) -> SpanData {
    let state: TraceState = "vendor=opaque,b=2".parse().expect("valid");
    let mut events = SpanEvents::default();
    let at = |nanos| UNIX_EPOCH + Duration::from_nanos(nanos);
    let attribute = vec![KeyValue::new("attempt", 3)];
    events.events = vec![
        Event::new("retry", at(1_500), attribute.clone(), 2),
        Event::with_name("x".repeat(20_000)),
    ];
    events.dropped_count = 300;
    let mut links = SpanLinks::default();
    links.links = vec![
        Link::new(context(5, state.clone(), true), attribute, 1),
        Link::with_context(context(6, TraceState::NONE, false)),
    ];
    links.dropped_count = 1;
    let version = InstrumentationScope::builder(scope.to_owned()).with_version("1.2");
    SpanData {
        span_context: context(7, state, false),
        parent_span_id: SpanId::from(9),
        parent_span_is_remote: true,
        span_kind: SpanKind::Server,
        name: "shop.v1.Orders/Get".into(),
        start_time: at(1_767_225_599_123_456_789),
        end_time: at(1_767_225_599_987_654_321),
        attributes: vec![
            KeyValue::new("text", "t".repeat(200)),
            KeyValue::new("empty", ""),
            KeyValue::new("bool", false),
            KeyValue::new("int", -1),
            KeyValue::new("double", 0.5),
            KeyValue::new(
                "texts",
                Value::Array(Array::String(vec!["a".into(), "".into()])),
            ),
            KeyValue::new("bools", Value::Array(vec![true, false].into())),
            KeyValue::new("ints", Value::Array(vec![0_i64, i64::MAX].into())),
            KeyValue::new("doubles", Value::Array(vec![f64::NAN, 1.0].into())),
        ],
        dropped_attributes_count: 4,
        events,
        links,
        status: Status::error("broken"),
        instrumentation_scope: version
            .with_schema_url("https://example.com/schema")
            .with_attributes([KeyValue::new("k", "v")])
            .build(),
    }
}

/// A span of which nothing is set that need not be.
fn bare(kind: SpanKind, status: Status) -> SpanData {
    SpanData {
        span_context: context(1, TraceState::NONE, false),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: kind,
        name: "".into(),
        start_time: UNIX_EPOCH,
        end_time: UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("bare").build(),
    }
}

#[test]
fn the_bytes_are_those_of_the_messages() {
    let resource = Resource::builder_empty()
        .with_attributes([KeyValue::new("service.name", "orders")])
        .build();
    let several = vec![
        full("a"),
        bare(SpanKind::Internal, Status::Unset),
        bare(SpanKind::Client, Status::Ok),
        full("b"),
        bare(SpanKind::Producer, Status::error("")),
        full("a"),
        bare(SpanKind::Consumer, Status::Unset),
    ];
    for batch in [Vec::new(), several] {
        let expected = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(
                batch.clone(),
                &ResourceAttributesWithSchema::from(&resource),
            ),
        };
        assert!(request(&batch, &resource) == expected.encode_to_vec());
    }
}
