//! What is seen of sagas: spans in the trace in which they were started, and metrics.

#[path = "../../support/spans.rs"]
mod spans;

use chassis::background::Stopper;
use chassis::config::Duration;
use chassis::trace::{Kind, Span};
use opentelemetry_sdk::trace::SpanData;
use saga::{Context, Failure, Saga, Sagas, Settings, Step, Store};

use spans::{Spans, described};

struct Reserve;

impl Step for Reserve {
    type Input = u32;
    type Output = ();
    const NAME: &'static str = "reserve";

    async fn act(&self, _: &Context<u32>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Stops the worker the first time, so that another one goes on, and refuses then.
struct Charge(Stopper);

impl Step for Charge {
    type Input = u32;
    type Output = ();
    const NAME: &'static str = "charge";

    async fn act(&self, context: &Context<u32>) -> Result<(), Failure> {
        self.0.stop();
        match context.attempt() {
            1 => Err(Failure::retry("no answer")),
            _ => Err(Failure::refused("no money")),
        }
    }
}

fn named<'s>(spans: &'s [SpanData], name: &str) -> Vec<&'s SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn a_saga_is_part_of_the_trace_in_which_it_was_started_whoever_works_on_it() {
    let spans = Spans::keep();
    let settings = Settings {
        poll_interval: Duration::from_millis(5),
        ..Settings::default()
    };
    let sagas = Sagas::new(Store::memory(), settings);
    let stopper = Stopper::new();
    let first = stopper.handle();
    let orders = sagas.add(Saga::new("order").step(Reserve).step(Charge(stopper)));
    let start = orders.start("one", &7);
    let started = Span::new(Kind::Server, "PlaceOrder").run(start).await;
    assert!(started.expect("no error"));
    sagas.worker()(first).await.expect("no error");
    let other = Stopper::new();
    let worker = tokio::spawn(sagas.worker()(other.handle()));
    orders.wait("one").await.expect("it ends");
    other.stop();
    worker.await.expect("no panic").expect("no error");

    let spans = spans.take();
    let call = named(&spans, "PlaceOrder")[0];
    let [before, after] = named(&spans, "saga order")[..] else {
        panic!("two workers: {spans:?}");
    };
    let trace = call.span_context.trace_id();
    assert!(
        spans
            .iter()
            .all(|span| span.span_context.trace_id() == trace),
        "{spans:?}"
    );
    for work in [before, after] {
        assert_eq!(work.parent_span_id, call.span_context.span_id());
    }
    let links: Vec<_> = after
        .links
        .iter()
        .map(|it| it.span_context.span_id())
        .collect();
    assert_eq!(links, [before.span_context.span_id()]);
    let steps = |name| -> Vec<_> {
        let steps = named(&spans, name).into_iter();
        steps
            .map(|it| (it.parent_span_id, described(it).1))
            .collect()
    };
    let attributes = |step: &str, attempt: u32| {
        let attempt = format!("saga.attempt={attempt}");
        let step = format!("saga.step={step}");
        vec![
            attempt,
            "saga.id=one".to_owned(),
            "saga.name=order".to_owned(),
            step,
        ]
    };
    let (before, after) = (before.span_context.span_id(), after.span_context.span_id());
    assert_eq!(steps("step reserve"), [(before, attributes("reserve", 1))]);
    let charges = [
        (before, attributes("charge", 1)),
        (after, attributes("charge", 2)),
    ];
    assert_eq!(steps("step charge"), charges);
    // It was tried without an answer, so it is undone, and then what was before it.
    assert_eq!(
        steps("compensate charge"),
        [(after, attributes("charge", 1))]
    );
    assert_eq!(
        steps("compensate reserve"),
        [(after, attributes("reserve", 1))]
    );

    let metrics = chassis::metrics::render();
    for expected in [
        r#"sagas_started_total{saga="order"} 1"#,
        r#"sagas_resumed_total{saga="order"} 1"#,
        r#"sagas_ended_total{saga="order",status="compensated"} 1"#,
        r#"sagas_running{saga="order"} 0"#,
        r#"saga_step_duration_seconds_count{saga="order",step="charge",part="action",outcome="retry"} 1"#,
        r#"saga_step_duration_seconds_count{saga="order",step="charge",part="compensation",outcome="ok"} 1"#,
    ] {
        assert!(metrics.contains(expected), "{expected}\n{metrics}");
    }
}
