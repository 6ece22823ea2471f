//! Logs and traces of the process.

pub(crate) mod log;
mod panic;
pub(crate) mod propagation;
#[cfg(test)]
pub(crate) mod recorder;
pub(crate) mod sampling;
mod traces;

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "tls")]
pub(crate) use log::Utc;

use crate::Error;
use crate::config::Config;

/// The longest wait for the end of the log to be written.
const LOG_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The finest level of spans and events that are traced.
const TRACED: Level = Level::INFO;

/// The telemetry of the process; end it with [`Telemetry::shutdown`].
#[derive(Debug)]
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
    log: log::Writer,
    flush_timeout: Duration,
}

/// Begins to log and trace as `config` says. It must be called inside the tokio runtime, on which
/// the exporter works. A subscriber that the program has set before stays.
///
/// # Errors
/// [`Error::Exporter`]
pub(crate) fn init(config: &Config) -> Result<Telemetry, Error> {
    let (provider, head) = traces::provider(config)?;
    let levels = log::level::Levels::new(config.log.level.clone());
    let (lines, calls, log) = log::layer(&config.log, &levels);
    let subscriber = tracing_subscriber::registry()
        .with(spans(&provider))
        .with(lines);
    // It fails when there is one already, which is then the program's own choice, as is its level.
    let is_ours = tracing::subscriber::set_global_default(subscriber).is_ok();
    if is_ours {
        head.install();
        calls.install();
    }
    if is_ours && config.log.adjustable {
        log::level::install(levels);
    }
    opentelemetry::global::set_tracer_provider(provider.clone());
    opentelemetry::global::set_text_map_propagator(propagation::propagator());
    panic::log_panics();
    Ok(Telemetry {
        provider,
        log,
        flush_timeout: config.tracing.export_timeout.get(),
    })
}

impl Telemetry {
    /// Sends what is left, for as long as an export may take.
    pub(crate) async fn shutdown(self) {
        let Self {
            provider,
            log,
            flush_timeout,
        } = self;
        // It blocks its thread, and needs the runtime's others to send.
        let flush = move || provider.shutdown_with_timeout(flush_timeout);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(flush).await {
            tracing::warn!(%error, "the last traces were not exported");
        }
        let _ = tokio::task::spawn_blocking(move || log.flush(LOG_FLUSH_TIMEOUT)).await;
    }
}

/// The layer that makes OpenTelemetry's spans of `tracing`'s.
pub(crate) fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("chassis"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Without the hint, every place in the process that could log would be asked about first.
        .with_filter(FilterFn::new(is_traced).with_max_level_hint(TRACED))
}

/// What is worth a place in a trace: not the inner life of HTTP/2, and not the log line of a call,
/// which says what its span says, and not that of a panic, which is in the span as an exception.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= TRACED && ![log::calls::TARGET, panic::TARGET].contains(&metadata.target())
}
