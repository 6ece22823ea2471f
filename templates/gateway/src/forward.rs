//! Calls go to the services behind the gateway.

use chassis::client::{self, Channel};
use chassis::config::Config;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::Error;
use crate::front::Rules;
use crate::inbound::Inbound;
use crate::settings::Settings;
use crate::status::Failure;
use crate::table::Table;

/// The services behind the gateway.
#[derive(Debug)]
pub(crate) struct Upstreams(Vec<Channel>);

impl Upstreams {
    /// # Errors
    /// When a target or the configuration of clients is not valid.
    pub(crate) async fn connect<A>(
        config: &Config<A>,
        settings: &Settings,
        descriptor_set: &[u8],
    ) -> Result<Self, Error> {
        let mut channels = Vec::new();
        for upstream in &settings.services {
            let target = &upstream.target;
            channels.push(client::connect_described(target, config, descriptor_set).await?);
        }
        Ok(Self(channels))
    }

    /// Makes the call that `request` is or stands for.
    ///
    /// # Errors
    /// Why it cannot be made; that it fails is a response.
    pub(crate) async fn forward(
        &self,
        table: &Table,
        rules: &Rules,
        request: Request<Body>,
    ) -> Result<Response<Body>, Failure> {
        let path = request.uri().path();
        let Some(method) = table.method(path) else {
            let message = format!("there is no method `{path}`");
            return Err(Status::unimplemented(message).into());
        };
        let request = match request
            .extensions()
            .get::<Inbound>()
            .and_then(Inbound::take)
        {
            Some(arrived) => arrived.into_call(request.headers(), rules).await?,
            None => request,
        };
        let mut channel = self.0[method.upstream].clone();
        let response = channel.call(request).await;
        response.map_err(Failure::from)
    }
}
