use super::super::proto::opentelemetry::proto::common::v1::AnyValue;
use super::super::proto::opentelemetry::proto::trace::v1::ResourceSpans;
use super::*;

fn span(trace: u128, id: u64, name: &str) -> Span {
    Span {
        trace_id: trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        start_time_unix_nano: 1000 * id,
        end_time_unix_nano: 1000 * id + 500,
        ..Span::default()
    }
}

fn sent_by(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let name = AnyValue {
        value: Some(Value::StringValue(service.to_owned())),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![KeyValue {
                    key: SERVICE_NAME.to_owned(),
                    value: Some(name),
                }],
            }),
            scope_spans: vec![ScopeSpans { scope: None, spans }],
        }],
    }
}

fn all_of(service: &str) -> Query {
    Query {
        service: service.to_owned(),
        operation: None,
        tags: Vec::new(),
        start: 0..=u64::MAX,
        duration: 0..=u64::MAX,
        limit: usize::MAX,
    }
}

#[test]
fn the_trace_that_came_first_goes_first_with_its_operations() {
    let mut store = Store::new(100_000);
    for trace in 1..=1000 {
        let name = format!("operation {trace}");
        let spans = vec![span(trace, 1, &name), span(trace, 2, "common")];
        assert_eq!(store.take(sent_by("shop", spans)), None);
        assert!(store.bytes() <= 100_000, "{}", store.bytes());
    }
    let kept = store.len();
    assert!((50..200).contains(&kept), "{kept}");
    let last = 1000 - u128::try_from(kept).expect("few");
    assert!(store.trace(last).is_none());
    assert_eq!(store.trace(last + 1).map(|it| it.len()), Some(2));
    assert_eq!(store.find(&all_of("shop")).len(), kept);
    // Each has one of its own, and all have one in common.
    assert_eq!(store.operations("shop").count(), kept + 1);
}

#[test]
fn services_and_operations_go_with_their_last_span() {
    let mut store = Store::new(100_000);
    store.take(sent_by("early", vec![span(1, 1, "once")]));
    for trace in 2..=1000 {
        store.take(sent_by("late", vec![span(trace, 1, "often")]));
    }
    assert_eq!(store.services().collect::<Vec<_>>(), ["late"]);
    assert_eq!(store.operations("early").count(), 0);
    assert_eq!(store.operations("late").collect::<Vec<_>>(), [("often", 0)]);
}

#[test]
fn one_trace_may_not_drive_out_all_others() {
    let mut store = Store::new(100_000);
    store.take(sent_by("shop", vec![span(7, 1, "other")]));
    let many = (1..=1000).map(|id| span(8, id, "loop")).collect();
    let rejected = store.take(sent_by("shop", many)).expect("too many");
    assert!(rejected.rejected_spans > 800, "{rejected:?}");
    assert_eq!(
        rejected.error_message,
        "the trace is larger than what the built-in collector keeps of one"
    );
    assert!(store.trace(7).is_some());
}

#[test]
fn origins_that_nobody_needs_are_forgotten() {
    let mut store = Store::new(50_000);
    for number in 0..2000 {
        let service = format!("service {number}");
        store.take(sent_by(&service, vec![span(number + 1, 1, "operation")]));
        assert!(store.bytes() <= 50_000 + 700, "{}", store.bytes());
    }
    assert!(store.origins.len() < 200, "{}", store.origins.len());
}

#[test]
fn the_newest_traces_are_told_first_and_no_more_than_asked_for() {
    let mut store = Store::new(1 << 20);
    for (trace, start) in [(1, 20), (2, 30), (3, 10)] {
        store.take(sent_by("shop", vec![span(trace, start, "operation")]));
    }
    let ids = |query: &Query| -> Vec<u128> {
        let found = store.find(query);
        found.into_iter().map(|(id, _)| id).collect()
    };
    let all = all_of("shop");
    assert_eq!(ids(&all), [2, 1, 3]);
    let two = Query {
        limit: 2,
        ..all.clone()
    };
    assert_eq!(ids(&two), [2, 1]);
    let early = Query {
        start: 0..=20_000,
        ..all.clone()
    };
    assert_eq!(ids(&early), [1, 3]);
    let long = Query {
        duration: 501..=u64::MAX,
        ..all
    };
    assert_eq!(ids(&long), [0; 0]);
}
