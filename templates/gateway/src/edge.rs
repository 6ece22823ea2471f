//! What every request and response has: an id, and what browsers ask for (CORS).

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use crate::settings;

/// By which one request is found in the logs of all services.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// The id that the client sends, unless it is not one, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_id = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_graphic();
        (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(allowed)
    };
    let sent = headers.get(&REQUEST_ID).filter(is_id);
    sent.cloned().unwrap_or_else(new_id)
}

/// An id that no other request has. It is no secret.
fn new_id() -> HeaderValue {
    static KEYS: LazyLock<(RandomState, RandomState)> =
        LazyLock::new(|| (RandomState::new(), RandomState::new()));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (first, second) = (KEYS.0.hash_one(number), KEYS.1.hash_one(number));
    let id = HeaderValue::try_from(format!("{first:016x}{second:016x}"));
    id.unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Which pages of browsers may read the answers (WHATWG Fetch, "CORS protocol").
#[derive(Debug)]
pub(crate) struct Cors {
    any: bool,
    origins: Vec<String>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// # Errors
    /// When anybody could act for whoever is logged in.
    pub(crate) fn new(settings: &settings::Cors) -> Result<Self, String> {
        let any = settings.origins.iter().any(|origin| origin == "*");
        if any && settings.credentials {
            return Err(
                "`cors.credentials` needs `cors.origins` that are named: with `*` any page could \
                 act for its visitors"
                    .to_owned(),
            );
        }
        Ok(Self {
            any,
            origins: settings.origins.clone(),
            credentials: settings.credentials,
            max_age: HeaderValue::from(settings.max_age.get().as_secs()),
        })
    }

    /// What is to be sent to a page of this origin; `None` when it may not read the answer.
    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let is_named = |it: &String| it.as_bytes() == origin.as_bytes();
        self.origins.iter().any(is_named).then(|| origin.clone())
    }

    /// Whether a request from a page of this origin may be served at all: that is asked where the
    /// browser itself asks nobody, for WebSockets and for bodies that do not say that they are JSON.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else {
            return true;
        };
        let host = headers.get(http::header::HOST).map(HeaderValue::as_bytes);
        let own = origin.as_bytes().splitn(3, |byte| *byte == b'/').nth(2);
        own == host && own.is_some() || self.allowed(origin).is_some()
    }

    /// The answer to a browser that asks whether it may send a request. Where no origin is named
    /// there is none: that is for who is behind a route, if anybody.
    pub(crate) fn preflight(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if self.origins.is_empty() {
            return None;
        }
        let headers = request.headers();
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if request.method() != Method::OPTIONS {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allowed(headers.get(ORIGIN)?).is_some() {
            let answer = response.headers_mut();
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            answer.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        Some(response)
    }

    /// Lets the page that has sent the request read the response.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        if !self.any {
            response.append(VARY, HeaderValue::from_static("origin"));
        }
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else {
            return;
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = HeaderValue::from_static("*");
        // With credentials a star is a name as others are.
        let named = HeaderValue::from_static(
            "grpc-status, grpc-message, grpc-status-details-bin, retry-after, x-request-id",
        );
        let expose = if self.credentials { named } else { exposed };
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose);
        if self.credentials {
            let yes = HeaderValue::from_static("true");
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_when_it_is_one() {
        let id = |sent: Option<&[u8]>| {
            let mut headers = HeaderMap::new();
            if let Some(sent) = sent {
                let value = HeaderValue::from_bytes(sent).expect("a value");
                headers.insert(&REQUEST_ID, value);
            }
            request_id(&headers)
        };
        assert_eq!(id(Some(b"abc-1")), "abc-1");
        let long = [b'a'; MAX_REQUEST_ID + 1];
        for other in [
            None,
            Some(&b""[..]),
            Some(b"a b"),
            Some(b"\xff"),
            Some(&long),
        ] {
            let made = id(other);
            assert_eq!(made.len(), 32, "{made:?}");
            assert_ne!(made, id(other));
        }
    }

    #[test]
    fn a_page_of_our_own_and_no_page_at_all_are_admitted() {
        let cors = Cors::new(&settings::Cors {
            origins: vec!["https://app.example.com".to_owned()],
            ..settings::Cors::default()
        });
        let cors = cors.expect("it fits");
        let admits = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("api.example.com:8080"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            cors.admits(&headers)
        };
        assert!(admits(None));
        assert!(admits(Some("http://api.example.com:8080")));
        assert!(admits(Some("https://app.example.com")));
        assert!(!admits(Some("https://evil.example.com")));
        assert!(!admits(Some("null")));
    }
}
