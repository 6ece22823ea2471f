//! The life of a service: start, serve, drain, end.

use crate::config::Config;
use crate::readiness::{Phase, Readiness};
use crate::server::{self, Server};
use crate::{Error, Services};

/// Serves `services` until SIGTERM or SIGINT, then ends gently.
///
/// # Errors
/// When the service cannot start, and when a second signal ends it before calls in flight are
/// done.
pub async fn serve<A>(config: Config<A>, services: Services) -> Result<(), Error> {
    let config = config.chassis();
    let host = &config.server.host;
    let mut services = services;
    let readiness = Readiness::new(std::mem::take(&mut services.checks));
    let listener = server::listen("gRPC server", host, config.server.port, "server.port").await?;
    let mut server = Server::start(&config, services, listener).await?;
    readiness.enter(Phase::Serving);
    server.health.serving().await;
    tokio::signal::ctrl_c().await.map_err(Error::Signals)?;
    readiness.enter(Phase::Draining);
    server.health.not_serving().await;
    server.drain().await;
    Ok(())
}
