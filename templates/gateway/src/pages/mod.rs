//! Pages about the gateway itself: the OpenAPI document, and one for people.

mod comments;
mod openapi;
mod schema;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use tonic::body::Body;

use crate::settings;
use crate::table::Table;

/// What a person sees. It needs nothing from elsewhere, so it works without the internet.
const PAGE: &str = include_str!("docs.html");

/// That no script and no style but those in the page are run, whatever is in a proto.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'";

/// Where pages are.
#[derive(Debug)]
pub(crate) struct Pages {
    settings: settings::Docs,
    title: String,
    version: String,
    /// Whether calls need a token.
    tokens: bool,
}

impl Pages {
    pub(crate) fn new(settings: settings::Docs, title: &str, version: &str, tokens: bool) -> Self {
        Self {
            settings,
            title: title.to_owned(),
            version: version.to_owned(),
            tokens,
        }
    }

    /// The page that a request asks for.
    pub(crate) fn answer<B>(&self, table: &Table, request: &Request<B>) -> Option<Response<Body>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !self.settings.enabled || !is_read {
            return None;
        }
        let path = request.uri().path();
        if path == self.settings.openapi {
            let text = table.openapi(|| {
                openapi::document(table, &self.title, &self.version, self.tokens).to_string()
            });
            return Some(page("application/json", text.to_owned()));
        }
        if path == self.settings.path {
            let text = PAGE.replace("__OPENAPI__", &self.settings.openapi);
            let mut response = page("text/html; charset=utf-8", text);
            let headers = response.headers_mut();
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            return Some(response);
        }
        None
    }
}

fn page(content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
