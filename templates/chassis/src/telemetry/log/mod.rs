//! Structured logs on the standard output: a line an event, in one of two formats.

pub(crate) mod calls;
mod clock;
mod json;
pub(crate) mod level;
mod pretty;
mod text;
mod writer;

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, TraceContextExt};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Color, Log, LogFormat};
use calls::{CallLine, Calls};
#[cfg(feature = "tls")]
pub(crate) use clock::Utc;
use level::Levels;
pub(super) use text::digits;
pub(super) use writer::Writer;

/// The variable that asks programs not to colour what they print (<https://no-color.org>).
const NO_COLOR: &str = "NO_COLOR";

/// The layer that writes what `config` asks for, changed by `levels`, what writes the lines of
/// calls, and what to flush at the end.
pub(super) fn layer<S>(config: &Log, levels: &Levels) -> (impl Layer<S> + use<S>, Calls, Writer)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let no_color = std::env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty());
    let color = match config.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => !no_color && std::io::stdout().is_terminal(),
    };
    let format = match config.format {
        LogFormat::Json => Format::Json,
        LogFormat::Pretty => Format::Pretty { color },
    };
    let writer = Writer::start(std::io::stdout());
    let lines = writer.clone();
    let layer = lines_to(levels, format, move |line| lines.write(line));
    let calls = Calls {
        format,
        levels: levels.clone(),
        writer: writer.clone(),
    };
    (layer, calls, writer)
}

/// The layer that hands lines to `write`.
pub(super) fn lines_to<S, W>(levels: &Levels, format: Format, write: W) -> impl Layer<S> + use<S, W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Fn(&[u8]) + Send + Sync + 'static,
{
    let filter = Wanted(levels.clone());
    Lines { format, write }.with_filter(filter)
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    Json,
    Pretty { color: bool },
}

/// Hands a line for each event to `write`, whole.
struct Lines<W> {
    format: Format,
    write: W,
}

impl<S: Subscriber, W: Fn(&[u8]) + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        with_line(|line| {
            self.format
                .write(event, SystemTime::now(), &span_context(), line);
            (self.write)(line);
        });
    }
}

/// Has `write` write a line into the buffer of this thread, which is empty.
fn with_line(mut write: impl FnMut(&mut Vec<u8>)) {
    thread_local! {
        static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    LINE.with(|line| match line.try_borrow_mut() {
        Ok(mut line) => {
            line.clear();
            write(&mut line);
        }
        // A value that logs while it is being formatted.
        Err(_) => write(&mut Vec::new()),
    });
}

impl Format {
    fn write(self, event: &Event<'_>, time: SystemTime, span: &SpanContext, line: &mut Vec<u8>) {
        match self {
            Self::Json => json::write(event, time, span, line),
            Self::Pretty { color } => pretty::write(event, time, span, color, line),
        }
        line.push(b'\n');
    }

    fn write_call(self, call: &CallLine<'_>, time: SystemTime, line: &mut Vec<u8>) {
        match self {
            Self::Json => json::write_call(call, time, line),
            Self::Pretty { color } => pretty::write_call(call, time, color, line),
        }
        line.push(b'\n');
    }
}

/// The span that the event is in, if there is one.
fn span_context() -> SpanContext {
    opentelemetry::Context::map_current(|context| context.span().span_context().clone())
}

/// Lets events through by their level and target, and every span: a filter that hid a span would
/// cost the events inside it their trace id.
#[derive(Debug)]
struct Wanted(Levels);

impl Wanted {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        (metadata.is_span() && *metadata.level() <= Level::INFO) || self.0.wants(metadata)
    }
}

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.wants(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.most().max(LevelFilter::INFO))
    }
}

#[cfg(test)]
mod tests;
