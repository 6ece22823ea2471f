//! Answers: statuses, headers and bodies as Consul's.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::super::state::Refusal;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Json(Value),
    /// A status with its reason, and JSON that tells more, or the reason alone as text.
    Summed(StatusCode, String, Option<Value>),
    /// A value of the key-value store, as it is.
    Raw(Vec<u8>),
    /// Done, and nothing to say.
    Done,
    NotFound,
    Moved(String),
    Error(StatusCode, String),
}

impl Reply {
    pub fn bad(text: &str) -> Self {
        Self::Error(StatusCode::BAD_REQUEST, text.to_owned())
    }

    pub fn failed(text: &str) -> Self {
        Self::Error(StatusCode::INTERNAL_SERVER_ERROR, text.to_owned())
    }

    pub fn unsupported(what: &str) -> Self {
        let text =
            format!("{what} is not supported by the embedded registry, which is for development");
        Self::Error(StatusCode::NOT_IMPLEMENTED, text)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(text) => Self::Error(StatusCode::BAD_REQUEST, text),
            Refusal::Unknown(text) => Self::Error(StatusCode::NOT_FOUND, text),
            Refusal::Failed(text) => Self::Error(StatusCode::INTERNAL_SERVER_ERROR, text),
            Refusal::Unsupported(what) => Self::unsupported(&what),
        }
    }
}

impl From<Result<(), Refusal>> for Reply {
    fn from(outcome: Result<(), Refusal>) -> Self {
        outcome.map_or_else(Self::from, |()| Self::Done)
    }
}

/// What a read found: what is said, and when to look again.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub reply: Reply,
    /// The index that is told and that a blocking query waits to be passed; none: it does not
    /// block.
    pub index: Option<u64>,
    /// The hash of the answer, for those who wait for another by it.
    pub hash: Option<String>,
    pub watched: Watched,
    /// Whether the answer says how consistent it is.
    pub is_catalog: bool,
}

/// What must change besides the index for a blocking query to end. An index of a table rises with
/// changes of others; Consul watches the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// Nothing.
    Index,
    /// The answer.
    Reply,
}

impl Answer {
    /// An answer that never waits.
    pub fn now(reply: Reply) -> Self {
        Self {
            reply,
            index: None,
            hash: None,
            watched: Watched::Index,
            is_catalog: false,
        }
    }

    /// An answer that waits for another hash.
    pub fn hashed(hash: String, reply: Reply) -> Self {
        Self {
            hash: Some(hash),
            ..Self::now(reply)
        }
    }

    /// An answer of a table, whose index it is told with.
    pub fn at(index: u64, reply: Reply) -> Self {
        Self {
            // Zero would keep clients from blocking.
            index: Some(index.max(1)),
            ..Self::now(reply)
        }
    }

    /// The same for the catalog.
    pub fn of_catalog(index: u64, reply: Reply) -> Self {
        Self {
            is_catalog: true,
            ..Self::at(index, reply)
        }
    }

    /// Ends a blocking query only when the answer is another.
    pub fn watching_reply(self) -> Self {
        Self {
            watched: Watched::Reply,
            ..self
        }
    }
}

/// Says it.
pub(super) fn respond(reply: Reply) -> Response {
    match reply {
        Reply::Json(value) => json(StatusCode::OK, &value),
        Reply::Summed(status, reason, value) => {
            let mut response = match &value {
                Some(value) => json(status, value),
                None => with_status(status, reason.clone().into()),
            };
            let headers = response.headers_mut();
            headers.entry(header::CONTENT_TYPE).or_insert(PLAIN);
            if let Ok(reason) = HeaderValue::from_str(&reason) {
                headers.insert("X-Consul-Reason", reason);
            }
            response
        }
        Reply::Raw(bytes) => {
            let mut response = with_status(StatusCode::OK, bytes.into());
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, PLAIN);
            // So that a browser does not run what somebody stored.
            let sandbox = HeaderValue::from_static("sandbox");
            headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
            let no_sniff = HeaderValue::from_static("nosniff");
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, no_sniff);
            response
        }
        Reply::Done => with_status(StatusCode::OK, Body::empty()),
        Reply::NotFound => with_status(StatusCode::NOT_FOUND, Body::empty()),
        Reply::Moved(to) => {
            let mut response = with_status(StatusCode::MOVED_PERMANENTLY, Body::empty());
            if let Ok(to) = HeaderValue::from_str(&to) {
                response.headers_mut().insert(header::LOCATION, to);
            }
            response
        }
        Reply::Error(status, text) => {
            let mut response = with_status(status, text.into());
            response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
            response
        }
    }
}

/// Says which methods there are: to one who asks, and to one who took another.
pub(super) fn allowed(methods: &[Method], taken: &Method) -> Response {
    let mut response = match *taken {
        Method::OPTIONS => respond(Reply::Done),
        _ => {
            let text = format!("method {taken} not allowed");
            respond(Reply::Error(StatusCode::METHOD_NOT_ALLOWED, text))
        }
    };
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if let Ok(allow) = format!("OPTIONS,{}", names.join(",")).parse() {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn with_status(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Indented by four, as by `consul agent -dev`.
fn json(status: StatusCode, value: &Value) -> Response {
    let mut text = String::new();
    for line in format!("{value:#}").lines() {
        let indent = line.len() - line.trim_start().len();
        text.push_str(&line[..indent].repeat(2));
        text.push_str(line.trim_start());
        text.push('\n');
    }
    let mut response = with_status(status, text.into());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
