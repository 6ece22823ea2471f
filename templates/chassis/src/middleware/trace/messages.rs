//! The messages of a stream as events of its span, by the last version of OpenTelemetry's conventions
//! that had them (`rpc.message`, 1.38; they are on their way to be log records).
//!
//! A call with one message in a direction is told by its span alone, so events begin with the second
//! one; and a stream that lasts would fill its span, so they end after [`MAX`].

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt;
use pin_project_lite::pin_project;

use super::span::Recording;
use crate::middleware::size::Boundaries;

/// The most events in a direction; with both, as many as OpenTelemetry's SDKs allow in a span
/// (`OTEL_SPAN_EVENT_COUNT_LIMIT`).
const MAX: u32 = 64;

/// From where to where messages go, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Sent,
    Received,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Received => "RECEIVED",
        }
    }
}

/// Notes the messages of a call in one direction.
#[derive(Debug)]
pub(crate) struct Messages {
    span: Recording,
    direction: Direction,
    seen: u32,
    /// The first one, with its size in bytes, until there is a second one.
    first: Option<(SystemTime, usize)>,
}

impl Messages {
    pub(crate) fn new(span: Recording, direction: Direction) -> Self {
        Self {
            span,
            direction,
            seen: 0,
            first: None,
        }
    }

    /// A message of `size` bytes, as it is sent, begins.
    pub(crate) fn note(&mut self, size: usize) {
        if self.seen >= MAX {
            return;
        }
        self.seen += 1;
        let now = SystemTime::now();
        if self.seen == 1 {
            self.first = Some((now, size));
            return;
        }
        if let Some((time, size)) = self.first.take() {
            self.event(1, time, size);
        }
        self.event(self.seen, now, size);
    }

    fn event(&self, id: u32, time: SystemTime, size: usize) {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let attributes = vec![
            KeyValue::new("rpc.message.type", self.direction.name()),
            KeyValue::new("rpc.message.id", i64::from(id)),
            KeyValue::new("rpc.message.compressed_size", size),
        ];
        let span = self.span.context().span();
        span.add_event_with_timestamp("rpc.message", time, attributes);
    }
}

/// Notes the messages in pieces of data.
#[derive(Debug)]
pub(super) struct Sent {
    boundaries: Boundaries,
    messages: Messages,
}

impl Sent {
    pub(super) fn of(span: Recording) -> Self {
        Self {
            boundaries: Boundaries::default(),
            messages: Messages::new(span, Direction::Sent),
        }
    }

    pub(super) fn note(&mut self, data: &[u8]) {
        let messages = &mut self.messages;
        // There is no limit to be above.
        let _ = self
            .boundaries
            .advance(data, usize::MAX, |size| messages.note(size));
    }
}

pin_project! {
    /// A request whose messages are noted.
    #[derive(Debug)]
    pub(super) struct SentBody<B> {
        #[pin]
        inner: B,
        sent: Sent,
    }
}

impl<B> SentBody<B> {
    pub(super) fn new(inner: B, sent: Sent) -> Self {
        Self { inner, sent }
    }
}

impl<B: Body<Data = Bytes>> Body for SentBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = this.inner.poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.sent.note(data);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SpanData;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    use super::*;
    use crate::middleware::trace::span;
    use crate::telemetry::recorder::Recorder;

    /// The events of a span in whose call messages of these sizes were sent.
    fn events(sizes: &[usize]) -> Vec<String> {
        let recorder = Recorder::start("info");
        {
            let span = span::server("/a.A/B");
            let recording = Recording::of(&span.context()).expect("recorded");
            let mut sent = Sent::of(recording);
            let mut data = Vec::new();
            for size in sizes {
                data.push(0);
                data.extend(u32::try_from(*size).expect("small").to_be_bytes());
                data.extend(vec![7; *size]);
            }
            data.chunks(3).for_each(|piece| sent.note(piece));
        }
        let text = |span: &SpanData| -> Vec<String> {
            let events = span.events.iter().map(|event| {
                let attributes = event.attributes.iter();
                let attributes = attributes.map(|it| format!("{}={}", it.key, it.value));
                format!(
                    "{} {}",
                    event.name,
                    attributes.collect::<Vec<_>>().join(" ")
                )
            });
            events.collect()
        };
        text(&recorder.spans()[0])
    }

    #[test]
    fn the_messages_of_a_stream_are_events_and_the_only_one_of_a_call_is_none() {
        assert_eq!(events(&[7]), [""; 0]);
        let event = |id: u32, size: u32| {
            format!(
                "rpc.message rpc.message.type=SENT rpc.message.id={id} \
                 rpc.message.compressed_size={size}"
            )
        };
        assert_eq!(
            events(&[7, 0, 300]),
            [event(1, 7), event(2, 0), event(3, 300)]
        );
    }

    #[test]
    fn a_stream_that_lasts_does_not_fill_its_span() {
        assert_eq!(events(&[1; 1_000]).len(), MAX as usize);
    }
}
