//! The traces that a saga is part of: the one in which it was started, and the spans in which it was
//! worked on.

use chassis::trace::TraceContext;

/// What is kept of the traces that a saga is part of: a list of headers, `traceparent` and others of
/// where it was started, and `last` of where it was worked on last, or `paused` if that ended in a pause.
pub(crate) struct Traces {
    pub(crate) started: TraceContext,
    pub(crate) last: Option<TraceContext>,
    pub(crate) is_paused: bool,
}

const LAST: &str = "last";
const PAUSED: &str = "paused";

impl Traces {
    pub(crate) fn of(kept: &str) -> Self {
        let headers = headers(kept);
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let last = headers.iter().find(|(name, _)| is_last(name));
        Self {
            is_paused: last.is_some_and(|(name, _)| name == PAUSED),
            started: TraceContext::from_headers(pairs),
            last: last
                .map(|(_, value)| TraceContext::from_headers([("traceparent", value.as_str())])),
        }
    }
}

fn headers(kept: &str) -> Vec<(String, String)> {
    serde_json::from_str(kept).unwrap_or_default()
}

fn is_last(name: &str) -> bool {
    [LAST, PAUSED].contains(&name)
}

/// What is kept, where the saga pauses.
pub(crate) fn paused(kept: &str) -> String {
    let mut headers = headers(kept);
    if let Some((name, _)) = headers.iter_mut().find(|(name, _)| name == LAST) {
        PAUSED.clone_into(name);
    }
    serde_json::to_string(&headers).unwrap_or_default()
}

/// What is kept, with the current span as the last in which the saga was worked on.
pub(crate) fn with_run(kept: &str) -> String {
    let mut headers = headers(kept);
    headers.retain(|(name, _)| !is_last(name));
    let current = TraceContext::current().traceparent().unwrap_or_default();
    headers.push((LAST.to_owned(), current));
    serde_json::to_string(&headers).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn where_it_was_started_is_kept_and_where_it_was_worked_on_last() {
        let kept = format!(r#"[["traceparent","{STARTED}"],["baggage","tenant=acme"]]"#);
        let traces = Traces::of(&kept);
        assert_eq!(traces.started.traceparent().as_deref(), Some(STARTED));
        assert!(traces.last.is_none());
        // Outside of all spans there is nothing to note, and what was noted is not kept for it.
        let kept = with_run(&kept);
        let traces = Traces::of(&kept);
        let headers = [("traceparent", STARTED), ("baggage", "tenant=acme")];
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(traces.started.headers(), headers);
        assert_eq!(traces.last.and_then(|it| it.traceparent()), None);
        assert_eq!(with_run(&kept), kept);
        assert!(!traces.is_paused);
        assert!(Traces::of(&paused(&kept)).is_paused);
        assert_eq!(with_run(&paused(&kept)), kept);
    }

    #[test]
    fn what_is_not_what_was_kept_is_no_trace() {
        let traces = Traces::of("nonsense");
        assert_eq!(traces.started.traceparent(), None);
    }
}
