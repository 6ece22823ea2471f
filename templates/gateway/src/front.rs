//! Requests come, and are sorted.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chassis::config::Config;
use chassis::front::{Answer, Calls, Front};
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, request};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::Error;
use crate::edge::{self, Cors, REQUEST_ID};
use crate::forward::Upstreams;
use crate::headers::Names;
use crate::inbound::{Arrived, Inbound};
use crate::login::Login;
use crate::matcher::{Found, Segments};
use crate::network::Network;
use crate::pages::Pages;
use crate::proxy::Routes;
use crate::settings::Settings;
use crate::status::Failure;
use crate::stream::{Blame, Format, How};
use crate::table::{Bound, Table};
use crate::transcode::Output;
use crate::web::{self, Form};
use crate::websocket::{self, Conversation, Open};
use crate::{compress, headers, respond};

/// What stands in front of the services.
#[derive(Debug)]
pub(crate) struct Gateway {
    table: ArcSwap<Table>,
    upstreams: Upstreams,
    routes: Routes,
    conversations: Open,
    rules: Rules,
}

/// The settings, as they are needed for each request.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) output: Output,
    pub(crate) max_body: usize,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) forward_headers: Names,
    proxies: Vec<Network>,
    pub(crate) cors: Cors,
    pages: Pages,
    login: Option<Login>,
}

impl Gateway {
    /// # Errors
    /// When a setting is wrong.
    pub(crate) fn new<A>(
        config: &Config<A>,
        settings: Settings,
        table: Table,
        upstreams: Upstreams,
    ) -> Result<Self, Error> {
        let forward_headers = Names::new(&settings.forward_headers).map_err(|name| {
            Error::Settings(format!(
                "`forward_headers` has `{name}`, which is no header"
            ))
        })?;
        let proxies = settings
            .trusted_proxies
            .iter()
            .map(|it| it.parse())
            .collect();
        let proxies: Result<Vec<Network>, String> = proxies;
        Ok(Self {
            table: ArcSwap::from_pointee(table),
            upstreams,
            routes: Routes::new(&settings.routes, config)?,
            conversations: Open::default(),
            rules: Rules {
                output: Output {
                    emit_defaults: settings.emit_defaults,
                },
                max_body: settings.max_body.bytes(),
                body_timeout: settings.body_timeout.non_zero(),
                forward_headers,
                proxies: proxies
                    .map_err(|problem| Error::Settings(format!("`trusted_proxies`: {problem}")))?,
                cors: Cors::new(&settings.cors).map_err(Error::Settings)?,
                login: Login::new(&settings.login, config).map_err(Error::Settings)?,
                pages: Pages::new(
                    settings.docs,
                    &config.service.name,
                    &config.service.version,
                    config.server.auth.enabled,
                ),
            },
        })
    }

    /// Answers by `table` from now on; what is being answered goes on with the one before.
    pub(crate) fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }

    /// The WebSockets that are open.
    pub(crate) fn conversations(&self) -> Open {
        self.conversations.clone()
    }

    async fn sort(&self, request: Request<Body>, calls: Calls) -> Response<Body> {
        if let Some(response) = self.rules.cors.preflight(&request) {
            return response;
        }
        let table = self.table.load_full();
        let answer = match Form::of(request.headers()) {
            Some(form) => {
                let response = calls.call(web::call(request, form)).await;
                Ok(web::response(response, form))
            }
            None if is_grpc(&request) => match request.version() {
                Version::HTTP_2 => Ok(calls.call(request).await),
                _ => Err(Failure::new(
                    StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                    Code::Internal,
                    "gRPC needs HTTP/2",
                )),
            },
            None => self.answer_http(&table, request, calls).await,
        };
        answer.unwrap_or_else(|failure| failure.into_http(&table.pool))
    }

    /// Answers a request that is no call. What protos say comes first.
    async fn answer_http(
        &self,
        table: &Arc<Table>,
        request: Request<Body>,
        calls: Calls,
    ) -> Result<Response<Body>, Failure> {
        let is_websocket = websocket::is_asked_for(&request);
        match find(table, &request, is_websocket) {
            Ok(found) => self.transcode(table, request, found, calls).await,
            Err(failure) => {
                if let Some(page) = self.rules.pages.answer(table, &request) {
                    return Ok(page);
                }
                if let Some(login) = &self.rules.login
                    && login.is_asked(&request)
                {
                    return login.answer(request).await;
                }
                match self.routes.find(request.uri().path()) {
                    Some(route) => route.answer(request, calls).await,
                    None => Err(failure),
                }
            }
        }
    }

    /// Makes a call of a request, and a response over HTTP of what comes back.
    async fn transcode(
        &self,
        table: &Arc<Table>,
        mut request: Request<Body>,
        (bound, segments): (Arc<Bound>, Segments),
        calls: Calls,
    ) -> Result<Response<Body>, Failure> {
        let is_websocket = websocket::is_asked_for(&request);
        let how = How {
            format: match is_websocket {
                true => Format::Lines,
                false => Format::wanted(request.headers()),
            },
            output: self.rules.output,
            bound,
            table: Arc::clone(table),
            blame: Blame::default(),
        };
        let packs = compress::takes_gzip(request.headers());
        if is_websocket {
            // A browser lets any page open one.
            if !self.rules.cors.admits(request.headers()) {
                let problem = "pages of this origin are not admitted (`cors.origins`)";
                return Err(Status::permission_denied(problem).into());
            }
            let max = self.rules.max_body;
            let (arrived, conversation) = Conversation::new(&mut request, &how, segments, max)?;
            let (parts, _) = request.into_parts();
            let call = call(parts, arrived);
            let entry = self.conversations.enter();
            return conversation.begin(call, calls, (how, entry)).await;
        }
        let (parts, body) = request.into_parts();
        let arrived = Arrived {
            uri: parts.uri.clone(),
            body,
            bound: Arc::clone(&how.bound),
            segments,
            blame: how.blame.clone(),
            admitted: None,
        };
        let response = calls.call(call(parts, arrived)).await;
        respond::to_http(response, packs, how).await
    }
}

/// The call that a request stands for, as the layers of the server see it.
fn call(mut parts: request::Parts, arrived: Arrived) -> Request<Body> {
    parts.method = Method::POST;
    parts.uri = arrived.bound.method.uri.clone();
    parts.extensions.insert(Inbound::new(arrived));
    Request::from_parts(parts, Body::empty())
}

impl Front for Gateway {
    fn answer(self: Arc<Self>, mut request: Request<Body>, calls: Calls) -> Answer {
        let id = edge::request_id(request.headers());
        headers::arrived(&mut request, &id, &self.rules.proxies);
        let origin = request.headers().get(ORIGIN).cloned();
        let is_head = request.method() == Method::HEAD;
        Box::pin(async move {
            let mut response = self.sort(request, calls).await;
            let headers = response.headers_mut();
            headers.insert(&REQUEST_ID, id);
            self.rules.cors.mark(origin.as_ref(), headers);
            match is_head {
                true => response.map(|_| Body::empty()),
                false => response,
            }
        })
    }

    fn forward(self: Arc<Self>, request: Request<Body>) -> Answer {
        Box::pin(async move {
            if let Some(proxied) = self.routes.forwarded(&request) {
                return proxied.await.unwrap_or_else(Failure::into_grpc);
            }
            let table = self.table.load_full();
            let answer = self.upstreams.forward(&table, &self.rules, request).await;
            answer.unwrap_or_else(Failure::into_grpc)
        })
    }

    fn streams_responses(&self, path: &str) -> bool {
        let table = self.table.load();
        let method = table.method(path);
        // What comes of a route does not count: it is the head that is waited for.
        method.is_some_and(|it| it.streams_responses)
    }

    fn has_method(&self, fits: &dyn Fn(&str) -> bool) -> bool {
        self.table.load().paths().any(fits) || self.routes.paths().any(fits)
    }
}

/// What a request leads to; by its path alone when `any` method will do and its own does not.
fn find(
    table: &Table,
    request: &Request<Body>,
    any: bool,
) -> Result<(Arc<Bound>, Segments), Failure> {
    let path = request.uri().path();
    let found = match table.matcher.find(Some(request.method().as_str()), path) {
        (Found::OtherMethods(_), _) if any => table.matcher.find(None, path),
        found => found,
    };
    match found {
        (Found::One(bound), segments) => Ok((bound, segments)),
        (Found::OtherMethods(methods), _) => {
            let message = format!("`{}` is not a method of `{path}`", request.method());
            let http = StatusCode::METHOD_NOT_ALLOWED;
            let mut failure = Failure::new(http, Code::Unimplemented, message);
            failure.allow = Some(methods.join(", "));
            Err(failure)
        }
        (Found::Nothing, _) => {
            let message = format!("there is nothing at `{path}`");
            Err(Failure::new(StatusCode::NOT_FOUND, Code::NotFound, message))
        }
    }
}

/// Whether a request is a call already.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    match content_type.strip_prefix(b"application/grpc") {
        Some(rest) => rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"),
        None => false,
    }
}
