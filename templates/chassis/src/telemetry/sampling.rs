//! Whether a call is recorded, decided before there is a span for it.
//!
//! A span that is thrown away in the end costs nearly as much as one that is kept, and most are
//! thrown away. So the sampler is asked first, and a call that is not recorded has no span but the
//! ids of one: its log lines have them, and other services learn from them that it is not recorded.

use std::cell::Cell;
use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample,
};

static HEAD: OnceLock<Head> = OnceLock::new();

thread_local! {
    /// The id of the trace that the next span without a parent begins.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// What decides.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) sampler: Sampler,
    /// Whether spans go anywhere.
    pub(super) exports: bool,
}

impl Head {
    /// From now on, decides for this process, whose spans are this one's.
    pub(super) fn install(self) {
        // Telemetry is set up once; whoever was first stays.
        let _ = HEAD.set(self);
    }

    fn begin(&self, parent: Context) -> Begun {
        let above = parent.span().span_context().clone();
        let begins = !above.is_valid();
        let trace_id = match begins {
            true => RandomIdGenerator::default().new_trace_id(),
            false => above.trace_id(),
        };
        let kind = SpanKind::Internal;
        let sampler = &self.sampler;
        let result = sampler.should_sample(Some(&parent), trace_id, "", &kind, &[], &[]);
        let is_sampled = result.decision == SamplingDecision::RecordAndSample;
        if self.exports && is_sampled {
            let trace_id = begins.then_some(trace_id);
            return Begun::Recorded { parent, trace_id };
        }
        let context = SpanContext::new(
            trace_id,
            RandomIdGenerator::default().new_span_id(),
            TraceFlags::default().with_sampled(is_sampled),
            false,
            result.trace_state,
        );
        Begun::Unrecorded(parent.with_remote_span_context(context))
    }
}

/// A call that begins.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It is to have a span below `parent`, which is started by [`started`].
    Recorded {
        parent: Context,
        trace_id: Option<TraceId>,
    },
    /// It has the ids in this context, and no span.
    Unrecorded(Context),
}

/// A call below `parent` begins. When the subscriber is not ours, it always has a span: who knows
/// what looks at it.
pub(crate) fn begin(parent: Context) -> Begun {
    match HEAD.get() {
        Some(head) => head.begin(parent),
        None => Begun::Recorded {
            parent,
            trace_id: None,
        },
    }
}

/// What `start` returns, which starts the span of a call that is [`Begun::Recorded`]: in the trace
/// for which that was decided.
pub(crate) fn started<T>(trace_id: Option<TraceId>, start: impl FnOnce() -> T) -> T {
    NEXT.set(trace_id);
    let started = start();
    NEXT.set(None);
    started
}

/// Random ids, but for traces whose id has been chosen.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        NEXT.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    const TRACE: TraceId = TraceId::from_bytes([7; 16]);

    fn head(ratio: f64, exports: bool) -> Head {
        let root = Sampler::TraceIdRatioBased(ratio);
        Head {
            sampler: Sampler::ParentBased(Box::new(root)),
            exports,
        }
    }

    fn parent(flags: TraceFlags) -> Context {
        let span = SpanId::from_bytes([1; 8]);
        let state = "vendor=opaque".parse().expect("valid");
        let parent = SpanContext::new(TRACE, span, flags, true, state);
        Context::new().with_remote_span_context(parent)
    }

    /// The ids of a call without a span.
    fn ids(begun: Begun) -> SpanContext {
        match begun {
            Begun::Unrecorded(context) => context.span().span_context().clone(),
            Begun::Recorded { .. } => panic!("it is recorded"),
        }
    }

    #[test]
    fn a_call_that_is_not_recorded_has_ids_that_say_so() {
        let context = ids(head(0.0, true).begin(Context::new()));
        assert!(context.is_valid());
        assert!(!context.is_sampled());
    }

    #[test]
    fn a_caller_that_does_not_record_is_followed_with_what_it_says() {
        let context = ids(head(1.0, true).begin(parent(TraceFlags::NOT_SAMPLED)));
        assert_eq!(context.trace_id(), TRACE);
        assert_ne!(context.span_id(), SpanId::from_bytes([1; 8]));
        assert!(context.span_id() != SpanId::INVALID && !context.is_sampled());
        assert_eq!(context.trace_state().header(), "vendor=opaque");
    }

    #[test]
    fn a_caller_that_records_is_followed() {
        match head(0.0, true).begin(parent(TraceFlags::SAMPLED)) {
            Begun::Recorded { parent, trace_id } => {
                assert_eq!(parent.span().span_context().trace_id(), TRACE);
                assert_eq!(trace_id, None);
            }
            Begun::Unrecorded(_) => panic!("it is not recorded"),
        }
    }

    #[test]
    fn what_goes_nowhere_is_not_recorded_but_others_are_told_to() {
        let context = ids(head(1.0, false).begin(Context::new()));
        assert!(context.is_valid() && context.is_sampled());
    }

    #[test]
    fn a_span_is_in_the_trace_for_which_it_was_decided() {
        let sampler = Sampler::TraceIdRatioBased(0.5);
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler.clone())
            .with_id_generator(Ids::default())
            .build();
        let tracer = provider.tracer("test");
        let head = Head {
            sampler,
            exports: true,
        };
        let mut recorded = 0;
        for _ in 0..100 {
            let Begun::Recorded { trace_id, .. } = head.begin(Context::new()) else {
                continue;
            };
            let span = started(trace_id, || tracer.start("span"));
            let context = opentelemetry::trace::Span::span_context(&span).clone();
            assert_eq!(Some(context.trace_id()), trace_id);
            assert!(context.is_sampled());
            recorded += 1;
        }
        assert!((1..100).contains(&recorded), "{recorded}");
    }
}
