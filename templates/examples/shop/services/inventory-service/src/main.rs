//! The `inventory-service` process: configuration in, a gRPC server out.

use inventory_service::Settings;

#[tokio::main]
async fn main() -> Result<(), chassis::Error> {
    let config =
        chassis::config::load::<Settings>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let services = inventory_service::services(&config).await?;
    chassis::serve(config, services).await
}
