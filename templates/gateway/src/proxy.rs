//! Plain reverse proxying: paths that are passed on over HTTP/1 as they are, to instances that are
//! found as those of services are.
//!
//! To the layers of the server a route is the method `http/<name>`: tokens, limits, traces and metrics
//! are for it what they are for methods. They see the head of the response; its body passes beside
//! them, since it may be anything and take any time.

mod lent;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chassis::client::Addresses;
use chassis::config::Config;
use chassis::front::Calls;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::Error;
use crate::headers;
use crate::respond::failure_of;
use crate::settings;
use crate::status::Failure;
use lent::Lent;

/// The service that routes are the methods of.
const SERVICE: &str = "http";

/// All routes, the longest path first.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<Arc<Route>>);

/// Paths that go to one place.
#[derive(Debug)]
pub(crate) struct Route {
    settings: settings::Route,
    /// `/http/<name>`
    method: Uri,
    addresses: Addresses,
    client: Client<HttpConnector, Body>,
    next: AtomicUsize,
    /// What clients speak with the gateway: `http`, or `https` over TLS.
    scheme: HeaderValue,
}

/// In the extensions of a call: the request that is passed on.
#[derive(Debug, Clone)]
struct Proxied(Arc<Mutex<Option<Passed>>>);

#[derive(Debug)]
struct Passed {
    route: Arc<Route>,
    request: Request<Body>,
}

/// In the extensions of a response to such a call: the response that is passed back.
#[derive(Debug, Clone)]
struct Back(Arc<Mutex<Option<Response<Body>>>>);

type Forwarded = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

impl Routes {
    /// # Errors
    /// When a name or a path is none, or a target not valid.
    pub(crate) fn new<A>(all: &[settings::Route], config: &Config<A>) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(config.client.connect_timeout.get()));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let scheme = HeaderValue::from_static(match config.server.tls.enabled {
            true => "https",
            false => "http",
        });
        let mut routes: Vec<Arc<Route>> = Vec::new();
        for settings in all {
            let settings::Route {
                name, path, target, ..
            } = settings;
            let is_name = name
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'_');
            let method = format!("/{SERVICE}/{name}").parse().ok();
            let (true, false, Some(method)) = (is_name, name.is_empty(), method) else {
                let problem = format!("the route `{name}` needs a name of letters and digits");
                return Err(Error::Settings(problem));
            };
            if !path.starts_with('/') || routes.iter().any(|it| it.settings.path == *path) {
                let problem = format!("the path `{path}` of the route `{name}` is taken or none");
                return Err(Error::Settings(problem));
            }
            routes.push(Arc::new(Route {
                settings: settings.clone(),
                method,
                addresses: Addresses::follow(target, config)?,
                client: client.clone(),
                next: AtomicUsize::new(0),
                scheme: scheme.clone(),
            }));
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.settings.path.len()));
        Ok(Self(routes))
    }

    /// The route of a path.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Route>> {
        let mut routes = self.0.iter();
        routes.find(|route| route.rest(path).is_some()).cloned()
    }

    /// The methods that routes are to the layers.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| route.method.path())
    }

    /// Passes on the request that a call stands for, if it stands for one.
    pub(crate) fn forwarded(&self, call: &Request<Body>) -> Option<Forwarded> {
        let proxied = call.extensions().get::<Proxied>()?;
        let mut proxied = proxied.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Passed { route, request } = proxied.take()?;
        Some(Box::pin(async move {
            let response = route.send(request).await?;
            let status = Status::new(code_of(response.status()), "");
            // To the layers the head is all there is.
            let mut head = status.into_http();
            let back = Back(Arc::new(Mutex::new(Some(response))));
            head.extensions_mut().insert(back);
            Ok(head)
        }))
    }
}

impl Route {
    /// What follows the path of the route, when `path` is below it.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let own = self.settings.path.trim_end_matches('/');
        let rest = path.strip_prefix(own)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// Passes a request on, as a call through all layers.
    ///
    /// # Errors
    /// What layers refuse, and that nobody answers.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Body>,
        calls: Calls,
    ) -> Result<Response<Body>, Failure> {
        if climbs(request.uri().path()) {
            let problem = "a path that goes up is not passed on";
            return Err(Status::invalid_argument(problem).into());
        }
        let mut call = Request::new(Body::empty());
        *call.method_mut() = Method::POST;
        *call.uri_mut() = self.method.clone();
        *call.headers_mut() = request.headers().clone();
        call.extensions_mut().clone_from(request.extensions());
        let passed = Passed {
            route: self,
            request,
        };
        let proxied = Proxied(Arc::new(Mutex::new(Some(passed))));
        call.extensions_mut().insert(proxied);
        let response = calls.call(call).await;
        if let Some(Back(back)) = response.extensions().get() {
            let mut back = back.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(response) = back.take() {
                return Ok(response);
            }
        }
        let nothing = || Status::internal("nothing came back").into();
        Err(failure_of(&response).unwrap_or_else(nothing))
    }

    /// Sends a request to an instance; to the next one where a connection cannot be made.
    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Failure> {
        let addresses = self.addresses.current().await;
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let (mut parts, body) = request.into_parts();
        headers::end_to_end(&mut parts.headers);
        // What is there is of a proxy that is trusted.
        let scheme = parts.headers.entry(&headers::FORWARDED_PROTO);
        scheme.or_insert_with(|| self.scheme.clone());
        let body = Lent::new(body);
        for at in 0..addresses.len() {
            let address = addresses[(first.wrapping_add(at)) % addresses.len()];
            let mut request = Request::new(Body::new(body.again()));
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = self.uri(address, &parts.uri)?;
            *request.version_mut() = Version::HTTP_11;
            *request.headers_mut() = parts.headers.clone();
            match self.client.request(request).await {
                Ok(response) => {
                    let (mut parts, body) = response.into_parts();
                    headers::end_to_end(&mut parts.headers);
                    return Ok(Response::from_parts(parts, Body::new(body)));
                }
                Err(error) if error.is_connect() => {
                    tracing::debug!(%address, %error, "no connection for a request");
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "a request failed");
                    return Err(bad_gateway("the service did not answer as HTTP does"));
                }
            }
        }
        match addresses.is_empty() {
            true => Err(Status::unavailable("no instance of the service is known").into()),
            false => Err(bad_gateway("no instance of the service takes connections")),
        }
    }

    fn uri(&self, address: SocketAddr, asked: &Uri) -> Result<Uri, Failure> {
        let path = match self.settings.strip {
            true => self.rest(asked.path()).unwrap_or_default(),
            false => asked.path(),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let query = asked.query().map(|it| format!("?{it}")).unwrap_or_default();
        let path: Result<PathAndQuery, _> = format!("{slash}{path}{query}").parse();
        let uri = path.and_then(|path| format!("http://{address}{path}").parse());
        uri.map_err(|_| Status::invalid_argument("the path cannot be passed on").into())
    }
}

fn bad_gateway(message: &str) -> Failure {
    Failure::new(StatusCode::BAD_GATEWAY, Code::Unavailable, message)
}

/// Whether a path leads out of where it seems to be, for servers that resolve it.
fn climbs(path: &str) -> bool {
    let mut segments = path.split(['/', '\\']);
    segments.any(|segment| {
        let decoded = segment.replace("%2e", ".").replace("%2E", ".");
        let decoded = decoded.to_ascii_lowercase();
        let mut parts = decoded.split("%2f").flat_map(|it| it.split("%5c"));
        parts.any(|part| part == "." || part == "..")
    })
}

/// What an HTTP status counts as.
fn code_of(status: StatusCode) -> Code {
    match status.as_u16() {
        100..=399 => Code::Ok,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        429 => Code::ResourceExhausted,
        400..=499 => Code::InvalidArgument,
        502 | 503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_go_up_are_found_however_they_are_written() {
        for path in [
            "/a/../b",
            "/..",
            "/a/.",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/a/..%5cb",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in [
            "/",
            "/a/b",
            "/a/..b",
            "/a/b..",
            "/a/...",
            "/.well-known/x",
            "/a%2fb",
        ] {
            assert!(!climbs(path), "{path}");
        }
    }
}
