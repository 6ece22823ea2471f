//! `[tracing]`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Duration, HttpEndpoint, Origin, Ratio, Secret};

/// `[tracing]`: distributed tracing with OpenTelemetry. What is not set here is taken from the
/// variables that OpenTelemetry has for it, if those are set.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// `otlp`, `zipkin` or `none`. Default: `OTEL_TRACES_EXPORTER`, else `otlp` if there is an
    /// endpoint, else `none`; log lines have trace ids all the same.
    pub exporter: Option<TraceExporter>,
    /// How OTLP is spoken: `grpc` or `http`. Default: `OTEL_EXPORTER_OTLP_PROTOCOL`, else `grpc`.
    pub protocol: Option<OtlpProtocol>,
    /// The collector, as in `"http://127.0.0.1:4317"`. Over HTTP, an address without a path gets the
    /// usual one. Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_ZIPKIN_ENDPOINT`, else, if
    /// `exporter` is set, the usual port of this host: 4317, 4318 for HTTP, 9411 for Zipkin.
    pub endpoint: Option<HttpEndpoint>,
    /// What the collector is sent besides, such as a token. Default: `OTEL_EXPORTER_OTLP_HEADERS`,
    /// else nothing.
    pub headers: BTreeMap<String, Secret>,
    /// The share of traces that start here and are recorded, from 0 to 1. Default:
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, else 1.
    pub sample_ratio: Option<Ratio>,
    /// Whether a trace that a caller started is recorded if the caller records it, and not
    /// otherwise. Default: `OTEL_TRACES_SAMPLER`, else `true`.
    pub parent_based: Option<bool>,
    /// The name in traces. Default: `OTEL_SERVICE_NAME`, else `service.name`.
    pub service_name: Option<String>,
    /// More attributes of the resource, as in `"k8s.pod.name" = "users-1"`; those of
    /// `OTEL_RESOURCE_ATTRIBUTES` are added. Default: none.
    pub resource: BTreeMap<String, String>,
    /// The longest wait for the collector, for a batch of spans with all attempts, and on shutdown.
    /// Default: `"5s"`.
    pub export_timeout: Duration,
    /// The most spans that wait to be exported; more are dropped and counted. Default: 2048
    /// (OpenTelemetry's `OTEL_BSP_MAX_QUEUE_SIZE`).
    pub max_queue_size: usize,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            exporter: None,
            protocol: None,
            endpoint: None,
            headers: BTreeMap::new(),
            sample_ratio: None,
            parent_based: None,
            service_name: None,
            resource: BTreeMap::new(),
            export_timeout: Duration::from_secs(5),
            max_queue_size: 2048,
        }
    }
}

/// Where traces go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TraceExporter {
    /// To an OpenTelemetry collector, or whatever speaks its protocol.
    Otlp,
    /// To Zipkin, as JSON of its API's second version.
    Zipkin,
    /// Nowhere.
    None,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpProtocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with binary protobuf.
    Http,
}

/// Looks a variable up; an empty one is not set (OpenTelemetry's specification of environment
/// variables).
type Variable<'a, 'v> = &'a dyn Fn(&'static str) -> Result<Option<&'v str>, ConfigError>;

impl Tracing {
    pub(super) fn fill_from<'v>(&mut self, variable: Variable<'_, 'v>) -> Result<(), ConfigError> {
        self.fill_exporter(variable)?;
        self.fill_endpoint(variable)?;
        self.fill_sampler(variable)?;
        if self.headers.is_empty() {
            let names = [
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "OTEL_EXPORTER_OTLP_HEADERS",
            ];
            if let Some((name, list)) = first(variable, names)? {
                let pairs = pairs(list).ok_or_else(|| wrong(name, "headers", PAIRS, list))?;
                let pairs = pairs.into_iter();
                self.headers = pairs
                    .map(|(key, value)| (key, Secret::new(value)))
                    .collect();
            }
        }
        if self.service_name.is_none() {
            self.service_name = variable("OTEL_SERVICE_NAME")?.map(str::to_owned);
        }
        const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
        if let Some(list) = variable(ATTRIBUTES)? {
            let pairs = pairs(list).ok_or_else(|| wrong(ATTRIBUTES, "resource", PAIRS, list))?;
            for (key, value) in pairs {
                self.resource.entry(key).or_insert(value);
            }
        }
        Ok(())
    }

    fn fill_exporter(&mut self, variable: Variable<'_, '_>) -> Result<(), ConfigError> {
        const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
        if self.exporter.is_none() {
            self.exporter = match variable(EXPORTER)? {
                None => None,
                Some("otlp") => Some(TraceExporter::Otlp),
                Some("zipkin") => Some(TraceExporter::Zipkin),
                Some("none") => Some(TraceExporter::None),
                Some(other) => {
                    let expected = "\"otlp\", \"zipkin\" or \"none\"";
                    return Err(wrong(EXPORTER, "exporter", expected, other));
                }
            };
        }
        if variable("OTEL_SDK_DISABLED")?.is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            self.exporter = Some(TraceExporter::None);
        }
        let names = [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ];
        if self.protocol.is_none() {
            self.protocol = match first(variable, names)? {
                None => None,
                Some((_, "grpc")) => Some(OtlpProtocol::Grpc),
                Some((_, "http/protobuf")) => Some(OtlpProtocol::Http),
                Some((name, other)) => {
                    let expected = "\"grpc\" or \"http/protobuf\"";
                    return Err(wrong(name, "protocol", expected, other));
                }
            };
        }
        Ok(())
    }

    fn fill_endpoint(&mut self, variable: Variable<'_, '_>) -> Result<(), ConfigError> {
        const OTLP: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        if self.endpoint.is_some() {
            return Ok(());
        }
        let found = match self.exporter {
            Some(TraceExporter::None) => None,
            Some(TraceExporter::Zipkin) => first(variable, ["OTEL_EXPORTER_ZIPKIN_ENDPOINT"])?,
            Some(TraceExporter::Otlp) | None => {
                first(variable, ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", OTLP])?
            }
        };
        let Some((name, text)) = found else {
            return Ok(());
        };
        let endpoint: HttpEndpoint = text
            .parse()
            .map_err(|_| wrong(name, "endpoint", HttpEndpoint::EXPECTED, text))?;
        // The variable for all signals is a base, that for traces is the address.
        self.endpoint = Some(match (name, self.protocol) {
            (OTLP, Some(OtlpProtocol::Http)) => endpoint.join(crate::config::OTLP_PATH),
            _ => endpoint,
        });
        Ok(())
    }

    fn fill_sampler(&mut self, variable: Variable<'_, '_>) -> Result<(), ConfigError> {
        const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(sampler) = variable(SAMPLER)? else {
            return Ok(());
        };
        let argument = || match variable(ARGUMENT)? {
            None => Ok(Ratio::ONE),
            Some(text) => {
                let ratio = text.parse().ok().and_then(Ratio::new);
                let expected = "a ratio from 0 to 1";
                ratio.ok_or_else(|| wrong(ARGUMENT, "sample_ratio", expected, text))
            }
        };
        let (parent_based, ratio) = match sampler {
            "always_on" => (false, Ratio::ONE),
            "always_off" => (false, Ratio::ZERO),
            "traceidratio" => (false, argument()?),
            "parentbased_always_on" => (true, Ratio::ONE),
            "parentbased_always_off" => (true, Ratio::ZERO),
            "parentbased_traceidratio" => (true, argument()?),
            other => {
                let expected = "a sampler such as \"parentbased_traceidratio\"";
                return Err(wrong(SAMPLER, "sample_ratio", expected, other));
            }
        };
        self.parent_based.get_or_insert(parent_based);
        self.sample_ratio.get_or_insert(ratio);
        Ok(())
    }
}

/// The first of `names` that is set, with its value.
fn first<'v, const N: usize>(
    variable: Variable<'_, 'v>,
    names: [&'static str; N],
) -> Result<Option<(&'static str, &'v str)>, ConfigError> {
    for name in names {
        if let Some(value) = variable(name)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

const PAIRS: &str = "pairs of the form \"key=value,key=value\"";

/// `key=value,key=value`, in which values are percent-encoded.
fn pairs(list: &str) -> Option<Vec<(String, String)>> {
    let members = list.split(',').filter(|member| !member.trim().is_empty());
    let pair = |member: &str| {
        let (key, value) = member.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), value.into_owned()))
    };
    members.map(pair).collect()
}

fn wrong(variable: &'static str, key: &str, expected: &str, got: &str) -> ConfigError {
    let origin = Origin::Variable(variable.into());
    let got = match key {
        // They are secrets.
        "headers" => String::new(),
        _ => format!(", got \"{got}\""),
    };
    let message = format!("expected {expected}{got}");
    ConfigError::setting(origin, &format!("tracing.{key}"), message)
}
