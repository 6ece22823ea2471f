//! What a call is polled in, so that all that happens in it is known to belong to it.

use opentelemetry::{Context, ContextGuard};
use tracing::Span;
use tracing::span::Entered;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::telemetry::sampling::{self, Begun};

/// The span of a call, or only its ids when it is not recorded.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// Of a call that is not traced.
    None,
    /// With its context, which is found by a search that costs as much as a span.
    Span(Span, Context),
    Ids(Context),
}

/// The scope that is entered, until it is dropped.
#[expect(
    dead_code,
    reason = "what the guards do, they do when they are dropped"
)]
pub(crate) enum Guard<'a> {
    None,
    Span(Entered<'a>),
    Ids(ContextGuard),
}

impl Scope {
    /// That of a call below `parent`, whose span is made when it is recorded.
    pub(crate) fn begin(parent: Context, span: impl FnOnce() -> Span) -> Self {
        match sampling::begin(parent) {
            Begun::Unrecorded(context) => Self::Ids(context),
            Begun::Recorded { parent, trace_id } => {
                let span = span();
                if span.is_disabled() {
                    return Self::None;
                }
                // An error says that nobody collects spans, which is as good as no parent.
                let _ = span.set_parent(parent);
                let context = sampling::started(trace_id, || span.context());
                Self::Span(span, context)
            }
        }
    }

    /// The one that is entered now.
    pub(crate) fn current() -> Self {
        let span = Span::current();
        match span.is_disabled() {
            true => Self::Ids(Context::current()),
            false => {
                let context = span.context();
                Self::Span(span, context)
            }
        }
    }

    /// The context of the span, if there is one.
    pub(crate) fn span(&self) -> Option<&Context> {
        match self {
            Self::Span(_, context) => Some(context),
            Self::None | Self::Ids(_) => None,
        }
    }

    /// What other services are told; `None` when it is nothing.
    pub(super) fn context(&self) -> Option<&Context> {
        match self {
            Self::Span(_, context) | Self::Ids(context) => Some(context),
            Self::None => None,
        }
    }

    pub(crate) fn enter(&self) -> Guard<'_> {
        match self {
            Self::None => Guard::None,
            Self::Span(span, _) => Guard::Span(span.enter()),
            Self::Ids(context) => Guard::Ids(context.clone().attach()),
        }
    }
}
