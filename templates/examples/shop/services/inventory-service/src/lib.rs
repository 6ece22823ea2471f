//! `inventory-service`: knows what there is to buy, and keeps it for who is buying.

mod api;

use chassis::config::Config;
use chassis::{Error, Services};
use protocol::inventory::v1::inventory_service_server::InventoryServiceServer;
use serde::Deserialize;
use storage::{Database, Migration};

pub use crate::api::InventoryApi;

/// What makes the tables, in this order; a script that was applied somewhere stays as it is.
pub const MIGRATIONS: &[Migration] = storage::migrations!["0001_inventory"];

/// What can be set in `[app]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where items and reservations are kept.
    pub database: storage::Settings,
}

/// What this process serves.
///
/// # Errors
/// When the database cannot be had.
pub async fn services(config: &Config<Settings>) -> Result<Services, Error> {
    let database = Database::open(&config.app.database, MIGRATIONS).await?;
    let api = InventoryApi::new(database.clone());
    Ok(Services::new(protocol::DESCRIPTOR_SET)
        .add(InventoryServiceServer::new(api))
        .depends_on("database", database.probe()))
}
