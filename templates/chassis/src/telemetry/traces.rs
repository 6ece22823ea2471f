//! OpenTelemetry's tracer provider: sampling, resource, export.

use opentelemetry::KeyValue;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use super::exporter::Reporting;
use crate::Error;
use crate::config::{Config, HttpUrl};

/// Traces are recorded by `tracing.sample_ratio` and exported, in batches by a thread of its own,
/// when `tracing.endpoint` is set. When its queue is full, spans are lost: a call never waits.
pub(super) fn provider(config: &Config) -> Result<SdkTracerProvider, Error> {
    let root = Sampler::TraceIdRatioBased(config.tracing.sample_ratio.get());
    let builder = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_resource(resource(config));
    let builder = match &config.tracing.endpoint {
        Some(endpoint) => builder.with_batch_exporter(exporter(config, endpoint)?),
        None => builder,
    };
    Ok(builder.build())
}

fn exporter(config: &Config, endpoint: &HttpUrl) -> Result<Reporting<SpanExporter>, Error> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_string())
        .with_timeout(config.tracing.export_timeout.get())
        .build();
    match exporter {
        Ok(exporter) => Ok(Reporting::new(exporter, endpoint.to_string())),
        Err(error) => Err(Error::Exporter {
            endpoint: endpoint.to_string(),
            source: Box::new(error),
        }),
    }
}

/// Who sends the traces (OpenTelemetry's semantic conventions for resources).
fn resource(config: &Config) -> Resource {
    let service = &config.service;
    Resource::builder()
        .with_service_name(service.name.clone())
        .with_attribute(KeyValue::new("service.version", service.version.clone()))
        .with_attribute(KeyValue::new(
            "deployment.environment.name",
            service.environment.clone(),
        ))
        .build()
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    #[test]
    fn the_resource_says_which_service_it_is() {
        let mut config = Config::default();
        config.service.name = "user-service".to_owned();
        config.service.version = "1.2.3".to_owned();
        config.service.environment = "prod".to_owned();
        let resource = resource(&config);
        let get = |key: &'static str| {
            let value = resource.get(&Key::from_static_str(key));
            value.map(|value| value.to_string())
        };
        assert_eq!(get("service.name").as_deref(), Some("user-service"));
        assert_eq!(get("service.version").as_deref(), Some("1.2.3"));
        assert_eq!(get("deployment.environment.name").as_deref(), Some("prod"));
    }
}
