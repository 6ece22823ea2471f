//! A gateway: HTTP and JSON in front of gRPC services.
//!
//! How a method is called over HTTP is written in its `google.api.http` rule; one without a rule is
//! `POST /package.Service/Method`. There is no code for each route: descriptors say it all.
//!
//! ```no_run
//! # const DESCRIPTOR_SET: &[u8] = &[];
//! #[derive(Debug, Clone, Default, serde::Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct Settings {
//!     gateway: gateway::Settings,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), gateway::Error> {
//!     let config = chassis::config::load::<Settings>(
//!         env!("CARGO_PKG_NAME"),
//!         env!("CARGO_PKG_VERSION"),
//!     )?;
//!     let settings = config.app.gateway.clone();
//!     gateway::serve(config, settings, DESCRIPTOR_SET).await
//! }
//! ```
//!
//! It is a service as others are: the chassis starts it, registers it, looks after its health and
//! drains it. A request becomes a call and passes through all that calls pass through, so limits,
//! tokens, deadlines, traces, logs and metrics are those of `[server]`.
//!
//! # The map
//!
//! | what happens | where |
//! |---|---|
//! | what there is to set | [`Settings`] |
//! | a request comes, and is sorted | `front`, `edge` |
//! | `google.api.http` rules are read | `rule` |
//! | descriptors are read, and read again | `descriptors` |
//! | a path finds its method | `matcher`, `table` |
//! | JSON becomes messages and back | `transcode` |
//! | a request becomes a call, once it may | `inbound`, `stream` |
//! | calls go to the services | `forward` |
//! | other paths are passed on as they are | `proxy` |
//! | what comes back becomes JSON | `respond`, `stream` |
//! | gRPC-Web, WebSockets | `web`, `websocket` |
//! | errors become HTTP | `status` |
//! | pages about it all, tokens for development | `pages`, `login` |

mod compress;
mod descriptors;
mod edge;
mod error;
mod forward;
mod frame;
mod front;
mod headers;
mod inbound;
mod login;
mod matcher;
mod network;
mod pages;
mod proxy;
mod respond;
mod rule;
mod settings;
mod status;
mod stream;
mod table;
mod transcode;
mod web;
mod websocket;

use std::sync::Arc;

use chassis::Services;
use chassis::config::Config;

pub use error::Error;
pub use settings::{Cors, Docs, Login, Route, Settings, Upstream};

use descriptors::File;
use forward::Upstreams;
use front::Gateway;

/// Serves as a gateway until SIGTERM or SIGINT, then ends gently.
///
/// `descriptor_set` is the encoded `FileDescriptorSet` that describes the services behind it, unless
/// the settings name a file.
///
/// # Errors
/// As [`services`] and [`chassis::serve`].
pub async fn serve<A>(
    config: Config<A>,
    settings: Settings,
    descriptor_set: &'static [u8],
) -> Result<(), Error> {
    let services = services(&config, settings, descriptor_set).await?;
    Ok(chassis::serve(config, services).await?)
}

/// What [`serve`] serves, for a server that has more: services of its own, or dependencies.
///
/// # Errors
/// When the settings or descriptors do not fit, or a target is not valid. Services that are away are
/// no error: calls of them wait, and fail.
pub async fn services<A>(
    config: &Config<A>,
    settings: Settings,
    descriptor_set: &'static [u8],
) -> Result<Services, Error> {
    let file = settings
        .descriptors
        .as_deref()
        .map(File::read)
        .transpose()?;
    let encoded = file.as_ref().map_or(descriptor_set, File::encoded);
    let table = descriptors::table(encoded, &settings.services)?;
    let upstreams = Upstreams::connect(config, &settings, encoded).await?;
    let (services, every) = (settings.services.clone(), settings.reload.non_zero());
    let gateway = Arc::new(Gateway::new(config, settings, table, upstreams)?);
    if let (Some(file), Some(every)) = (file, every) {
        file.follow(&gateway, services, every);
    }
    let conversations = gateway.conversations();
    let services = Services::new(&[]).behind(gateway);
    Ok(services.background("websockets", move |stop| conversations.clone().ended(stop)))
}
