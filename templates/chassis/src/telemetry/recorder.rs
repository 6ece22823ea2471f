//! For tests: what would be logged and exported, kept.

use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use crate::config::Log;

/// The spans and the log of the current thread, from [`Recorder::start`] to its end.
pub(crate) struct Recorder {
    spans: Spans,
    lines: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
    _provider: SdkTracerProvider,
}

impl Recorder {
    /// Records with the log's level `directives`.
    pub(crate) fn start(directives: &str) -> Self {
        let spans = Spans::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
        let log = Log {
            level: directives.parse().expect("valid directives"),
            ..Log::default()
        };
        let written = Arc::clone(&lines);
        let write = move |line: &[u8]| written.lock().expect("no panic").extend(line);
        let subscriber = tracing_subscriber::registry()
            .with(super::spans(&provider))
            .with(super::log::lines_to(&log, super::log::Format::Json, write));
        Self {
            spans,
            lines,
            _guard: tracing::subscriber::set_default(subscriber),
            _provider: provider,
        }
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
