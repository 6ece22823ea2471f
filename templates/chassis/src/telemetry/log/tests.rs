use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
use tracing_subscriber::layer::SubscriberExt;

use super::calls::Ids;
use super::*;
use crate::middleware::log::emit;
use crate::telemetry::recorder::Recorder;

/// Writes each event in `format` at a fixed time, inside a fixed span.
struct Fixed<W> {
    format: Format,
    write: W,
}

impl<S: Subscriber, W: Fn(&[u8]) + 'static> Layer<S> for Fixed<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let time = time();
        let span = SpanContext::new(
            TraceId::from_bytes([0xab; 16]),
            SpanId::from_bytes([0xcd; 8]),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        let mut line = Vec::new();
        self.format.write(event, time, &span, &mut line);
        (self.write)(&line);
    }
}

fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_767_225_599_123)
}

/// The text of the events that `emit` emits.
fn written(format: Format, emit: impl FnOnce()) -> String {
    let text = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&text);
    let write = move |line: &[u8]| sink.lock().expect("no panic").extend(line);
    let subscriber = tracing_subscriber::registry().with(Fixed { format, write });
    tracing::subscriber::with_default(subscriber, emit);
    let bytes = text.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

fn event() {
    tracing::info!(
        target: "shop",
        id = 17,
        ratio = 0.5,
        on = true,
        name = "Ada",
        full = "Ada Lovelace",
        list = ?[1, 2],
        missing = Option::<u8>::None,
        "created {}",
        "user"
    );
}

#[test]
fn what_needs_escaping_is_escaped_in_json_wherever_it_stands() {
    let line = written(Format::Json, || {
        tracing::info!(target: "shop", name = "\"Ada\"", list = ?["a\n"], "line\\{}", "\u{1}");
    });
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
    assert_eq!(line["message"], "line\\\u{1}");
    let fields = serde_json::json!({"name": "\"Ada\"", "list": "[\"a\\n\"]"});
    assert_eq!(line["fields"], fields);
}

#[test]
fn an_event_without_a_message_has_an_empty_one_in_json() {
    let line = written(Format::Json, || tracing::info!(target: "shop", id = 17));
    let line: serde_json::Value = serde_json::from_str(&line).expect("a line is JSON");
    assert_eq!(line["message"], "");
    assert_eq!(line["fields"], serde_json::json!({"id": 17}));
}

#[test]
fn a_value_that_cannot_be_printed_costs_its_own_line_in_json_and_no_other() {
    struct Broken;
    impl std::fmt::Debug for Broken {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let lines = written(Format::Json, || {
        tracing::info!(target: "shop", broken = ?Broken, "lost");
        tracing::info!(target: "shop", "kept");
    });
    let line: serde_json::Value = serde_json::from_str(&lines).expect("one line is JSON");
    assert_eq!(line["message"], "kept");
}

#[test]
fn a_pretty_line_is_time_level_message_fields_and_short_trace_id() {
    assert_eq!(
        written(Format::Pretty { color: false }, event),
        "23:59:59.123Z  INFO created user id=17 ratio=0.5 on=true name=Ada \
         full=\"Ada Lovelace\" list=[1, 2] trace=abababab\n"
    );
}

#[test]
fn a_coloured_line_has_the_same_text() {
    let line = written(Format::Pretty { color: true }, || {
        tracing::error!(id = 1, "no")
    });
    assert_eq!(
        line,
        "\x1b[2m23:59:59.123Z\x1b[0m \x1b[31mERROR\x1b[0m no \x1b[2mid=\x1b[0m1 \
         \x1b[2mtrace=abababab\x1b[0m\n"
    );
}

#[test]
fn a_json_line_has_typed_fields_and_whole_ids() {
    assert_eq!(
        written(Format::Json, event),
        concat!(
            r#"{"timestamp":"2025-12-31T23:59:59.123000Z","level":"INFO","target":"shop","#,
            r#""message":"created user","trace_id":"abababababababababababababababab","#,
            r#""span_id":"cdcdcdcdcdcdcdcd","fields":{"id":17,"ratio":0.5,"on":true,"#,
            r#""name":"Ada","full":"Ada Lovelace","list":"[1, 2]"}}"#,
            "\n"
        )
    );
}

#[test]
fn what_a_caller_sends_cannot_forge_a_line() {
    let forge = || tracing::info!(name = "a\nb \u{1b}[31m", "c\r\nd");
    let pretty = written(Format::Pretty { color: false }, forge);
    assert_eq!(
        pretty,
        "23:59:59.123Z  INFO c\\r\\nd name=\"a\\nb \\u{1b}[31m\" trace=abababab\n"
    );
    assert_eq!(written(Format::Json, forge).matches('\n').count(), 1);
}

#[test]
fn lines_in_a_span_have_its_ids_whatever_the_level() {
    let recorder = Recorder::start("warn");
    tracing::warn!("outside");
    tracing::info_span!("call").in_scope(|| {
        tracing::info!("not wanted");
        tracing::warn!("inside");
    });
    let lines = recorder.lines();
    let span = &recorder.spans()[0].span_context;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].get("trace_id"), None);
    assert_eq!(lines[1]["message"], "inside");
    assert_eq!(lines[1]["trace_id"], span.trace_id().to_string());
    assert_eq!(lines[1]["span_id"], span.span_id().to_string());
}

#[test]
fn levels_are_set_by_target() {
    let recorder = Recorder::start("warn,shop=debug");
    tracing::debug!(target: "shop::orders", "a");
    tracing::trace!(target: "shop::orders", "b");
    tracing::info!(target: "other", "c");
    let lines = recorder.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "a");
}

#[test]
fn the_line_of_a_call_is_the_line_of_its_event() {
    let calls = [
        (
            Level::INFO,
            "user.v1.UserService/GetUser",
            "10.0.0.7:4711",
            "OK",
            1_234,
        ),
        (
            Level::WARN,
            "odd.\"Service\\/\u{7f}Get User",
            "[::1]:80",
            "INTERNAL",
            0,
        ),
        (Level::DEBUG, "", "", "DEADLINE_EXCEEDED", 60_000_000_001),
    ];
    let formats = [
        Format::Json,
        Format::Pretty { color: false },
        Format::Pretty { color: true },
    ];
    for (level, method, peer, code, nanos) in calls {
        let call = CallLine {
            level,
            method,
            peer: peer.parse().ok(),
            code,
            latency: Duration::from_nanos(nanos),
            ids: Some(Ids {
                trace: TraceId::from_bytes([0xab; 16]),
                span: SpanId::from_bytes([0xcd; 8]),
            }),
        };
        for format in formats {
            let mut line = Vec::new();
            format.write_call(&call, time(), &mut line);
            let line = String::from_utf8(line).expect("UTF-8");
            assert_eq!(line, written(format, || emit(&call)), "{format:?}");
        }
    }
}

#[test]
fn a_call_outside_of_a_span_has_no_ids() {
    let call = CallLine {
        level: Level::INFO,
        method: "a.A/B",
        peer: None,
        code: "OK",
        latency: Duration::from_micros(90),
        ids: None,
    };
    let mut line = Vec::new();
    Format::Json.write_call(&call, time(), &mut line);
    assert_eq!(
        String::from_utf8_lossy(&line),
        concat!(
            r#"{"timestamp":"2025-12-31T23:59:59.123000Z","level":"INFO","target":"rpc","#,
            r#""message":"a.A/B","fields":{"code":"OK","latency":"90µs"}}"#,
            "\n"
        )
    );
}

#[tokio::test]
async fn lines_of_calls_follow_the_levels_of_their_target() {
    let wanted = |levels: &Levels| {
        let all = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];
        all.map(|level| levels.wants_call(level))
    };
    let parse = |directives: &str| directives.parse().expect("valid directives");
    let levels = Levels::new(parse("info"));
    assert_eq!(wanted(&levels), [true, true, true, false]);
    levels.set(parse("info,rpc=off"), None);
    assert_eq!(wanted(&levels), [false; 4]);
    levels.set(parse("off,rpc=debug"), None);
    assert_eq!(wanted(&levels), [true; 4]);
    levels.configure(parse("debug,rpc=warn"));
    assert_eq!(wanted(&levels), [true, true, false, false]);
}
