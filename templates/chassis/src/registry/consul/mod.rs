//! Consul, by the HTTP API of its agent (<https://developer.hashicorp.com/consul/api-docs>).

mod agent;
mod api;
mod kv;
mod membership;
mod watch;

use crate::tls::RegistryKeys;

pub(crate) use kv::Kv;
pub(crate) use membership::Membership;
pub(crate) use watch::watch;

const TLS_KEYS: RegistryKeys = RegistryKeys {
    address: "registry.consul.address",
    ca: "registry.consul.tls.ca",
    cert: "registry.consul.tls.cert",
    key: "registry.consul.tls.key",
};

/// Where an agent listens unless told otherwise.
const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8500";

#[cfg(test)]
mod tests;
