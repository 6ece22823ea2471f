//! For tests: what would be logged and exported, kept.

use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::SubscriberExt;

use super::log::level::Levels;

/// The spans and the log of the current thread, from [`Recorder::start`] to its end.
pub(crate) struct Recorder {
    spans: Spans,
    lines: Arc<Mutex<Vec<u8>>>,
    levels: Levels,
    _guard: DefaultGuard,
    _provider: SdkTracerProvider,
}

impl Recorder {
    /// Records with the log's level `directives`.
    pub(crate) fn start(directives: &str) -> Self {
        // It fails from the second time on.
        let _ = tracing::subscriber::set_global_default(Undecided);
        let spans = Spans::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
        let levels = Levels::new(directives.parse().expect("valid directives"));
        let written = Arc::clone(&lines);
        let write = move |line: &[u8]| written.lock().expect("no panic").extend(line);
        let subscriber = tracing_subscriber::registry()
            .with(super::spans(&provider))
            .with(super::log::lines_to(
                &levels,
                super::log::Format::Json,
                write,
            ));
        Self {
            spans,
            lines,
            levels,
            _guard: tracing::subscriber::set_default(subscriber),
            _provider: provider,
        }
    }

    /// What is logged.
    pub(crate) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The spans that have ended.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.spans.0.lock().expect("no panic").clone()
    }

    /// The lines of the log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let written = self.lines.lock().expect("no panic");
        let lines = written.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a line is JSON"))
            .collect()
    }
}

/// The subscriber of threads without a recorder. It is never told anything, and keeps `tracing` from
/// remembering, while another thread's recorder is being set, that nobody wants to be.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

/// The value of an attribute of `span`, as text.
pub(crate) fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key.as_str() == key)?;
    Some(found.value.to_string())
}
