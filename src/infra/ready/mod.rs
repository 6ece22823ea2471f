//! Whether a resource is of use: asked over its own protocol, from where the services will ask.
//!
//! A port that is open says nothing, for the engine opens it before anything listens behind it; and the
//! health checks of images first run after their interval, which is longer than a start takes.

mod http;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::infra::consul_agent::ConsulAgent;
use crate::infra::etcd;
use crate::infra::resource::{Port, Resource};

/// How long after an answer that was no good it is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A resource that is asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// What it is.
    pub resource: Resource,
    /// The host by which it is reached.
    pub host: String,
    /// Its ports there.
    pub ports: BTreeMap<Port, u16>,
}

impl Target {
    /// `HOST:PORT` of a port.
    fn address(&self, port: Port) -> String {
        let number = self.ports.get(&port).copied().unwrap_or(port.standard());
        format!("{}:{number}", self.host)
    }
}

/// Asks again and again until the answer is as it should be; `problem` has the last that was not.
pub async fn until_healthy(target: &Target, problem: &watch::Sender<String>) {
    loop {
        match probe(target).await {
            Ok(()) => return,
            Err(last) => problem.send_replace(last),
        };
        sleep(PAUSE).await;
    }
}

/// Asks once.
///
/// # Errors
/// What is wrong with the answer, as a fragment.
pub async fn probe(target: &Target) -> Result<(), String> {
    match timeout(PATIENCE, ask(target)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "no answer within {}",
            crate::duration::exact(PATIENCE)
        )),
    }
}

async fn ask(target: &Target) -> Result<(), String> {
    let main = target.address(target.resource.ports()[0]);
    match target.resource {
        Resource::Consul => {
            let agent = ConsulAgent::new(&main, None).map_err(|error| error.to_string())?;
            agent.leader().await.map_err(|error| error.to_string())?;
            Ok(())
        }
        Resource::Etcd => etcd::health(&format!("http://{main}")).await,
        Resource::Jaeger => {
            http::get(&main, "/api/services", "\"data\"").await?;
            // An export of nothing: the collector has to understand it, and keeps nothing of it.
            http::post_json(&target.address(Port::OtlpHttp), "/v1/traces", "{}").await
        }
        Resource::Prometheus => http::get(&main, "/-/ready", "").await,
        Resource::Grafana => http::get(&main, "/api/health", "\"ok\"").await,
        Resource::Postgres => wire::postgres(&main).await,
        Resource::Redis => wire::redis(&main).await,
        Resource::Nats => wire::nats(&main).await,
        Resource::Rabbitmq => wire::rabbitmq(&main).await,
        Resource::Kafka => wire::kafka(&main).await,
    }
}
