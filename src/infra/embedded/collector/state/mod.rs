//! The spans that were sent: a state machine without input, output or a clock.
//!
//! They are kept encoded, and decoded when somebody asks: that takes a third of the room. When
//! there are more than may be kept, the trace that came first goes, as a whole.

mod operations;
mod query;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prost::Message;

use super::proto::opentelemetry::proto::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest,
};
use super::proto::opentelemetry::proto::common::v1::{
    InstrumentationScope, KeyValue, any_value::Value,
};
use super::proto::opentelemetry::proto::resource::v1::Resource;
use super::proto::opentelemetry::proto::trace::v1::{ScopeSpans, Span};

use operations::Operations;
pub(super) use query::Query;

/// What Jaeger calls a service that does not tell its name.
const NAMELESS: &str = "OTLPResourceNoServiceName";
/// The attribute of a resource that is the name of the service.
pub(super) const SERVICE_NAME: &str = "service.name";
/// What a span takes besides its bytes, about: in bytes.
const SPAN_OVERHEAD: usize = 160;
/// What a trace takes besides its spans, about: in bytes.
const TRACE_OVERHEAD: usize = 320;
/// This part of all that is kept may be one trace.
const LARGEST_SHARE: usize = 4;
/// So many origins are kept that nobody needs any more.
const IDLE_ORIGINS: usize = 64;

/// Who made spans: a service, and what in it.
#[derive(Debug, PartialEq)]
pub(super) struct Origin {
    pub service: String,
    /// What else is known of the service.
    pub attributes: Vec<KeyValue>,
    pub scope: Option<InstrumentationScope>,
}

impl Origin {
    fn new(resource: Resource, scope: Option<InstrumentationScope>) -> Self {
        let mut attributes = resource.attributes;
        let is_name = |attribute: &KeyValue| attribute.key == SERVICE_NAME;
        let name = attributes.iter().find(|it| is_name(it));
        let name = name.and_then(|it| match it.value.as_ref()?.value.as_ref()? {
            Value::StringValue(name) => Some(name.clone()),
            _ => None,
        });
        attributes.retain(|it| !is_name(it));
        Self {
            service: name.unwrap_or_else(|| NAMELESS.to_owned()),
            attributes,
            scope,
        }
    }
}

/// A span as it is kept: encoded, without the id of its trace.
#[derive(Debug)]
struct Kept {
    encoded: Box<[u8]>,
    origin: Arc<Origin>,
    /// In nanoseconds since 1970, as all times here.
    start: u64,
    end: u64,
}

impl Kept {
    fn size(&self) -> usize {
        self.encoded.len() + SPAN_OVERHEAD
    }

    fn span(&self) -> Span {
        // It was encoded here.
        Span::decode(&*self.encoded).unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Trace {
    spans: Vec<Kept>,
    bytes: usize,
}

/// The spans that are kept.
#[derive(Debug)]
pub(super) struct Store {
    limit: usize,
    bytes: usize,
    traces: HashMap<u128, Trace>,
    arrivals: BTreeMap<u64, u128>,
    next_number: u64,
    origins: HashMap<Vec<u8>, Arc<Origin>>,
    operations: Operations,
}

/// A span with who made it.
pub(super) type Found = (Span, Arc<Origin>);

impl Store {
    /// An empty one that keeps no more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            traces: HashMap::new(),
            arrivals: BTreeMap::new(),
            next_number: 0,
            origins: HashMap::new(),
            operations: Operations::default(),
        }
    }

    /// How much is kept, about: in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.operations.bytes()
    }

    /// How many traces are kept.
    pub fn len(&self) -> usize {
        self.traces.len()
    }

    /// Takes spans; tells how many it did not take, and why.
    pub fn take(
        &mut self,
        request: ExportTraceServiceRequest,
    ) -> Option<ExportTracePartialSuccess> {
        let mut rejected = ExportTracePartialSuccess::default();
        for spans in request.resource_spans {
            let resource = spans.resource.unwrap_or_default();
            for ScopeSpans { scope, spans } in spans.scope_spans {
                let origin = self.origin(&resource, scope);
                for span in spans {
                    if let Err(why) = self.keep(span, &origin) {
                        rejected.rejected_spans += 1;
                        why.clone_into(&mut rejected.error_message);
                    }
                }
            }
        }
        self.make_room();
        (rejected.rejected_spans > 0).then_some(rejected)
    }

    fn origin(&mut self, resource: &Resource, scope: Option<InstrumentationScope>) -> Arc<Origin> {
        let mut key = resource.encode_length_delimited_to_vec();
        if let Some(scope) = &scope {
            // A vector takes what it is given.
            let _ = scope.encode(&mut key);
        }
        if let Some(known) = self.origins.get(&key) {
            return known.clone();
        }
        let origin = Arc::new(Origin::new(resource.clone(), scope));
        self.bytes += origin_size(&key);
        self.origins.insert(key, origin.clone());
        origin
    }

    /// # Errors
    /// Why it is not taken.
    fn keep(&mut self, mut span: Span, origin: &Arc<Origin>) -> Result<(), &'static str> {
        let id = <[u8; 16]>::try_from(span.trace_id.as_slice()).map(u128::from_be_bytes);
        let id = id.ok().filter(|id| *id != 0);
        let id = id.ok_or("a trace id is 16 bytes, not all of them zero")?;
        if span.span_id.len() != 8 || span.span_id.iter().all(|byte| *byte == 0) {
            return Err("a span id is 8 bytes, not all of them zero");
        }
        span.trace_id = Vec::new();
        let kept = Kept {
            encoded: span.encode_to_vec().into_boxed_slice(),
            origin: origin.clone(),
            start: span.start_time_unix_nano,
            end: span.end_time_unix_nano,
        };
        let size = kept.size();
        let known = self.traces.get(&id).map_or(0, |trace| trace.bytes);
        if known + size > self.limit / LARGEST_SHARE {
            return Err("the trace is larger than what the built-in collector keeps of one");
        }
        let trace = self.traces.entry(id).or_insert_with(|| {
            self.arrivals.insert(self.next_number, id);
            self.next_number += 1;
            self.bytes += TRACE_OVERHEAD;
            Trace::default()
        });
        trace.bytes += size;
        trace.spans.push(kept);
        self.bytes += size;
        self.operations.add(&origin.service, &span.name, span.kind);
        Ok(())
    }

    fn make_room(&mut self) {
        while self.bytes() > self.limit {
            let Some((_, id)) = self.arrivals.pop_first() else {
                break;
            };
            let Some(trace) = self.traces.remove(&id) else {
                continue;
            };
            self.bytes -= trace.bytes + TRACE_OVERHEAD;
            for kept in trace.spans {
                let span = kept.span();
                self.operations
                    .remove(&kept.origin.service, &span.name, span.kind);
            }
        }
        if self.origins.len() > IDLE_ORIGINS {
            let bytes = &mut self.bytes;
            self.origins.retain(|key, origin| {
                let is_needed = Arc::strong_count(origin) > 1;
                if !is_needed {
                    *bytes -= origin_size(key);
                }
                is_needed
            });
        }
        if self.traces.capacity() > 4 * self.traces.len() {
            self.traces.shrink_to(2 * self.traces.len());
        }
    }
}

fn origin_size(key: &[u8]) -> usize {
    3 * key.len() + TRACE_OVERHEAD
}
