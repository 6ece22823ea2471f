//! The gRPC server: from a list of services to a listening, layered, drainable server.

mod address;
mod by_path;
mod connections;
mod linger;
mod methods;
mod reflection;
mod router;
mod stack;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use address::{advertised, host_port, listen};
pub(crate) use by_path::ByPath;
use connections::Connections;
pub(crate) use methods::Methods;
pub(crate) use router::Router;

use crate::config::{self, Config};
#[cfg(feature = "http")]
use crate::front::Fronted;
use crate::health::Health;
use crate::middleware::auth;
use crate::task;
use crate::tls::ServerTls;
use crate::{Error, Services};

/// A running gRPC server. Dropping it ends all connections.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    drain: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `services` in all their layers on `listener`; health is NOT_SERVING until it is set.
    pub(crate) async fn start(
        config: &Config,
        services: Services,
        listener: (TcpListener, SocketAddr),
    ) -> Result<Self, Error> {
        let (listener, address) = listener;
        let Services {
            mut router,
            descriptor_sets,
            ..
        } = services;
        let http1 = router.has_front();
        let tls = ServerTls::new(&config.server.tls, http1)?;
        let health = Health::new(router.names()).await;
        router.add(health.service());
        reflection::add(&mut router, &descriptor_sets)?;

        let names: Vec<&str> = router.names().collect();
        let described = [&descriptor_sets[..], &reflection::INFRASTRUCTURE].concat();
        let methods = Methods::new(&names, &described).map_err(Error::Descriptors)?;
        #[cfg(feature = "http")]
        let methods = methods.and_those_of(router.front());
        let auth = auth::layer(&config.server.auth, &methods).await?;
        let (drain, draining) = watch::channel(());
        let connections = Connections {
            listener,
            tls,
            http1,
        };
        Ok(Self {
            address,
            health,
            drain,
            task: spawn(
                router,
                (methods, auth),
                &config.server,
                connections,
                draining,
            ),
        })
    }

    /// Stops accepting connections, tells clients to go elsewhere, and waits for calls in flight.
    /// It may be dropped, and called again, at any time.
    pub(crate) async fn drain(&mut self) {
        self.drain.send_replace(());
        // The task ends when it is done, or in a panic that it has reported.
        let _ = (&mut self.task).await;
    }
}

/// Serves `router`, in all layers, on `connections`.
fn spawn(
    router: Router,
    (methods, auth): (Methods, auth::AuthLayer),
    config: &config::Server,
    connections: Connections,
    drain: watch::Receiver<()>,
) -> JoinHandle<()> {
    #[cfg(feature = "http")]
    if let Some(front) = router.front().cloned() {
        let stack = stack::build(router, config, methods, auth);
        let stack = Fronted::new(front, stack);
        return task::spawn(connections::serve(
            connections,
            stack,
            config.clone(),
            drain,
        ));
    }
    let stack = stack::build(router, config, methods, auth);
    task::spawn(connections::serve(
        connections,
        stack,
        config.clone(),
        drain,
    ))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
