//! What a service serves.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;

use bytes::Bytes;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use crate::admin::Page;
use crate::background::{Stop, Work};
use crate::readiness::Check;
use crate::server::Router;

/// The gRPC services of one server, with what they need: descriptors for reflection, the
/// dependencies that must answer for the server to be ready, and the work that goes on beside them.
#[derive(Debug)]
pub struct Services {
    pub(crate) router: Router,
    pub(crate) descriptor_sets: Vec<&'static [u8]>,
    pub(crate) checks: Vec<Check>,
    pub(crate) works: Vec<Work>,
    pub(crate) pages: Vec<Page>,
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
            works: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Puts `front` before the services: it sees every request first, HTTP/1 included, and forwards
    /// the calls of services that are not here.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn behind(mut self, front: std::sync::Arc<dyn crate::front::Front>) -> Self {
        self.router.forward(front);
        self
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

    /// Adds work that goes on beside the calls, such as the consumer of a queue. It begins with the
    /// service and is told to stop after the last call; when it fails, it begins again: see
    /// [`background`](crate::background).
    ///
    /// ```no_run
    /// # async fn next() -> Result<(), std::io::Error> { Ok(()) }
    /// # let services = chassis::Services::new(&[]);
    /// services.background("orders", |stop| async move {
    ///     loop {
    ///         tokio::select! {
    ///             () = stop.requested() => return Ok::<_, std::io::Error>(()),
    ///             order = next() => order?,
    ///         }
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn background<W, F, E>(mut self, name: &'static str, work: W) -> Self
    where
        W: Fn(Stop) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.works.push(Work::new(name, work));
        self
    }

    /// Adds a page to the admin server, for the eyes of those who look after the service: what
    /// `page` returns, as JSON, or 503 with its error. It is called for each request, with what
    /// stands after the `?`. The admin server's own paths cannot be taken.
    ///
    /// ```no_run
    /// # let services = chassis::Services::new(&[]);
    /// services.page("/queues", |_query| async { Ok::<_, std::io::Error>(["orders", "payments"]) });
    /// ```
    #[must_use]
    pub fn page<P, F, T, E>(mut self, path: &'static str, page: P) -> Self
    where
        P: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: serde::Serialize,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.pages.push(Page::new(path, page));
        self
    }
}
