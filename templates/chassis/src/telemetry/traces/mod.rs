//! OpenTelemetry's tracer provider: sampling, resource, export.
//!
//! ```text
//! a span ends → queue (bounded; what has no room is dropped and counted)
//!             → a thread that makes batches (OpenTelemetry's own)
//!             → exporter (attempts, within a time limit, on the runtime)
//!             → OTLP over gRPC or HTTP, or Zipkin
//! ```

mod exporter;
mod http;
mod metrics;
mod otlp;
mod queue;
mod transport;
mod wire;
mod zipkin;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use super::sampling::{Head, Ids};
use crate::Error;
use crate::config::{Config, Ratio, Tracing};
use exporter::Exporter;
use metrics::SpanMetrics;
use queue::Queue;
use transport::Transport;

/// Traces are recorded as `[tracing]` says, and exported if it says where to; and what decides that
/// before there is a span. It must be called inside the tokio runtime, on which the exporter works.
pub(super) fn provider(config: &Config) -> Result<(SdkTracerProvider, Head), Error> {
    let resource = resource(config);
    let builder = SdkTracerProvider::builder()
        .with_sampler(sampler(&config.tracing))
        .with_id_generator(Ids::default())
        .with_resource(resource.clone());
    let transport = Transport::new(&config.tracing, &resource)?;
    let head = Head {
        sampler: sampler(&config.tracing),
        exports: transport.is_some(),
    };
    let builder = match transport {
        None => builder,
        Some(transport) => {
            let metrics = SpanMetrics::global();
            let exporter = Exporter::new(transport, config.tracing.export_timeout, metrics);
            let queue = Queue::start(exporter, config.tracing.max_queue_size, metrics);
            builder.with_span_processor(queue)
        }
    };
    Ok((builder.build(), head))
}

/// The decision falls where a trace begins, and holds for all services that it passes through.
fn sampler(config: &Tracing) -> Sampler {
    let ratio = config.sample_ratio.unwrap_or(Ratio::ONE);
    let root = Sampler::TraceIdRatioBased(ratio.get());
    match config.parent_based.unwrap_or(true) {
        true => Sampler::ParentBased(Box::new(root)),
        false => root,
    }
}

/// Who sends the traces (OpenTelemetry's semantic conventions for resources).
fn resource(config: &Config) -> Resource {
    let Config {
        service, tracing, ..
    } = config;
    let others = tracing.resource.iter();
    let others = others.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let name = tracing.service_name.as_ref().unwrap_or(&service.name);
    let ours = [
        KeyValue::new("service.name", name.clone()),
        KeyValue::new("service.version", service.version.clone()),
        KeyValue::new("deployment.environment.name", service.environment.clone()),
    ];
    // The variables of the process have been read with the configuration.
    let sdk: Box<dyn ResourceDetector> = Box::new(TelemetryResourceDetector);
    Resource::builder_empty()
        .with_detector(sdk)
        .with_attributes(ours)
        .with_attributes(others)
        .build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use opentelemetry::trace::{
        SpanContext, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
    };
    use opentelemetry_sdk::trace::{SamplingDecision, ShouldSample};

    use super::*;

    #[test]
    fn the_resource_says_which_service_it_is() {
        let mut config = Config::default();
        config.service.name = "user-service".to_owned();
        config.service.version = "1.2.3".to_owned();
        config.service.environment = "prod".to_owned();
        config.tracing.resource = [("zone", "a"), ("service.version", "1.2.4")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let all = |config: &Config| -> BTreeMap<String, String> {
            let resource = resource(config);
            let pairs = resource.iter();
            let pairs = pairs.map(|(key, value)| (key.to_string(), value.to_string()));
            pairs
                .filter(|(key, _)| key != "telemetry.sdk.version")
                .collect()
        };
        let expected = |name: &str| {
            [
                ("deployment.environment.name", "prod"),
                ("service.name", name),
                ("service.version", "1.2.4"),
                ("telemetry.sdk.language", "rust"),
                ("telemetry.sdk.name", "opentelemetry"),
                ("zone", "a"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
        };
        assert_eq!(all(&config), expected("user-service"));
        config.tracing.service_name = Some("users".to_owned());
        assert_eq!(all(&config), expected("users"));
    }

    #[test]
    fn a_trace_is_sampled_by_its_parent_and_by_its_id() {
        let trace = |id: u128| TraceId::from(id);
        let parent = |flags| {
            let span = 1_u64.into();
            let context = SpanContext::new(trace(1), span, flags, true, TraceState::NONE);
            opentelemetry::Context::new().with_remote_span_context(context)
        };
        let is_sampled = |config: &Tracing, flags: Option<TraceFlags>, id: u128| {
            let parent = flags.map(parent);
            let sampler = sampler(config);
            let result = sampler.should_sample(
                parent.as_ref(),
                trace(id),
                "call",
                &SpanKind::Server,
                &[],
                &[],
            );
            result.decision == SamplingDecision::RecordAndSample
        };
        let (low, high) = (1, u128::MAX);
        let half = Tracing {
            sample_ratio: Some(Ratio::HALF),
            ..Tracing::default()
        };
        assert!(is_sampled(&half, None, low));
        assert!(!is_sampled(&half, None, high));
        assert!(is_sampled(&half, Some(TraceFlags::SAMPLED), high));
        assert!(!is_sampled(&half, Some(TraceFlags::NOT_SAMPLED), low));
        let by_id = Tracing {
            parent_based: Some(false),
            ..half
        };
        assert!(!is_sampled(&by_id, Some(TraceFlags::SAMPLED), high));
        assert!(is_sampled(&by_id, Some(TraceFlags::NOT_SAMPLED), low));
        assert!(is_sampled(&Tracing::default(), None, high));
    }
}
