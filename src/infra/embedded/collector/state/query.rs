//! Finding traces.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeInclusive;

use super::super::jaeger;
use super::{Found, Kept, Store, Trace};

/// Which traces are wanted: those that have a span of which all of this is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub service: String,
    pub operation: Option<String>,
    /// As text; of the span, its events or its service.
    pub tags: Vec<(String, String)>,
    /// When it began, in nanoseconds since 1970.
    pub start: RangeInclusive<u64>,
    /// How long it took, in nanoseconds.
    pub duration: RangeInclusive<u64>,
    /// The most traces: the newest ones.
    pub limit: usize,
}

impl Query {
    fn is_met(&self, kept: &Kept) -> bool {
        let duration = kept.end.saturating_sub(kept.start);
        if kept.origin.service != self.service
            || !self.start.contains(&kept.start)
            || !self.duration.contains(&duration)
        {
            return false;
        }
        if self.operation.is_none() && self.tags.is_empty() {
            return true;
        }
        let span = kept.span();
        let is_operation = self.operation.as_ref().is_none_or(|it| *it == span.name);
        is_operation && jaeger::has_tags(&span, &kept.origin, &self.tags)
    }
}

impl Trace {
    /// Its spans; one that was sent twice is told once.
    fn found(&self) -> Vec<Found> {
        let mut seen = HashSet::new();
        let kept = self.spans.iter();
        let kept = kept.filter(|kept| seen.insert(kept.encoded.as_ref()));
        kept.map(|kept| (kept.span(), kept.origin.clone()))
            .collect()
    }
}

impl Store {
    /// The spans of a trace.
    pub fn trace(&self, id: u128) -> Option<Vec<Found>> {
        self.traces.get(&id).map(Trace::found)
    }

    /// Traces with their ids, the newest first.
    pub fn find(&self, query: &Query) -> Vec<(u128, Vec<Found>)> {
        let met = self.traces.iter().filter_map(|(id, trace)| {
            let mut spans = trace.spans.iter();
            let met = spans.any(|kept| query.is_met(kept));
            let start = trace.spans.iter().map(|kept| kept.start).min();
            met.then_some((Reverse(start), *id, trace))
        });
        let mut met: Vec<_> = met.collect();
        met.sort_by_key(|(start, id, _)| (*start, *id));
        let met = met.into_iter().take(query.limit);
        met.map(|(_, id, trace)| (id, trace.found())).collect()
    }

    /// The names of all services.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.operations.services()
    }

    /// The operations of a service, each with the number of its kind.
    pub fn operations(&self, service: &str) -> impl Iterator<Item = (&str, i32)> {
        self.operations.of(service)
    }

    /// Which service called which, and how often.
    pub fn dependencies(&self, start: &RangeInclusive<u64>) -> BTreeMap<(String, String), u64> {
        let mut calls = BTreeMap::new();
        for trace in self.traces.values() {
            let is_meant = |kept: &&Kept| start.contains(&kept.start);
            if !trace.spans.iter().any(|kept| is_meant(&kept)) {
                continue;
            }
            let spans: Vec<_> = trace.found();
            let service_of: HashMap<&[u8], &str> = spans
                .iter()
                .map(|(span, origin)| (span.span_id.as_slice(), origin.service.as_str()))
                .collect();
            for (span, origin) in &spans {
                let parent = service_of.get(span.parent_span_id.as_slice());
                if let Some(parent) = parent.filter(|parent| **parent != origin.service) {
                    let pair = ((*parent).to_owned(), origin.service.clone());
                    *calls.entry(pair).or_default() += 1;
                }
            }
        }
        calls
    }
}
