//! What stands for authentication in a build without it.

use tower::layer::util::Identity;

use crate::Error;
use crate::config;
use crate::features::turn_on;
use crate::server::Methods;

/// A layer that does nothing.
pub(crate) type AuthLayer = Identity;

/// That layer.
///
/// # Errors
/// When the configuration asks for authentication.
pub(crate) async fn layer(config: &config::Auth, _: &Methods) -> Result<AuthLayer, Error> {
    match config.enabled {
        true => Err(Error::Auth(format!(
            "`server.auth.enabled` asks for authentication, which this build is without: {}",
            turn_on!("auth")
        ))),
        false => Ok(Identity::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_for_authentication_is_told_how_to_have_it() {
        let config = config::Auth {
            enabled: true,
            ..config::Auth::default()
        };
        let methods = Methods::new(&[], &[]).expect("no descriptors");
        let error = layer(&config, &methods).await.expect_err("there is none");
        assert_eq!(
            error.to_string(),
            "`server.auth.enabled` asks for authentication, which this build is without: add \
             \"auth\" to `default` under [features] in crates/chassis/Cargo.toml"
        );
    }
}
