//! Kubernetes, by the EndpointSlices of its API
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).
//!
//! This is tested against a server that answers as the documentation says, and has not met a real
//! API server.

mod api;
mod view;
mod watch;

pub(crate) use watch::watch;

#[cfg(test)]
mod tests;
