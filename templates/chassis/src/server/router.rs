//! From the path of a call to the service that answers it.
//!
//! A gRPC path is `/{service}/{method}`, so a map by service is all it takes: no patterns, no
//! parameters, no second boxing of bodies.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::{fmt, mem};

use bytes::Bytes;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;
use tower::ServiceExt;

use super::ByPath;

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;
type Handler = Box<dyn Fn(Request<Body>) -> ResponseFuture + Send + Sync>;

/// Hands each call to the service that its path names. Clones share the services.
#[derive(Clone, Default)]
pub(crate) struct Router {
    services: Arc<ByPath<&'static str, Handler>>,
    #[cfg(feature = "http")]
    front: Option<Arc<dyn crate::front::Front>>,
}

impl Router {
    /// Adds a service; the last one added under a name wins.
    pub(crate) fn add<S, B>(&mut self, service: S)
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let handler: Handler = Box::new(move |request| {
            let mut service = service.clone();
            // Generated servers are always ready: their futures need not carry the request along.
            match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => boxed(service.call(request)),
                _ => boxed(service.oneshot(request)),
            }
        });
        let mut services = mem::take(&mut self.services);
        match Arc::get_mut(&mut services) {
            Some(services) => {
                services.insert(S::NAME, handler);
            }
            None => unreachable!("services are added before the router is shared"),
        }
        self.services = services;
    }

    /// Has the calls of all other services forwarded.
    #[cfg(feature = "http")]
    pub(crate) fn forward(&mut self, front: Arc<dyn crate::front::Front>) {
        self.front = Some(front);
    }

    /// Whether there is something that sees requests first.
    pub(crate) fn has_front(&self) -> bool {
        #[cfg(feature = "http")]
        return self.front.is_some();
        #[cfg(not(feature = "http"))]
        false
    }

    /// What forwards the calls of other services.
    #[cfg(feature = "http")]
    pub(crate) fn front(&self) -> Option<&Arc<dyn crate::front::Front>> {
        self.front.as_ref()
    }

    /// The names of the services.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.services.keys().copied()
    }
}

impl Service<Request<Body>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        let service = service_of(request.uri().path());
        match self.services.get(service) {
            Some(handler) => handler(request),
            None => self.call_unknown(request),
        }
    }
}

impl Router {
    /// Calls a service that is not here.
    fn call_unknown(&self, request: Request<Body>) -> ResponseFuture {
        #[cfg(feature = "http")]
        if let Some(front) = &self.front {
            let answer = Arc::clone(front).forward(request);
            return Box::pin(async move { Ok(answer.await) });
        }
        let service = service_of(request.uri().path());
        let status = Status::unimplemented(format!("unknown service `{service}`"));
        Box::pin(std::future::ready(Ok(status.into_http())))
    }
}

/// `response` in a box; what is in one already, as generated servers have it, is not put into another.
fn boxed<F, B>(response: F) -> ResponseFuture
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut response = Some(response);
    let any: &mut dyn Any = &mut response;
    let boxed = any.downcast_mut::<Option<ResponseFuture>>();
    if let Some(boxed) = boxed.and_then(Option::take) {
        return boxed;
    }
    let response = response.expect("it is taken where it is in a box");
    Box::pin(async move { Ok(response.await?.map(Body::new)) })
}

/// `user.v1.UserService` of `/user.v1.UserService/GetUser`.
fn service_of(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.rsplit_once('/').map_or(path, |(service, _)| service)
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_everything_but_the_last_segment() {
        assert_eq!(
            service_of("/user.v1.UserService/GetUser"),
            "user.v1.UserService"
        );
        assert_eq!(service_of("/UserService/GetUser"), "UserService");
        assert_eq!(service_of("/a"), "a");
        assert_eq!(service_of("/"), "");
    }

    #[tokio::test]
    async fn a_response_is_put_into_a_box_once() {
        let response: ResponseFuture = Box::pin(async { Ok(Response::new(Body::empty())) });
        let address = |it: &ResponseFuture| std::ptr::from_ref(&**it).cast::<()>();
        let before = address(&response);
        let response = boxed(response);
        assert_eq!(address(&response), before);

        let other = std::future::ready(Ok(Response::new("text".to_owned())));
        let mut body = boxed(other).await.expect("infallible").into_body();
        let frame = http_body_util::BodyExt::frame(&mut body).await;
        let frame = frame.expect("a frame").expect("no error");
        assert_eq!(frame.into_data().ok().as_deref(), Some(&b"text"[..]));
    }

    #[tokio::test]
    async fn an_unknown_service_is_unimplemented() {
        let request = Request::builder()
            .uri("/user.v1.UserService/GetUser")
            .body(Body::empty())
            .expect("a request");
        let response = Router::default()
            .oneshot(request)
            .await
            .expect("a response");
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), tonic::Code::Unimplemented);
        assert_eq!(status.message(), "unknown service `user.v1.UserService`");
    }
}
