//! What stands for authentication in a build without it.

use tower::layer::util::Identity;

use crate::Error;
use crate::config;
use crate::server::Methods;

/// A layer that does nothing.
pub(crate) type AuthLayer = Identity;

/// That layer.
///
/// # Errors
/// When the configuration asks for authentication.
pub(crate) async fn layer(config: &config::Auth, _: &Methods) -> Result<AuthLayer, Error> {
    match config.enabled {
        true => Err(Error::Auth(
            "`server.auth.enabled` asks for authentication, which this build is without: turn the \
             feature `auth` of the crate `chassis` on"
                .to_owned(),
        )),
        false => Ok(Identity::new()),
    }
}
