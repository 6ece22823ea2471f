//! The `payment-service` process: configuration in, a gRPC server out.

use payment_service::Settings;

#[tokio::main]
async fn main() -> Result<(), chassis::Error> {
    let config =
        chassis::config::load::<Settings>(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))?;
    let services = payment_service::services(&config).await?;
    chassis::serve(config, services).await
}
