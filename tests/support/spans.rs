//! The spans of this process, kept. A test that uses them is alone in its process.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt;

/// The spans that have ended.
#[derive(Debug, Clone, Default)]
pub struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().expect("no panic").extend(batch);
        Ok(())
    }
}

impl Spans {
    /// Keeps them from now on.
    pub fn keep() -> Self {
        let spans = Self::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("test"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("there is one test");
        spans
    }

    /// Those so far, which are forgotten.
    pub fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

/// The name of a span, and its attributes as text, sorted.
pub fn described(span: &SpanData) -> (String, Vec<String>) {
    let attributes = span.attributes.iter();
    let attributes = attributes.map(|it| format!("{}={}", it.key, it.value));
    let mut attributes: Vec<String> = attributes.collect();
    attributes.sort();
    (span.name.to_string(), attributes)
}
