//! The JSON of the agent's API, as much of it as is used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Consul, ConsulCheck};
use crate::registry::resolve::Parts;
use crate::registry::{Registration, Security};
use crate::server::host_port;

/// `PUT /v1/agent/service/register`
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Register<'a> {
    #[serde(rename = "ID")]
    id: String,
    name: &'a str,
    address: &'a str,
    port: u16,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    name: &'static str,
    #[serde(rename = "GRPC", skip_serializing_if = "Option::is_none")]
    grpc: Option<String>,
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "Option::is_none")]
    grpc_use_tls: Option<bool>,
    /// The agent looks whether the instance lives, by its address, which need not be in its
    /// certificate, nor its authority be the agent's.
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "Option::is_none")]
    tls_skip_verify: Option<bool>,
    #[serde(rename = "HTTP", skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    deregister_critical_service_after: String,
    status: &'static str,
}

/// `PUT /v1/agent/check/update/{check}`: how an instance is.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Status {
    status: &'static str,
    output: String,
}

impl Status {
    pub(super) fn passing() -> Self {
        Self {
            status: "passing",
            output: "ready".to_owned(),
        }
    }

    pub(super) fn critical(output: String) -> Self {
        Self {
            status: "critical",
            output,
        }
    }
}

impl<'a> Register<'a> {
    pub(super) fn new(registration: &'a Registration, config: &Consul, status: &Status) -> Self {
        Self {
            id: registration.id(),
            name: &registration.service,
            address: &registration.host,
            port: registration.port,
            tags: &registration.tags,
            meta: &registration.meta,
            check: check(registration, config, status),
        }
    }
}

/// The check that works for this instance: what is configured, or what there is instead and why.
pub(super) fn workable(
    check: ConsulCheck,
    registration: &Registration,
) -> (ConsulCheck, Option<&'static str>) {
    let is_mutual = registration.security == Security::Mutual;
    let has_admin = registration.admin.is_some();
    match check {
        ConsulCheck::Auto if is_mutual && has_admin => {
            let why = "the server wants a certificate, which the agent does not show";
            (ConsulCheck::Http, Some(why))
        }
        ConsulCheck::Auto if is_mutual => {
            let why = "the server wants a certificate, which the agent does not show, \
                       and it has no admin server that could be asked";
            (ConsulCheck::Ttl, Some(why))
        }
        ConsulCheck::Auto => (ConsulCheck::Grpc, None),
        ConsulCheck::Http if !has_admin => {
            let why = "the service has no admin server that could be asked";
            let (check, _) = workable(ConsulCheck::Auto, registration);
            (check, Some(why))
        }
        check => (check, None),
    }
}

fn check(registration: &Registration, config: &Consul, status: &Status) -> Option<Check> {
    let grpc = || {
        let address = host_port(&registration.host, registration.port);
        Some(address)
    };
    let http = || {
        let admin = registration.admin.as_ref()?;
        Some(format!("http://{admin}/readyz"))
    };
    let (name, grpc, http) = match config.check {
        ConsulCheck::Auto | ConsulCheck::Grpc => ("gRPC health", grpc(), None),
        ConsulCheck::Http => ("HTTP readiness", None, http()),
        ConsulCheck::Ttl => ("readiness", None, None),
        ConsulCheck::None => return None,
    };
    // The admin server is without TLS.
    let tls = (grpc.is_some() && registration.security != Security::Plain).then_some(true);
    let is_asked = config.check != ConsulCheck::Ttl;
    Some(Check {
        name,
        grpc_use_tls: tls,
        tls_skip_verify: tls,
        grpc,
        http,
        ttl: (!is_asked).then(|| go_duration(config.check_ttl)),
        interval: is_asked.then(|| go_duration(config.check_interval)),
        timeout: is_asked.then(|| go_duration(config.check_timeout)),
        deregister_critical_service_after: go_duration(config.deregister_critical_service_after),
        status: status.status,
    })
}

/// In milliseconds, which Consul reads, as everything that Go's `time.ParseDuration` reads.
fn go_duration(duration: crate::config::Duration) -> String {
    format!("{}ms", duration.get().as_millis())
}

/// An entry of `GET /v1/health/service/{service}`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    node: Node,
    service: Service,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    address: String,
    port: u16,
    /// `null` when there is none.
    meta: Option<BTreeMap<String, String>>,
}

impl Entry {
    /// The host, port and metadata to call; a service without an address is at its node's.
    pub(super) fn into_parts(self) -> Parts {
        let Self { node, service } = self;
        let host = match service.address.is_empty() {
            true => node.address,
            false => service.address,
        };
        (host, service.port, service.meta.unwrap_or_default())
    }
}
