//! W3C Trace Context: <https://www.w3.org/TR/trace-context/>.
//!
//! The SDK's own propagator takes ids that are too short and signs before digits; here the format is
//! read to the letter, so that what is passed on is what the next service reads.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::telemetry::log::digits;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// More than these, and the whole list is to be ignored (section 3.3.1.1).
const MAX_STATES: usize = 32;

/// The length of `00-{32 digits}-{16 digits}-{2 digits}`.
const LENGTH: usize = 55;

/// The parent that `headers` name.
pub(super) fn extract(headers: &HeaderMap) -> Option<SpanContext> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let parent = values.next()?.as_bytes();
    // Two parents are none: it is not known which one is meant.
    if values.next().is_some() {
        return None;
    }
    let (trace, span, flags) = parse(parent)?;
    let context = SpanContext::new(trace, span, flags, true, state(headers));
    context.is_valid().then_some(context)
}

fn parse(parent: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (known, rest) = parent.split_at_checked(LENGTH)?;
    if known[2] != b'-' || known[35] != b'-' || known[52] != b'-' {
        return None;
    }
    let version = hex(&known[..2])?;
    // Later versions may add fields, and nothing but fields.
    match version {
        0 if rest.is_empty() => {}
        1..=254 if rest.is_empty() || rest[0] == b'-' => {}
        _ => return None,
    }
    let trace = TraceId::from(hex(&known[3..35])?);
    let span = SpanId::from(hex(&known[36..52])? as u64);
    // Flags that are not known must not be passed on.
    let flags = TraceFlags::new(hex(&known[53..])? as u8) & TraceFlags::SAMPLED;
    Some((trace, span, flags))
}

/// Lower-case hexadecimal digits as a number.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// What vendors have to say; it may come in several headers. Nothing when it is malformed, which
/// takes nothing from the parent.
fn state(headers: &HeaderMap) -> TraceState {
    let mut values = headers.get_all(&TRACESTATE).iter();
    let Some(first) = values.next() else {
        return TraceState::NONE;
    };
    let mut list = Vec::from(first.as_bytes());
    for value in values {
        list.push(b',');
        list.extend_from_slice(value.as_bytes());
    }
    let members = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut keys: Vec<&[u8]> = members
        .filter(|member| !member.is_empty())
        .filter_map(|member| member.split(|byte| *byte == b'=').next())
        .collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    // An empty key sorts first; a key is in the list once.
    if count > MAX_STATES || keys.len() < count || keys.first().is_some_and(|it| it.is_empty()) {
        return TraceState::NONE;
    }
    let list = std::str::from_utf8(&list).ok();
    list.and_then(|list| list.parse().ok())
        .unwrap_or(TraceState::NONE)
}

/// Names `context` as the parent.
pub(super) fn inject(context: &SpanContext, headers: &mut HeaderMap) {
    if !context.is_valid() {
        return;
    }
    if let Ok(mut parent) = HeaderValue::from_bytes(&written(context)) {
        // It never comes again. Without this, HPACK would remember each one and forget, for that,
        // the headers that are the same in every call (RFC 7541, section 6.2.3).
        parent.set_sensitive(true);
        headers.insert(&TRACEPARENT, parent);
    }
    let state = match context.trace_state() {
        state if *state == TraceState::NONE => None,
        state => HeaderValue::try_from(state.header()).ok(),
    };
    match state {
        Some(state) if !state.is_empty() => {
            headers.insert(&TRACESTATE, state);
        }
        // What the request brought belongs to another parent.
        _ => {
            headers.remove(&TRACESTATE);
        }
    }
}

/// `context` as the value of the header.
fn written(context: &SpanContext) -> [u8; LENGTH] {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    text[3..35].copy_from_slice(digits(context.trace_id().to_bytes()).as_flattened());
    text[36..52].copy_from_slice(digits(context.span_id().to_bytes()).as_flattened());
    if context.is_sampled() {
        text[54] = b'1';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(entries: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        headers
    }

    #[test]
    fn a_parent_is_read_to_the_letter() {
        let ids = |parent: &str| {
            let context = extract(&headers(&[(&TRACEPARENT, parent)]))?;
            Some((
                context.trace_id().to_string(),
                context.span_id().to_string(),
                context.is_sampled(),
                context.is_remote(),
            ))
        };
        let expected = |sampled| {
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736".to_owned();
            Some((trace, "00f067aa0ba902b7".to_owned(), sampled, true))
        };
        assert_eq!(ids(PARENT), expected(true));
        let flags = |flags: &str| format!("{}{flags}", &PARENT[..53]);
        assert_eq!(ids(&flags("00")), expected(false));
        assert_eq!(ids(&flags("03")), expected(true), "unknown flags");
        let version = |version: &str| format!("{version}{}", &PARENT[2..]);
        assert_eq!(ids(&version("cc")), expected(true), "a later version");
        assert_eq!(ids(&version("cc-").replace("--", "-")), expected(true));
        assert_eq!(ids(&format!("{}-what", version("cc"))), expected(true));
    }

    #[test]
    fn a_malformed_parent_is_none() {
        for parent in [
            "",
            "00",
            "00-1-1-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(
                extract(&headers(&[(&TRACEPARENT, parent)])),
                None,
                "{parent}"
            );
        }
        let twice = headers(&[(&TRACEPARENT, PARENT), (&TRACEPARENT, PARENT)]);
        assert_eq!(extract(&twice), None);
        let mut bytes = HeaderMap::new();
        let value = HeaderValue::from_bytes(&[0xff; LENGTH]).expect("a value");
        bytes.insert(&TRACEPARENT, value);
        assert_eq!(extract(&bytes), None);
    }

    #[test]
    fn states_of_several_headers_are_one_list_and_malformed_ones_are_dropped() {
        let state = |states: &[&str]| {
            let mut entries = vec![(&TRACEPARENT, PARENT)];
            entries.extend(states.iter().map(|state| (&TRACESTATE, *state)));
            let context = extract(&headers(&entries)).expect("the parent stays");
            context.trace_state().header()
        };
        assert_eq!(state(&["a=1,b=2", " c=3 "]), "a=1,b=2,c=3");
        for malformed in ["a", "=1", "a=1,a=2", "A B=1"] {
            assert_eq!(state(&[malformed]), "", "{malformed}");
        }
        let many = |count: usize| {
            let members: Vec<String> = (0..count).map(|at| format!("k{at}=v")).collect();
            members.join(",")
        };
        assert_eq!(state(&[&many(MAX_STATES)]), many(MAX_STATES));
        assert_eq!(state(&[&many(MAX_STATES + 1)]), "");
    }

    #[test]
    fn a_state_of_another_parent_does_not_go_along() {
        let context = extract(&headers(&[(&TRACEPARENT, PARENT)])).expect("a parent");
        let mut request = headers(&[(&TRACEPARENT, "old"), (&TRACESTATE, "old=1")]);
        inject(&context, &mut request);
        assert_eq!(request, headers(&[(&TRACEPARENT, PARENT)]));
    }
}
