//! The definition of a check: how it is registered.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::decode::Object;
use super::Refusal;
use super::checks::{Check, HttpProbe, Kind, Probe, Status};
use super::services::Service;

/// Consul's lower limit of `DeregisterCriticalServiceAfter`.
const SHORTEST_DEREGISTER: Duration = Duration::from_secs(60);
/// Consul's lower limit of a check's interval.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Consul's default time-out of a check.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// As much of an output as Consul keeps unless told otherwise, in bytes.
const DEFAULT_OUTPUT: usize = 4096;
/// What Consul 1.8 knows of a check.
const FIELDS: &[&str] = &[
    "ID",
    "Name",
    "Notes",
    "Status",
    "Token",
    "ServiceID",
    "service_id",
    "Args",
    "ScriptArgs",
    "script_args",
    "HTTP",
    "Header",
    "Method",
    "Body",
    "TCP",
    "GRPC",
    "GRPCUseTLS",
    "Interval",
    "Timeout",
    "TTL",
    "AliasNode",
    "AliasService",
    "Shell",
    "DockerContainerID",
    "docker_container_id",
    "TLSSkipVerify",
    "tls_skip_verify",
    "OutputMaxSize",
    "SuccessBeforePassing",
    "FailuresBeforeCritical",
    "DeregisterCriticalServiceAfter",
    "deregister_critical_service_after",
];
/// What it knows besides of a check in the body of a service.
const FIELDS_IN_SERVICE: &[&str] = &["CheckID", "ProxyHTTP", "ProxyGRPC"];
const NO_SCRIPTS: &str = "Scripts are disabled on this agent from remote calls; to enable, \
                          configure 'enable_script_checks' to true";

/// A check as it is registered.
#[derive(Clone, Debug)]
pub(in super::super) struct Definition {
    pub(super) check: Check,
    pub(super) kind: Kind,
    /// How long its service may be critical before it is removed.
    pub(super) deregister_after: Option<Duration>,
    /// How many successes or failures in a row make a difference.
    pub(super) thresholds: (u64, u64),
    pub(super) max_output: usize,
}

impl Definition {
    /// Reads the body of a check's own registration.
    pub fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let fields = Object::new(body, "");
        fields.only(FIELDS)?;
        let name = fields.text("Name")?;
        if name.is_empty() {
            return Err(Refusal::Invalid("Missing check name".to_owned()));
        }
        let status = fields.text("Status")?;
        if !status.is_empty() && Status::parse(&status).is_none() {
            return Err(Refusal::Invalid("Bad check status".to_owned()));
        }
        let mut definition = Self::read_common(&fields)?;
        let id = Some(fields.text("ID")?).filter(|id| !id.is_empty());
        definition.check.id = id.unwrap_or_else(|| name.clone());
        definition.check.service_id = fields.text("ServiceID")?;
        Ok(definition)
    }

    /// Reads a check in the body of a service's registration.
    pub(super) fn of_service(
        fields: &Object<'_>,
        service: &Service,
        default_id: String,
    ) -> Result<Self, Refusal> {
        fields.only(&[FIELDS, FIELDS_IN_SERVICE].concat())?;
        let status = fields.text("Status")?;
        if !status.is_empty() && Status::parse(&status).is_none() {
            let text = "Status for checks must 'passing', 'warning', 'critical'";
            return Err(Refusal::Invalid(text.to_owned()));
        }
        let mut definition = Self::read_common(fields)?;
        let id = Some(fields.text("CheckID")?).filter(|id| !id.is_empty());
        definition.check.id = id.unwrap_or(default_id);
        if definition.check.name.is_empty() {
            definition.check.name = format!("Service '{}' check", service.name);
        }
        definition.check.belong_to(service);
        Ok(definition)
    }

    fn read_common(fields: &Object<'_>) -> Result<Self, Refusal> {
        let after = fields.duration("DeregisterCriticalServiceAfter")?;
        let kind = kind(fields)?;
        let name = match &kind {
            Kind::Ttl(_) => "ttl",
            Kind::Maintenance => "maintenance",
            Kind::Probe { probe, .. } => match probe {
                Probe::Http(_) => "http",
                Probe::Grpc(_) => "grpc",
                Probe::Tcp(_) => "tcp",
            },
        };
        let count = |name| Ok::<_, String>(fields.integer(name)?.unwrap_or(0).unsigned_abs());
        let max_output = fields.integer("OutputMaxSize")?.unwrap_or(0);
        let Ok(max_output) = usize::try_from(max_output) else {
            return invalid("MaxOutputMaxSize must be positive");
        };
        Ok(Self {
            check: Check {
                id: String::new(),
                name: fields.text("Name")?,
                notes: fields.text("Notes")?,
                status: Status::parse(&fields.text("Status")?).unwrap_or(Status::Critical),
                output: String::new(),
                service_id: String::new(),
                service_name: String::new(),
                service_tags: Vec::new(),
                kind: name,
            },
            kind,
            deregister_after: (!after.is_zero()).then(|| after.max(SHORTEST_DEREGISTER)),
            thresholds: (
                count("SuccessBeforePassing")?,
                count("FailuresBeforeCritical")?,
            ),
            max_output: if max_output == 0 {
                DEFAULT_OUTPUT
            } else {
                max_output.min(DEFAULT_OUTPUT)
            },
        })
    }

    /// The check that stands for a maintenance mode.
    pub(super) fn maintenance(service: Option<&Service>, id: String, reason: &str) -> Self {
        let (title, kind) = match service {
            Some(_) => ("Service Maintenance Mode", "service"),
            None => ("Node Maintenance Mode", "node"),
        };
        let notes = match reason {
            "" => format!(
                "Maintenance mode is enabled for this {kind}, but no reason was provided. \
                 This is a default message."
            ),
            reason => reason.to_owned(),
        };
        let mut check = Check {
            id,
            name: title.to_owned(),
            notes,
            status: Status::Critical,
            output: String::new(),
            service_id: String::new(),
            service_name: String::new(),
            service_tags: Vec::new(),
            kind: "maintenance",
        };
        if let Some(service) = service {
            check.belong_to(service);
        }
        Self {
            check,
            kind: Kind::Maintenance,
            deregister_after: None,
            thresholds: (0, 0),
            max_output: DEFAULT_OUTPUT,
        }
    }
}

fn invalid<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(format!("Invalid check: {why}")))
}

fn kind(fields: &Object<'_>) -> Result<Kind, Refusal> {
    let (interval, timeout) = (fields.duration("Interval")?, fields.duration("Timeout")?);
    let ttl = fields.duration("TTL")?;
    let scripts = ["Args", "ScriptArgs"].map(|name| fields.texts(name));
    for script in scripts {
        if !script?.is_empty() {
            return Err(Refusal::Failed(NO_SCRIPTS.to_owned()));
        }
    }
    fields.text("Shell")?;
    for unsupported in ["AliasNode", "AliasService", "DockerContainerID"] {
        if !fields.text(unsupported)?.is_empty() {
            return Err(Refusal::Unsupported(format!("`{unsupported}`")));
        }
    }
    if fields.boolean("GRPCUseTLS")? {
        return Err(Refusal::Unsupported("`GRPCUseTLS`".to_owned()));
    }
    fields.boolean("TLSSkipVerify")?;
    let http = HttpProbe {
        url: fields.text("HTTP")?,
        method: Some(fields.text("Method")?)
            .filter(|method| !method.is_empty())
            .unwrap_or_else(|| "GET".to_owned()),
        headers: fields.headers("Header")?,
        body: fields.text("Body")?,
    };
    if http.url.starts_with("https:") {
        return Err(Refusal::Unsupported("a check by HTTPS".to_owned()));
    }
    let (tcp, grpc) = (fields.text("TCP")?, fields.text("GRPC")?);
    let probe = match () {
        () if !http.url.is_empty() => Some(Probe::Http(http)),
        () if !tcp.is_empty() => Some(Probe::Tcp(tcp)),
        () if !grpc.is_empty() => Some(Probe::Grpc(grpc)),
        () => None,
    };
    let Some(probe) = probe else {
        return match ttl.is_zero() {
            true => invalid("TTL must be > 0 for TTL checks"),
            false => Ok(Kind::Ttl(ttl)),
        };
    };
    if !interval.is_zero() && !ttl.is_zero() {
        return invalid("Interval and TTL cannot both be specified");
    }
    if interval.is_zero() {
        return invalid("Interval must be > 0 for Script, HTTP, or TCP checks");
    }
    let timeout = if timeout.is_zero() {
        DEFAULT_TIMEOUT
    } else {
        timeout
    };
    Ok(Kind::Probe {
        probe,
        interval: interval.max(SHORTEST_INTERVAL),
        timeout,
    })
}
