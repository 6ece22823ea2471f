//! The life of a service: start, serve, leave, drain, end.
//!
//! It starts by binding its addresses, since nothing may be promised before that, and registers
//! last. It ends in the opposite order, and slowly, so that no call is lost: first it stops being
//! ready, leaves the registry and gives clients the time to notice; then it tells the rest with
//! GOAWAY and finishes the calls in flight; then the work beside the calls, which may have been left
//! something by them; what all have left to say is flushed at the end.

mod dependencies;
mod signals;
mod stopping;

use std::mem;
use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::Admin;
use crate::background::Background;
use crate::config::{self, Config, Follow, Section};
use crate::readiness::{Check, Phase, Readiness};
use crate::registry::{Registrar, Registration, Security};
use crate::server::{self, Server};
use crate::{Error, Services, metrics, telemetry};
use signals::Signals;

pub use stopping::{UntilStopping, stopping, until_stopping};

/// The metadata key under which a registry has the version of an instance.
const VERSION: &str = "version";

/// The same for the address of its admin server, where Prometheus finds its metrics.
const ADMIN: &str = "admin";

/// Serves `services` until SIGTERM or SIGINT, then ends gently.
///
/// # Errors
/// When the service cannot start, and when a second signal ends it before calls in flight are
/// done.
pub async fn serve<A>(config: Config<A>, services: Services) -> Result<(), Error> {
    let chassis = config.chassis();
    let telemetry = telemetry::init(&chassis)?;
    metrics::init(&chassis);
    let _changes = config::watch(hooks());
    let result = run(&chassis, services).await;
    telemetry.shutdown().await;
    result
}

/// What of the chassis' settings is applied here when it changes while the service runs; `[app]` and
/// what is followed are elsewhere.
fn hooks() -> config::Hooks {
    match telemetry::log::level::installed() {
        None => config::Hooks::default(),
        Some(levels) => config::Hooks::default().add("log.level", |config| {
            levels.configure(config.log.level.clone());
        }),
    }
}

async fn run(config: &Config, services: Services) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let running = Running::start(config, services).await?;
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = signals::stdin_closed(), if config.server.stop_on_stdin_close => "end of input",
    };
    tracing::info!(signal, "stopping, a second signal ends at once");
    tokio::select! {
        () = running.stop() => {
            tracing::info!("stopped");
            Ok(())
        }
        signal = signals.next() => {
            tracing::warn!(signal, "ending at once, calls in flight are cut");
            Err(Error::Interrupted)
        }
    }
}

/// How long the end may take.
#[derive(Debug, Clone, Copy)]
struct Farewell {
    /// Until clients have noticed.
    delay: Duration,
    /// Until calls in flight have ended.
    limit: Duration,
    /// Until the work beside the calls has.
    background: Duration,
}

impl Farewell {
    fn of(config: &Config) -> Self {
        Self {
            delay: config.server.propagation_delay.get(),
            limit: config.server.drain_timeout.get(),
            background: config.server.background_timeout.get(),
        }
    }
}

/// A service that serves.
#[derive(Debug)]
struct Running {
    farewell: Follow<Farewell>,
    server: Server,
    readiness: Readiness,
    registrar: Option<Registrar>,
    dependencies: dependencies::Watch,
    background: Background,
    _admin: Option<Admin>,
}

impl Running {
    async fn start(config: &Config, mut services: Services) -> Result<Self, Error> {
        let host = &config.server.host;
        let grpc = server::listen("gRPC server", host, config.server.port, "server.port").await?;
        let admin = match config.admin.enabled {
            true => {
                let (host, port) = config.admin.address(&config.server);
                Some(server::listen("admin server", &host, port, "admin.port").await?)
            }
            false => None,
        };

        let mut checks = mem::take(&mut services.checks);
        let (works, pages) = (
            mem::take(&mut services.works),
            mem::take(&mut services.pages),
        );
        let mut names: Vec<&str> = services.router.names().collect();
        names.sort_unstable();
        let version = &config.service.version;
        let server = Server::start(config, services, grpc).await?;
        let registration = registration(config, &server, admin.as_ref().map(|(_, it)| *it));
        tracing::info!(
            service = config.service.name,
            version,
            environment = config.service.environment,
            grpc = %server.address,
            admin = admin.as_ref().map(|(_, address)| tracing::field::display(address)),
            services = names.join(","),
            "listening"
        );

        let membership = Registrar::prepare(registration, config)?;
        if let Some(membership) = &membership {
            let state = membership.state();
            checks.push(Check::optional("registry", move || {
                let state = state.borrow().clone().into_result();
                async { state }
            }));
        }
        let readiness = Readiness::new(checks);
        readiness.enter(Phase::Serving);
        server.health.serving().await;
        let registrar = membership.map(|it| it.register(readiness.clone()));
        let dependencies = dependencies::watch(readiness.clone(), server.health.clone());
        let background = Background::start(works);
        let admin = admin.map(|(listener, _)| Admin::start(listener, readiness.clone(), pages));
        let sections = &[
            Section::PropagationDelay,
            Section::DrainTimeout,
            Section::BackgroundTimeout,
        ];
        let farewell = Follow::new(sections, Farewell::of(config), Farewell::of);
        Ok(Self {
            farewell,
            server,
            readiness,
            registrar,
            dependencies,
            background,
            _admin: admin,
        })
    }

    /// Ends gently. It may be dropped, which ends the rest at once.
    async fn stop(mut self) {
        let Farewell {
            delay,
            limit,
            background,
        } = **self.farewell.load();
        self.readiness.enter(Phase::Draining);
        drop(self.dependencies);
        self.server.health.not_serving().await;
        if let Some(registrar) = self.registrar.take()
            && registrar.deregister().await
            && delay > Duration::ZERO
        {
            tracing::info!(?delay, "waiting for clients to notice");
            tokio::time::sleep(delay).await;
        }
        stopping::announce();
        tracing::info!(?limit, "finishing calls in flight");
        if tokio::time::timeout(limit, self.server.drain())
            .await
            .is_err()
        {
            tracing::warn!(
                ?limit,
                "calls still in flight are cut (server.drain_timeout)"
            );
        }
        self.background.stop(background).await;
    }
}

/// What this instance tells a registry about itself.
fn registration(config: &Config, server: &Server, admin: Option<SocketAddr>) -> Registration {
    let advertise = config.server.advertise.as_deref();
    let (host, port) = server::advertised(advertise, server.address);
    let mut meta = config.registry.meta.clone();
    let version = config.service.version.clone();
    meta.entry(VERSION.to_owned()).or_insert(version);
    // One that listens for this machine alone is none to others.
    let is_local = |it: &SocketAddr| it.ip().is_loopback() && !server.address.ip().is_loopback();
    let admin = admin.filter(|it| !is_local(it));
    let admin = admin.map(|it| server::host_port(&host, it.port()));
    if let Some(admin) = &admin {
        meta.entry(ADMIN.to_owned()).or_insert(admin.clone());
    }
    Registration {
        service: config.service.name.clone(),
        admin,
        host,
        port,
        tags: config.registry.tags.clone(),
        meta,
        security: match &config.server.tls {
            tls if !tls.enabled => Security::Plain,
            tls if tls.client_ca.is_some() => Security::Mutual,
            _ => Security::Tls,
        },
    }
}
