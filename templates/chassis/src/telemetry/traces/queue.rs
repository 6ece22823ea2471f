//! The place where spans wait to be exported.
//!
//! OpenTelemetry's batch processor has a bounded queue, and drops what has no room in it without a
//! word. Here what it holds is counted before it gets it, so what is dropped is counted too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

use super::metrics::SpanMetrics;

/// A batch processor whose queue is watched.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    waiting: Waiting,
    max: usize,
}

/// How many spans wait.
#[derive(Debug, Clone)]
struct Waiting {
    count: Arc<AtomicUsize>,
    metrics: &'static SpanMetrics,
}

impl Queue {
    /// Begins to hand what comes to `exporter`; at most `max` spans wait.
    pub(super) fn start<E>(exporter: E, max: usize, metrics: &'static SpanMetrics) -> Self
    where
        E: SpanExporter + 'static,
    {
        let max = max.max(1);
        let waiting = Waiting {
            count: Arc::default(),
            metrics,
        };
        let exporter = Taking {
            inner: exporter,
            waiting: waiting.clone(),
        };
        let config = BatchConfigBuilder::default().with_max_queue_size(max);
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
        Self {
            batches: batches.build(),
            waiting,
            max,
        }
    }
}

impl Waiting {
    fn add(&self, max: usize) -> bool {
        let has_room = self.count.fetch_add(1, Ordering::Relaxed) < max;
        match has_room {
            true => {
                self.metrics.queued.inc();
            }
            false => {
                self.count.fetch_sub(1, Ordering::Relaxed);
                self.metrics.no_room.inc();
            }
        }
        has_room
    }

    fn remove(&self, spans: usize) {
        self.count.fetch_sub(spans, Ordering::Relaxed);
        self.metrics.queued.dec_by(spans as i64);
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.add(self.max) {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }
}

/// An exporter that tells when spans no longer wait.
#[derive(Debug)]
struct Taking<E> {
    inner: E,
    waiting: Waiting,
}

impl<E: SpanExporter> SpanExporter for Taking<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.waiting.remove(batch.len());
        self.inner.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    /// An exporter that hangs until it is told to go on.
    #[derive(Debug)]
    struct Hung {
        began: Sender<usize>,
        turns: Mutex<Receiver<()>>,
    }

    impl SpanExporter for Hung {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let _ = self.began.send(batch.len());
            let _ = self.turns.lock().expect("no panic").recv();
            Ok(())
        }
    }

    #[test]
    fn a_span_does_not_wait_for_an_exporter_that_hangs() {
        let metrics: &'static SpanMetrics = Box::leak(Box::default());
        let (began, batches) = channel();
        let (turn, turns) = channel();
        let exporter = Hung {
            began,
            turns: Mutex::new(turns),
        };
        let queue = Queue::start(exporter, 4, metrics);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .build();
        let tracer = provider.tracer("test");
        let end_spans = |count| (0..count).for_each(|_| drop(tracer.start("span")));

        let provider_to_flush = provider.clone();
        end_spans(1);
        let flush = std::thread::spawn(move || provider_to_flush.force_flush());
        assert_eq!(batches.recv().expect("a batch"), 1);
        assert_eq!(metrics.queued.get(), 0);
        end_spans(10);
        assert_eq!(metrics.queued.get(), 4);
        assert_eq!(metrics.no_room.get(), 6);

        drop(turn);
        flush.join().expect("no panic").expect("flushed");
        provider.shutdown().expect("in time");
        assert_eq!(batches.iter().sum::<usize>(), 4);
        assert_eq!(metrics.queued.get(), 0);
    }
}
