//! Spans below the spans that caused them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::model::{Log, Span, Tag, Trace};

/// What is deeper than this stands beside what caused it: a trace may be as deep as somebody wants
/// it to be.
const DEEPEST: usize = 100;

/// A trace with its spans in order.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The trace, hexadecimal.
    pub id: String,
    /// When it began, in microseconds since 1970.
    pub start: u64,
    /// How long it took from its first moment to its last, in microseconds.
    pub duration: u64,
    /// The services that took part.
    pub services: BTreeSet<String>,
    /// How many spans it has.
    pub spans: usize,
    /// How many of them failed.
    pub errors: usize,
    /// Those that nothing in this trace caused, the earliest first.
    pub roots: Vec<Node>,
}

/// A span with those that it caused.
#[derive(Clone, Debug)]
pub struct Node {
    /// Hexadecimal.
    pub span_id: String,
    /// Whether what caused it is missing.
    pub is_orphan: bool,
    /// Who did it.
    pub service: String,
    /// What was done.
    pub operation: String,
    /// `server`, `client` and the like; empty where it is not told.
    pub kind: String,
    /// When it began, in microseconds since the trace did.
    pub offset: u64,
    /// In microseconds.
    pub duration: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What is known of it.
    pub tags: Vec<Tag>,
    /// What happened meanwhile.
    pub logs: Vec<Log>,
    /// What it caused, the earliest first.
    pub children: Vec<Node>,
}

impl Tree {
    /// The tree of a trace. Whatever is sent, each span is in it once.
    pub fn new(trace: &Trace) -> Self {
        let start = trace
            .spans
            .iter()
            .map(|it| it.start_time)
            .min()
            .unwrap_or(0);
        let end = trace
            .spans
            .iter()
            .map(|it| it.start_time.saturating_add(it.duration));
        let service = |span: &Span| {
            let process = trace.processes.get(&span.process_id);
            process.map_or_else(|| "?".to_owned(), |it| it.service_name.clone())
        };
        let known: BTreeSet<&str> = trace.spans.iter().map(|it| it.span_id.as_str()).collect();
        // By the span that caused them, or none; in each the earliest first.
        let mut order: Vec<&Span> = trace.spans.iter().collect();
        order.sort_by(|a, b| (a.start_time, &a.span_id).cmp(&(b.start_time, &b.span_id)));
        let parent = |span: &Span| {
            let parent = span.parent(&trace.trace_id)?;
            known.get(parent).copied()
        };
        let mut caused: BTreeMap<Option<&str>, Vec<&Span>> = BTreeMap::new();
        for span in &order {
            caused.entry(parent(span)).or_default().push(span);
        }
        let mut builder = Builder {
            trace,
            start,
            caused,
            service: &service,
        };
        let mut roots = builder.below(None);
        // What is left are spans that cause each other in a circle.
        for span in order {
            if builder
                .caused
                .get(&parent(span))
                .is_some_and(|it| !it.is_empty())
            {
                roots.extend(builder.below(parent(span)));
            }
        }
        Self {
            id: trace.trace_id.clone(),
            start,
            duration: end.max().unwrap_or(start) - start,
            services: trace.spans.iter().map(service).collect(),
            spans: trace.spans.len(),
            errors: trace.spans.iter().filter(|it| it.error().is_some()).count(),
            roots,
        }
    }
}

struct Builder<'a> {
    trace: &'a Trace,
    start: u64,
    /// Spans that have no place yet.
    caused: BTreeMap<Option<&'a str>, Vec<&'a Span>>,
    service: &'a dyn Fn(&Span) -> String,
}

/// A span that is built, with those below it that are to be built.
struct Open<'a> {
    node: Node,
    waiting: VecDeque<&'a Span>,
}

impl<'a> Builder<'a> {
    /// The spans that a span caused, with all below them.
    fn below(&mut self, parent: Option<&'a str>) -> Vec<Node> {
        let mut done = Vec::new();
        for root in self.caused.remove(&parent).unwrap_or_default() {
            let mut path = vec![self.open(root)];
            while let Some(mut last) = path.pop() {
                match last.waiting.pop_front() {
                    Some(span) => {
                        let next = self.open(span);
                        if path.len() >= DEEPEST {
                            last.node.children.push(next.node);
                            last.waiting.extend(next.waiting);
                            path.push(last);
                        } else {
                            path.push(last);
                            path.push(next);
                        }
                    }
                    None => match path.last_mut() {
                        Some(above) => above.node.children.push(last.node),
                        None => done.push(last.node),
                    },
                }
            }
        }
        done
    }

    fn open(&mut self, span: &'a Span) -> Open<'a> {
        let parent = span.parent(&self.trace.trace_id);
        let mut spans = self.trace.spans.iter();
        let is_orphan = parent.is_some_and(|parent| spans.all(|it| it.span_id != parent));
        let kind = span.tag("span.kind").and_then(|kind| kind.as_str());
        let children = self.caused.remove(&Some(span.span_id.as_str()));
        Open {
            node: Node {
                span_id: span.span_id.clone(),
                is_orphan,
                service: (self.service)(span),
                operation: span.operation_name.clone(),
                kind: kind.unwrap_or_default().to_owned(),
                offset: span.start_time - self.start,
                duration: span.duration,
                error: span.error(),
                tags: span.tags.clone(),
                logs: span.logs.clone(),
                children: Vec::new(),
            },
            waiting: children.unwrap_or_default().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trace(spans: &[(&str, Option<&str>, u64)]) -> Trace {
        let spans: Vec<Value> = spans
            .iter()
            .map(|(id, parent, start)| {
                let references = parent
                    .map(|it| json!([{ "refType": "CHILD_OF", "traceID": "1", "spanID": it }]));
                json!({
                    "spanID": id, "operationName": id, "startTime": start, "duration": 10,
                    "references": references.unwrap_or(json!([])), "processID": "p1",
                })
            })
            .collect();
        let processes = json!({ "p1": { "serviceName": "shop" } });
        let trace = json!({ "traceID": "1", "spans": spans, "processes": processes });
        serde_json::from_value(trace).expect("a trace")
    }

    /// `a(b(c) d)`.
    fn shape(nodes: &[Node]) -> String {
        let shapes = nodes.iter().map(|node| match node.children.is_empty() {
            true => node.operation.clone(),
            false => format!("{}({})", node.operation, shape(&node.children)),
        });
        shapes.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn spans_stand_below_what_caused_them_the_earliest_first() {
        let spans = [
            ("d", Some("a"), 30),
            ("c", Some("b"), 20),
            ("b", Some("a"), 10),
            ("a", None, 5),
            ("z", None, 1),
        ];
        let tree = Tree::new(&trace(&spans));
        assert_eq!(shape(&tree.roots), "z a(b(c) d)");
        assert_eq!((tree.start, tree.duration, tree.spans), (1, 39, 5));
    }

    #[test]
    fn spans_whose_cause_is_missing_are_roots_and_say_so() {
        let tree = Tree::new(&trace(&[("b", Some("gone"), 1), ("a", None, 2)]));
        assert_eq!(shape(&tree.roots), "b a");
        assert_eq!(
            tree.roots.iter().map(|it| it.is_orphan).collect::<Vec<_>>(),
            [true, false]
        );
    }

    #[test]
    fn spans_that_cause_each_other_or_are_told_twice_are_there_all_the_same() {
        let spans = [
            ("a", Some("b"), 1),
            ("b", Some("a"), 2),
            ("c", Some("c"), 3),
        ];
        assert_eq!(shape(&Tree::new(&trace(&spans)).roots), "a(b) c");
        let twice = [("a", None, 1), ("a", None, 1), ("b", Some("a"), 2)];
        assert_eq!(shape(&Tree::new(&trace(&twice)).roots), "a(b) a");
        assert_eq!(shape(&Tree::new(&trace(&[])).roots), "");
    }

    #[test]
    fn what_is_very_deep_ends_up_side_by_side() {
        let names: Vec<String> = (0..5000).map(|number| format!("{number}")).collect();
        let mut spans = vec![(names[0].as_str(), None, 0)];
        for (start, pair) in (1..).zip(names.windows(2)) {
            spans.push((pair[1].as_str(), Some(pair[0].as_str()), start));
        }
        let tree = Tree::new(&trace(&spans));
        let mut nodes = &tree.roots;
        let mut depth = 0;
        while let Some(first) = nodes.first() {
            nodes = &first.children;
            depth += 1;
        }
        assert_eq!(depth, DEEPEST + 2);
        fn count(nodes: &[Node]) -> usize {
            nodes.iter().map(|node| 1 + count(&node.children)).sum()
        }
        assert_eq!(count(&tree.roots), 5000);
    }
}
