//! `user-service`: knows who may buy, and hears of what they order.

mod api;
mod orders;

use chassis::config::Config;
use chassis::{Error, Services};
use messaging::{Broker, Inbox};
use protocol::user::v1::user_service_server::UserServiceServer;
use serde::Deserialize;
use storage::{Database, Migration};

pub use crate::api::UserApi;

/// What makes the tables, in this order; a script that was applied somewhere stays as it is.
pub const MIGRATIONS: &[Migration] = storage::migrations!["0001_users"];

/// What can be set in `[app]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where users are kept.
    pub database: storage::Settings,
    /// Where orders are heard of.
    pub messaging: messaging::Settings,
}

/// What this process serves.
///
/// # Errors
/// When the database or the broker cannot be had.
pub async fn services(config: &Config<Settings>) -> Result<Services, Error> {
    let database = Database::open(&config.app.database, MIGRATIONS).await?;
    let broker = Broker::connect(&config.app.messaging).await?;
    let inbox = Inbox::open(&database).await?;
    let api = UserApi::new(database.clone());
    Ok(Services::new(protocol::DESCRIPTOR_SET)
        .add(UserServiceServer::new(api))
        .depends_on("database", database.probe())
        .background("orders", orders::worker(&broker, database, inbox)))
}
