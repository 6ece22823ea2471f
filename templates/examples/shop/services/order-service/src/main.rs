//! The `order-service` process: configuration in, a gRPC server out.

use order_service::Settings;

#[tokio::main]
async fn main() -> Result<(), chassis::Error> {
    let config =
        chassis::config::load::<Settings>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let services = order_service::services(&config).await?;
    chassis::serve(config, services).await
}
