//! Consul, by the HTTP API of its agent (<https://developer.hashicorp.com/consul/api-docs>).

mod agent;
mod api;
mod membership;
mod watch;

pub(crate) use membership::Membership;
pub(crate) use watch::watch;

/// Where an agent listens unless told otherwise.
const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8500";

#[cfg(test)]
mod tests;
