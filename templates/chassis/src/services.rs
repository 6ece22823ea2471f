//! What a service serves.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;

use bytes::Bytes;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use crate::readiness::Check;
use crate::server::Router;

/// The gRPC services of one server, with what they need: descriptors for reflection, and the
/// dependencies that must answer for the server to be ready.
#[derive(Debug)]
pub struct Services {
    pub(crate) router: Router,
    pub(crate) descriptor_sets: Vec<&'static [u8]>,
    pub(crate) checks: Vec<Check>,
}

impl Services {
    /// No services yet. `descriptor_set` is the encoded `FileDescriptorSet` in which they are
    /// described; it may describe others too.
    #[must_use]
    pub fn new(descriptor_set: &'static [u8]) -> Self {
        Self {
            router: Router::default(),
            descriptor_sets: vec![descriptor_set],
            checks: Vec::new(),
        }
    }

    /// Adds a generated server, as in `UserServiceServer::new(UserApi::default())`.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "services are added to, and nobody would expect `+` to do it"
    )]
    pub fn add<S, B>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.router.add(service);
        self
    }

    /// Adds another encoded `FileDescriptorSet`, for services that the first does not describe.
    #[must_use]
    pub fn describe(mut self, descriptor_set: &'static [u8]) -> Self {
        self.descriptor_sets.push(descriptor_set);
        self
    }

    /// Adds a dependency without which the service is not ready, such as its database. `probe`
    /// is called for each request to `/readyz`, and says what is wrong when something is.
    ///
    /// ```no_run
    /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
    /// # let services = chassis::Services::new(&[]);
    /// services.depends_on("database", || async { ping().await });
    /// ```
    #[must_use]
    pub fn depends_on<P, F, E>(mut self, name: &'static str, probe: P) -> Self
    where
        P: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.checks.push(Check::required(name, probe));
        self
    }
}
