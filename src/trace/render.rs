//! Traces as text and as JSON.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};

use super::escape::escaped;
use super::model::{Log, Tag};
use super::tree::{Node, Tree};
use crate::duration;

/// How wide the picture of a trace's time is.
const BAR_WIDTH: u64 = 24;
/// The most columns of the names in a tree.
const WIDEST_NAMES: usize = 72;
/// A day, in seconds.
const DAY: u64 = 86_400;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug)]
pub struct Colors(pub bool);

impl Colors {
    fn paint(self, style: Style, text: &str) -> String {
        match self.0 {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }

    fn error(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }
}

/// A moment in microseconds since 1970 as `2026-01-31T08:05:09.123Z`.
pub fn moment(micros: u64) -> String {
    let (seconds, millis) = (micros / 1_000_000, micros / 1000 % 1000);
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The date of a day that is counted from 1970, in the Gregorian calendar: years are counted from
/// March, so that the day that is added now and then is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    /// From March of the year 0 to January of 1970.
    const OFFSET: u64 = 719_468;
    const FOUR_CENTURIES: u64 = 146_097;
    let days = days + OFFSET;
    let (era, day_of_era) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months have 153 days, from March on.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = match month_from_march {
        0..=9 => month_from_march + 3,
        _ => month_from_march - 9,
    };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

fn human(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        _ => duration::human(Duration::from_micros(micros)),
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A line of `msvc trace show`, before its columns are as wide as the widest.
struct Line {
    names: String,
    times: Option<(u64, u64)>,
    note: String,
}

/// A trace as a tree with its times. `details` adds what is known of each span.
pub fn tree(tree: &Tree, details: bool, colors: Colors) -> String {
    let mut summary = format!(
        "trace {}  {}  {}, {}, {}",
        escaped(&tree.id),
        moment(tree.start),
        human(tree.duration),
        counted(tree.spans, "span"),
        counted(tree.services.len(), "service"),
    );
    if tree.errors > 0 {
        let errors = counted(tree.errors, "error");
        summary += &format!(", {}", colors.error(&errors));
    }
    let mut lines = Vec::new();
    let roots = tree.roots.iter();
    let mut waiting: Vec<(&Node, String, String)> = roots
        .rev()
        .map(|root| (root, String::new(), String::new()))
        .collect();
    while let Some((node, first, rest)) = waiting.pop() {
        lines.push(line(node, &first, colors));
        if details {
            let below = if node.children.is_empty() {
                "   "
            } else {
                "│  "
            };
            lines.extend(detail_lines(node, &format!("{rest}{below}")));
        }
        let last = node.children.len();
        let children = node.children.iter().enumerate().rev();
        waiting.extend(children.map(|(number, child)| {
            let (own, below) = match number + 1 == last {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            (child, format!("{rest}{own}"), format!("{rest}{below}"))
        }));
    }
    let timed = lines.iter().filter(|line| line.times.is_some());
    let width = timed
        .map(|line| line.names.chars().count())
        .max()
        .unwrap_or(0);
    let width = width.min(WIDEST_NAMES);
    let mut text = format!("{summary}\n\n");
    for line in lines {
        let Some((offset, duration)) = line.times else {
            text += &format!("{}\n", colors.dim(&line.names));
            continue;
        };
        let padded = format!(
            "{:<width$}  {:>8}  {:>8}  {} {}",
            line.names,
            human(offset),
            human(duration),
            bar(offset, duration, tree.duration),
            line.note
        );
        text += padded.trim_end();
        text.push('\n');
    }
    text
}

fn line(node: &Node, lead: &str, colors: Colors) -> Line {
    let mut note = Vec::new();
    if let Some(error) = &node.error {
        note.push(colors.error(&format!("error: {}", escaped(error))));
    }
    if node.is_orphan {
        note.push(colors.dim("(its caller is missing)"));
    }
    let kind = match node.kind.as_str() {
        "" | "internal" | "server" => String::new(),
        kind => format!(" ({})", escaped(kind)),
    };
    Line {
        names: format!("{lead}{}{kind}", named(node)),
        times: Some((node.offset, node.duration)),
        note: note.join(" "),
    }
}

fn detail_lines(node: &Node, lead: &str) -> Vec<Line> {
    let plain = |text: String| Line {
        names: format!("{lead}  {text}"),
        times: None,
        note: String::new(),
    };
    let tags = node.tags.iter();
    let mut lines: Vec<Line> = tags.map(|tag| plain(pair(tag))).collect();
    lines.extend(node.logs.iter().map(|log| {
        let fields: Vec<String> = log.fields.iter().map(pair).collect();
        plain(format!("{}: {}", moment(log.timestamp), fields.join(", ")))
    }));
    lines
}

fn pair(tag: &Tag) -> String {
    match &tag.value {
        Value::String(text) => format!("{} = {}", escaped(&tag.key), escaped(text)),
        other => format!("{} = {}", escaped(&tag.key), escaped(&other.to_string())),
    }
}

/// Who did what.
fn named(node: &Node) -> String {
    format!("{}  {}", escaped(&node.service), escaped(&node.operation))
}

/// When a span was in the time of its trace.
fn bar(offset: u64, duration: u64, whole: u64) -> String {
    let whole = whole.max(1);
    let scaled = |micros: u64| {
        let scaled = u128::from(micros) * u128::from(BAR_WIDTH) / u128::from(whole);
        u64::try_from(scaled).unwrap_or(BAR_WIDTH)
    };
    let before = scaled(offset).min(BAR_WIDTH - 1);
    let during = scaled(duration).clamp(1, BAR_WIDTH - before);
    let after = BAR_WIDTH - before - during;
    let times = |text: &str, count: u64| text.repeat(usize::try_from(count).unwrap_or(0));
    times("·", before) + &times("█", during) + &times("·", after)
}

/// The heading of [`row`]s.
pub fn heading() -> String {
    format!(
        "{:<32}  {:<24}  {:>8}  {:>5}  {:>6}  root\n",
        "trace", "start", "took", "spans", "errors"
    )
}

/// A trace in a line.
pub fn row(tree: &Tree, colors: Colors) -> String {
    let root = tree.roots.first();
    let root = root.map_or_else(String::new, named);
    let errors = format!("{:>6}", tree.errors);
    format!(
        "{:<32}  {}  {:>8}  {:>5}  {}  {root}\n",
        escaped(&tree.id),
        moment(tree.start),
        human(tree.duration),
        tree.spans,
        match tree.errors {
            0 => errors,
            _ => colors.error(&errors),
        },
    )
}

/// A trace without its spans.
pub fn summary_json(tree: &Tree) -> Value {
    let root = tree.roots.first();
    json!({
        "trace_id": tree.id,
        "start": moment(tree.start),
        "start_unix_us": tree.start,
        "duration_us": tree.duration,
        "spans": tree.spans,
        "errors": tree.errors,
        "services": tree.services,
        "root": root.map(|it| json!({ "service": it.service, "operation": it.operation })),
    })
}

/// A trace with its spans.
pub fn tree_json(tree: &Tree) -> Value {
    let mut value = summary_json(tree);
    value["roots"] = tree.roots.iter().map(node_json).collect();
    value
}

fn node_json(node: &Node) -> Value {
    json!({
        "span_id": node.span_id,
        "service": node.service,
        "operation": node.operation,
        "kind": node.kind,
        "offset_us": node.offset,
        "duration_us": node.duration,
        "error": node.error,
        "caller_is_missing": node.is_orphan,
        "tags": fields(&node.tags),
        "events": node.logs.iter().map(log_json).collect::<Vec<_>>(),
        "children": node.children.iter().map(node_json).collect::<Vec<_>>(),
    })
}

fn log_json(log: &Log) -> Value {
    json!({ "time": moment(log.timestamp), "fields": fields(&log.fields) })
}

fn fields(tags: &[Tag]) -> Map<String, Value> {
    let tags = tags.iter();
    tags.map(|tag| (tag.key.clone(), tag.value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_700_000_000, "2023-11-14T22:13:20.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(moment(seconds * 1_000_000), expected);
        }
        assert_eq!(moment(1_234_567), "1970-01-01T00:00:01.234Z");
    }

    #[test]
    fn what_spans_say_stays_in_its_line() {
        let bell = |name: &str, value: &str| json!({ "key": name, "value": value });
        let trace = serde_json::from_value(json!({
            "traceID": "a1",
            "spans": [{
                "traceID": "a1", "spanID": "1", "operationName": "get\u{1b}[2J",
                "startTime": 0, "duration": 1, "processID": "p1",
                "tags": [bell("k\n", "v\u{7}"), json!({ "key": "error", "value": true })],
                "logs": [{ "timestamp": 0, "fields": [bell("message", "a\nb")] }],
            }],
            "processes": { "p1": { "serviceName": "pets\r", "tags": [] } },
        }));
        let tree = Tree::new(&trace.expect("a trace"));
        let shown = super::tree(&tree, true, Colors(false)) + &row(&tree, Colors(false));
        let control: Vec<&str> = shown
            .lines()
            .filter(|it| it.contains(char::is_control))
            .collect();
        assert_eq!(control, [""; 0]);
        for expected in [r"pets\r  get\u{1b}[2J", r"k\n = v\u{7}", r"message = a\nb"] {
            assert!(shown.contains(expected), "{shown}");
        }
        assert_eq!(shown.lines().count(), 7, "{shown}");
    }

    #[test]
    fn a_bar_shows_when_a_span_was() {
        assert_eq!(bar(0, 100, 100), "█".repeat(24));
        assert_eq!(
            bar(50, 25, 100),
            "·".repeat(12) + &"█".repeat(6) + &"·".repeat(6)
        );
        assert_eq!(bar(100, 0, 100), "·".repeat(23) + "█");
        assert_eq!(bar(0, 0, 0), "█".to_owned() + &"·".repeat(23));
        assert_eq!(bar(u64::MAX, u64::MAX, 1), "·".repeat(23) + "█");
    }
}
