//! The `api-gateway` process: HTTP and JSON in front of the gRPC services.

use serde::Deserialize;

/// What can be set in `[app]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// What it answers, and how.
    gateway: gateway::Settings,
}

#[tokio::main]
async fn main() -> Result<(), gateway::Error> {
    let config =
        chassis::config::load::<Settings>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let settings = config.app.gateway.clone();
    gateway::serve(config, settings, protocol::DESCRIPTOR_SET).await
}
