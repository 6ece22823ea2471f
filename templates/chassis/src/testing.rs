//! A server for tests: in process, on loopback, on a free port.

use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::background::Background;
use crate::config::{Config, NoSettings};
use crate::server::{self, Server};
use crate::{Error, Services};

pub use crate::client::picker::{Pick, Picker};

/// A running server with a connected client. It stops when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    server: Server,
    channel: Channel,
    background: Background,
    background_timeout: Duration,
}

impl TestServer {
    /// A client channel, connected to the server. It is without TLS: a server with TLS is called
    /// by [`client::connect`](crate::client::connect).
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The address that the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Drains the server: refuses new calls, waits for those in flight, and then for the work
    /// beside them.
    pub async fn shutdown(mut self) {
        self.server.health.not_serving().await;
        self.server.drain().await;
        self.background.stop(self.background_timeout).await;
    }
}

/// Serves `services` in their whole stack with the default configuration, without a registry and
/// without exporters.
///
/// # Panics
/// When the server cannot start: a test has nothing better to do.
pub async fn serve(services: Services) -> TestServer {
    serve_with::<NoSettings>(Config::default(), services).await
}

/// As [`serve`], with the stack as `config` has it. Its addresses and registry are not used.
///
/// # Panics
/// When the server cannot start: a test has nothing better to do.
pub async fn serve_with<A>(config: Config<A>, services: Services) -> TestServer {
    start(&config.chassis(), ANY_PORT, services)
        .await
        .expect("the test server starts")
}

/// As [`serve_with`], where a configuration that cannot be served is what is tested.
///
/// # Errors
/// When the server cannot start.
pub async fn try_serve_with<A>(config: Config<A>, services: Services) -> Result<TestServer, Error> {
    start(&config.chassis(), ANY_PORT, services).await
}

/// As [`serve`], at `address`, for tests in which a server comes back to where it was.
///
/// # Panics
/// When the server cannot start: a test has nothing better to do.
pub async fn serve_at(address: SocketAddr, services: Services) -> TestServer {
    start(&Config::default(), address, services)
        .await
        .expect("the test server starts")
}

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn start(
    config: &Config,
    address: SocketAddr,
    mut services: Services,
) -> Result<TestServer, Error> {
    let host = address.ip().to_string();
    let listener = server::listen("test server", &host, address.port(), "server.port").await?;
    let works = mem::take(&mut services.works);
    let server = Server::start(config, services, listener).await?;
    server.health.serving().await;
    let endpoint = format!("http://{}", server.address);
    let endpoint = Endpoint::from_shared(endpoint).expect("an address is a valid endpoint");
    let channel = match config.server.tls.enabled {
        true => endpoint.connect_lazy(),
        false => endpoint
            .connect()
            .await
            .expect("the test server accepts connections"),
    };
    Ok(TestServer {
        server,
        channel,
        background: Background::start(works),
        background_timeout: config.server.background_timeout.get(),
    })
}
