//! Traces of work that is not a gRPC call: queries, messages, steps.
//!
//! A [`Span`] is wrapped around a future. What happens in it, log lines and calls of other services
//! included, belongs to it:
//!
//! ```
//! use chassis::trace::{Kind, Span};
//!
//! # async fn fetch() -> Result<(), std::io::Error> { Ok(()) }
//! # async fn example() -> Result<(), std::io::Error> {
//! let span = Span::new(Kind::Client, "SELECT orders").attribute("db.system.name", "sqlite");
//! span.run(fetch()).await
//! # }
//! ```
//!
//! Work that is handed to another process, or put by for later, takes its [`TraceContext`] along:
//! the trace it belongs to and the baggage that travels with it, as the W3C headers `traceparent`,
//! `tracestate` and `baggage`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Waiting, Poll};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, KeyValue, Value};
use pin_project_lite::pin_project;
use tracing::info_span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::middleware::trace::{Recording, Scope};
use crate::telemetry::propagation;

/// Sets an attribute of the span that is around the current work; nothing when it is not recorded.
pub fn attribute(key: &'static str, value: impl Into<Value>) {
    Context::map_current(|context| {
        let span = context.span();
        if span.is_recording() {
            span.set_attribute(KeyValue::new(key, value));
        }
    });
}

/// Where work stands in a trace, and its baggage.
#[derive(Debug, Clone)]
pub struct TraceContext(Context);

impl TraceContext {
    /// That of the current work.
    #[must_use]
    pub fn current() -> Self {
        match Scope::current() {
            Scope::Span(_, context) | Scope::Ids(context) => Self(context),
            Scope::None => Self(Context::new()),
        }
    }

    /// The one that `headers` carry, in whatever case their names are; an empty one when they carry
    /// none or a malformed one. Other headers are not looked at.
    #[must_use]
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut ours = HeaderMap::new();
        for (name, value) in headers {
            if let Some(name) = HEADERS.iter().find(|it| it.eq_ignore_ascii_case(name))
                && let Ok(value) = HeaderValue::from_str(value)
            {
                ours.append(HeaderName::from_static(name), value);
            }
        }
        Self(propagation::extract(&ours))
    }

    /// The headers that carry it; none when there is nothing to carry.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = HeaderMap::new();
        propagation::inject(&self.0, &mut headers);
        let value = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
        let pairs = HEADERS.iter().map(|name| Some((*name, value(*name)?)));
        pairs.flatten().collect()
    }

    /// The `traceparent` alone, for where there is room for one value; `None` outside of a trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let headers = self.headers().into_iter();
        let mut parents = headers.filter(|(name, _)| *name == HEADERS[0]);
        parents.next().map(|(_, value)| value)
    }
}

/// What carries a trace context: W3C Trace Context and W3C Baggage.
const HEADERS: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// What part a span has in its trace, as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Work within this process.
    Internal,
    /// A request to another process that waits for the answer, such as a query.
    Client,
    /// The answer to a request.
    Server,
    /// Handing a message over, to be worked on at another time.
    Producer,
    /// Working on a message.
    Consumer,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Client => "client",
            Self::Server => "server",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// A span that has not begun.
#[derive(Debug, Clone)]
pub struct Span {
    kind: Kind,
    name: String,
    parent: Option<TraceContext>,
    links: Vec<TraceContext>,
    attributes: Vec<KeyValue>,
}

impl Span {
    /// A span of the current work, or, without any, one that begins a trace. `name` is one of few,
    /// as in `SELECT orders`: what differs from one to the next is for attributes.
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            parent: None,
            links: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Says more, by OpenTelemetry's semantic conventions where they have a name for it.
    #[must_use]
    pub fn attribute(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// Continues what `parent` stands for, instead of the current work.
    #[must_use]
    pub fn below(mut self, parent: TraceContext) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Points to other work that led to this, and is not its parent.
    #[must_use]
    pub fn link(mut self, other: TraceContext) -> Self {
        self.links.push(other);
        self
    }

    /// Runs `work` in the span. An error is the span's status.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn run<F, T, E>(self, work: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: fmt::Display,
    {
        let scope = self.begin();
        let recording = scope.span().and_then(Recording::of);
        // The span ends with its scope, which is before whoever awaits it goes on.
        let work = async {
            let outcome = work.await;
            if let (Err(error), Some(recording)) = (&outcome, recording) {
                recording.end(Status::error(error.to_string()));
            }
            outcome
        };
        InScope { scope, work }.await
    }

    /// Runs `work` in the span, whatever comes of it.
    pub async fn wrap<F: Future>(self, work: F) -> F::Output {
        let scope = self.begin();
        InScope { scope, work }.await
    }

    fn begin(self) -> Scope {
        let parent = self.parent.unwrap_or_else(TraceContext::current);
        let scope = Scope::begin(parent.0, || {
            let span = info_span!("work", otel.name = self.name, otel.kind = self.kind.name());
            for link in self.links {
                span.add_link(link.0.span().span_context().clone());
            }
            span
        });
        if let Some(recording) = scope.span().and_then(Recording::of) {
            for attribute in self.attributes {
                recording.set(attribute);
            }
        }
        scope
    }
}

pin_project! {
    /// Polls work inside its scope.
    struct InScope<F> {
        scope: Scope,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for InScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Waiting<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.scope.enter();
        this.work.poll(cx)
    }
}

#[cfg(test)]
mod tests;
