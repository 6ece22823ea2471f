//! Sends batches, again if need be, for so long and no longer; says once that it cannot, and once
//! that it can again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use super::metrics::SpanMetrics;
use super::transport::{Failure, Transport};
use crate::backoff::Backoff;
use crate::config;

/// The limit of the pause after the first attempt, which doubles with each. (OTLP's specification: "the client
/// SHOULD implement an exponential backoff strategy between retries".)
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// An exporter for the thread of the batch processor, which is not one of the runtime: the work is
/// done on the runtime, where there are sockets and timers.
#[derive(Debug)]
pub(super) struct Exporter {
    runtime: Handle,
    transport: Arc<Transport>,
    timeout: Duration,
    failing: AtomicBool,
    metrics: &'static SpanMetrics,
}

impl Exporter {
    /// `timeout` is for a batch, with all attempts.
    pub(super) fn new(
        transport: Transport,
        timeout: config::Duration,
        metrics: &'static SpanMetrics,
    ) -> Self {
        Self {
            runtime: Handle::current(),
            transport: Arc::new(transport),
            timeout: timeout.get(),
            failing: AtomicBool::new(false),
            metrics,
        }
    }

    fn report(&self, result: &Result<u64, Failure>, spans: u64) {
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        let endpoint = self.transport.endpoint();
        match result {
            Ok(rejected) => {
                self.metrics
                    .exported
                    .inc_by(spans.saturating_sub(*rejected));
                self.metrics.rejected.inc_by(*rejected);
                if failed_before {
                    tracing::info!(endpoint, "traces are exported again");
                }
            }
            Err(error) => {
                self.metrics.failed.inc_by(spans);
                if !failed_before {
                    tracing::warn!(%error, endpoint, spans, "traces are not exported, and will be lost until the collector answers");
                }
            }
        }
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let transport = Arc::clone(&self.transport);
        let timeout = self.timeout;
        let sending = self
            .runtime
            .spawn(async move { send(&transport, batch, timeout).await });
        let result = sending.await.unwrap_or(Err(Failure::Ended));
        self.report(&result, spans);
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }
}

/// Sends `batch`, and returns how many of its spans the collector did not want.
async fn send(
    transport: &Transport,
    batch: Vec<SpanData>,
    timeout: Duration,
) -> Result<u64, Failure> {
    let batch = transport.encode(&batch);
    let mut last = Failure::Timeout(timeout);
    let attempts = async {
        let mut backoff = Backoff::new(FIRST_PAUSE, timeout.max(FIRST_PAUSE));
        loop {
            match transport.send(batch.clone()).await {
                Err(error) if error.is_temporary() => {
                    let asked = error.retry_after();
                    last = error;
                    let pause = asked.unwrap_or_else(|| backoff.delay());
                    tokio::time::sleep(pause).await;
                }
                result => return result,
            }
        }
    };
    let result = tokio::time::timeout(timeout, attempts).await;
    result.unwrap_or_else(|_| Err(last))
}
