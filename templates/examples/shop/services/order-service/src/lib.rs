//! `order-service`: takes orders, and sees each through: paid for, or cancelled.

mod api;
mod clients;
mod orders;
mod place_order;

use chassis::config::Config;
use chassis::{Error, Services};
use messaging::{Broker, Outbox};
use protocol::order::v1::order_service_server::OrderServiceServer;
use saga::{Sagas, Store};
use serde::Deserialize;
use storage::{Database, Migration};

pub use crate::api::OrderApi;
pub use crate::clients::{Clients, Targets};
pub use crate::orders::Orders;

/// What makes the tables, in this order; a script that was applied somewhere stays as it is.
pub const MIGRATIONS: &[Migration] = storage::migrations!["0001_orders"];

/// What can be set in `[app]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where orders are kept.
    pub database: storage::Settings,
    /// Where they are published.
    pub messaging: messaging::Settings,
    /// How they are seen through.
    pub sagas: saga::Settings,
    /// The services that it calls.
    pub clients: Targets,
}

/// What this process serves.
///
/// # Errors
/// When the database or the broker cannot be had.
pub async fn services(config: &Config<Settings>) -> Result<Services, Error> {
    let settings = &config.app;
    let database = Database::open(&settings.database, MIGRATIONS).await?;
    let broker = Broker::connect(&settings.messaging).await?;
    let outbox = Outbox::open(&database, &broker).await?;
    let clients = Clients::connect(config).await?;
    let orders = Orders::new(database.clone(), outbox.clone());

    let sagas = Sagas::new(Store::database(&database).await?, settings.sagas.clone());
    let place_order = sagas.add(place_order::saga(&orders, &clients));
    let api = OrderApi::new(orders, clients, place_order);
    Ok(Services::new(protocol::DESCRIPTOR_SET)
        .add(OrderServiceServer::new(api))
        .depends_on("database", database.probe())
        .background("outbox", outbox.relay())
        .background("sagas", sagas.worker())
        .page("/sagas", sagas.page()))
}
