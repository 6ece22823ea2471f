//! The services that this one calls.

use chassis::Error;
use chassis::client::{self, Channel};
use chassis::config::Config;
use protocol::inventory::v1::inventory_service_client::InventoryServiceClient;
use protocol::payment::v1::payment_service_client::PaymentServiceClient;
use protocol::user::v1::user_service_client::UserServiceClient;
use serde::Deserialize;

use crate::Settings;

/// `[app.clients]`: their names in the registry, or addresses: `static:///127.0.0.1:50051`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Targets {
    /// Who may buy.
    pub users: String,
    /// What there is.
    pub inventory: String,
    /// Who takes the money.
    pub payments: String,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            users: "user-service".to_owned(),
            inventory: "inventory-service".to_owned(),
            payments: "payment-service".to_owned(),
        }
    }
}

/// A client of each. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Who may buy.
    pub users: UserServiceClient<Channel>,
    /// What there is.
    pub inventory: InventoryServiceClient<Channel>,
    /// Who takes the money.
    pub payments: PaymentServiceClient<Channel>,
}

impl Clients {
    /// They are there at once: calls wait for the first instance.
    ///
    /// # Errors
    /// When a target is not one.
    pub async fn connect(config: &Config<Settings>) -> Result<Self, Error> {
        let targets = &config.app.clients;
        let connect = |target| client::connect_described(target, config, protocol::DESCRIPTOR_SET);
        Ok(Self {
            users: UserServiceClient::new(connect(&targets.users).await?),
            inventory: InventoryServiceClient::new(connect(&targets.inventory).await?),
            payments: PaymentServiceClient::new(connect(&targets.payments).await?),
        })
    }
}
