//! `payment-service`: takes money, and gives it back.

mod api;

use chassis::config::Config;
use chassis::{Error, Services};
use protocol::payment::v1::payment_service_server::PaymentServiceServer;
use serde::Deserialize;
use storage::{Database, Migration};

pub use crate::api::PaymentApi;

/// What makes the tables, in this order; a script that was applied somewhere stays as it is.
pub const MIGRATIONS: &[Migration] = storage::migrations!["0001_payments"];

/// What can be set in `[app]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What somebody has who pays for the first time, in cents.
    pub opening_balance_cents: i64,
    /// Where accounts and payments are kept.
    pub database: storage::Settings,
}

/// What this process serves.
///
/// # Errors
/// When the database cannot be had.
pub async fn services(config: &Config<Settings>) -> Result<Services, Error> {
    let database = Database::open(&config.app.database, MIGRATIONS).await?;
    let api = PaymentApi::new(database.clone(), config.app.opening_balance_cents);
    Ok(Services::new(protocol::DESCRIPTOR_SET)
        .add(PaymentServiceServer::new(api))
        .depends_on("database", database.probe()))
}
