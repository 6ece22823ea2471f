//! The charts of the page: shapes in a square of 1,000, which the page stretches, and labels beside them,
//! which it does not.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Point, Report, Slice};
use crate::bench::timeline::bounds;

/// The length of the sides of the square.
const SIDE: f64 = 1_000.0;
/// A heat map has no more columns than this.
const MOST_COLUMNS: usize = 128;
/// So many bins of latencies are one row of a heat map: a quarter of a doubling.
const BINS_PER_ROW: usize = 4;

/// A chart.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Chart {
    title: &'static str,
    /// What is shown, in words.
    note: String,
    /// The shapes, as SVG.
    shapes: String,
    /// Labels from bottom to top.
    rows: Vec<Label>,
    /// Labels from left to right.
    columns: Vec<Label>,
    /// The names of the lines.
    legend: Vec<Line>,
}

/// A label at a share of the side, in percent.
#[derive(Clone, Debug, Serialize)]
struct Label {
    at: f64,
    text: String,
}

/// A line's class and name.
#[derive(Clone, Debug, Serialize)]
struct Line {
    class: &'static str,
    name: String,
}

/// A line's class and name, and how its values are read.
type Reading = (&'static str, &'static str, fn(&Slice) -> Option<f64>);

/// From values to shares of a side.
#[derive(Clone, Copy, Debug)]
struct Scale {
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Scale {
    fn linear(to: f64) -> Self {
        Self {
            from: 0.0,
            to: if to > 0.0 { to } else { 1.0 },
            is_logarithmic: false,
        }
    }

    /// From the power of ten, or 2 or 5 times that, below all values to the one above them.
    fn logarithmic(values: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut least, mut greatest) = (f64::INFINITY, 0.0f64);
        for value in values.filter(|value| *value > 0.0) {
            least = least.min(value);
            greatest = greatest.max(value);
        }
        if greatest == 0.0 {
            return None;
        }
        let steps = steps();
        let from = steps.iter().rev().find(|step| **step <= least);
        let to = steps.iter().find(|step| **step >= greatest);
        let (from, to) = (*from.unwrap_or(&steps[0]), *to?);
        Some(Self {
            from,
            to: if to > from { to } else { from * 10.0 },
            is_logarithmic: true,
        })
    }

    fn at(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        share.clamp(0.0, 1.0)
    }

    fn labels(&self, text: fn(f64) -> String) -> Vec<Label> {
        let values: Vec<f64> = if self.is_logarithmic {
            let all = steps();
            let within = all
                .into_iter()
                .filter(|step| (self.from..=self.to).contains(step));
            let within: Vec<f64> = within.collect();
            // A dozen labels are enough: then only the powers of ten.
            let is_power = |value: &f64| (value.log10() - value.log10().round()).abs() < 1e-9;
            match within.len() {
                0..=10 => within,
                _ => within.into_iter().filter(is_power).collect(),
            }
        } else {
            (0..=4)
                .map(|index| self.to * f64::from(index) / 4.0)
                .collect()
        };
        let label = |value: f64| Label {
            at: percent(self.at(value)),
            text: text(value),
        };
        values.into_iter().map(label).collect()
    }
}

/// 1, 2 and 5 times powers of ten, from a tenth of a microsecond to days.
fn steps() -> Vec<f64> {
    let powers = (-1..12).map(|power| 10f64.powi(power));
    powers
        .flat_map(|power| [power, power * 2.0, power * 5.0])
        .collect()
}

fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

/// All charts of a report; none without calls.
pub(super) fn charts(report: &Report) -> Vec<Chart> {
    let charts = [
        latency_over_time(report),
        rate_over_time(report),
        quantiles(report),
        heat_map(report),
    ];
    charts.into_iter().flatten().collect()
}

fn latency_over_time(report: &Report) -> Option<Chart> {
    const LINES: [Reading; 4] = [
        ("d", "max", |slice| slice.max_us),
        ("c", "p99", |slice| slice.p99_us),
        ("b", "p90", |slice| slice.p90_us),
        ("a", "p50", |slice| slice.p50_us),
    ];
    let slices = &report.timeline.slices;
    let values = slices
        .iter()
        .flat_map(|slice| LINES.map(|line| (line.2)(slice)));
    let rows = Scale::logarithmic(values.flatten())?;
    let columns = time(report);
    let mut shapes = grid(&rows.labels(microseconds));
    for (class, _, read) in LINES {
        let points = slices.iter().filter_map(|slice| {
            let middle = slice.at_seconds + report.timeline.slice_seconds / 2.0;
            Some((columns.at(middle), rows.at(read(slice)?)))
        });
        line(&mut shapes, class, points);
    }
    Some(Chart {
        title: "Latency over time",
        note: format!(
            "Of the calls that were due in each {}, whenever they ended.",
            seconds(report.timeline.slice_seconds)
        ),
        shapes,
        rows: rows.labels(microseconds),
        columns: columns.labels(seconds),
        legend: legend(LINES.iter().rev().map(|line| (line.0, line.1))),
    })
}

fn rate_over_time(report: &Report) -> Option<Chart> {
    let width = report.timeline.slice_seconds;
    let slices = &report.timeline.slices;
    let rates = slices.iter().map(|slice| slice.completed as f64 / width);
    let most = rates.fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let (rows, columns) = (Scale::linear(nice(most)), time(report));
    let mut shapes = grid(&rows.labels(count));
    let at = |slice: &Slice| columns.at(slice.at_seconds + width / 2.0);
    let all = slices
        .iter()
        .map(|slice| (at(slice), rows.at(slice.completed as f64 / width)));
    line(&mut shapes, "a", all);
    let failed = slices
        .iter()
        .map(|slice| (at(slice), rows.at(slice.failed as f64 / width)));
    line(&mut shapes, "d", failed);
    Some(Chart {
        title: "Calls a second",
        note: "By when they were due. The last slice may be cut.".to_owned(),
        shapes,
        rows: rows.labels(count),
        columns: columns.labels(seconds),
        legend: legend([("a", "ended"), ("d", "failed")].into_iter()),
    })
}

fn quantiles(report: &Report) -> Option<Chart> {
    let mut curves = vec![("a", "this bench", &report.quantile_curve)];
    if let Some(comparison) = &report.comparison {
        curves.insert(0, ("c", "before", &comparison.quantile_curve));
    }
    let values = curves
        .iter()
        .flat_map(|curve| curve.2.iter().map(|point| point.us));
    let rows = Scale::logarithmic(values)?;
    // Each step to the right leaves out a tenth as many calls.
    let nines = |quantile: f64| -(1.0 - quantile).max(1e-9).log10();
    let points = curves.iter().flat_map(|curve| curve.2.iter());
    let most = points
        .map(|point| nines(point.quantile))
        .fold(1.0, f64::max);
    let columns = Scale::linear(most);
    let labels = [
        "0 %",
        "90 %",
        "99 %",
        "99.9 %",
        "99.99 %",
        "99.999 %",
        "99.9999 %",
    ];
    let labels = labels.iter().enumerate().map(|(index, text)| Label {
        at: percent(index as f64 / most),
        text: (*text).to_owned(),
    });
    let mut shapes = grid(&rows.labels(microseconds));
    for (class, _, curve) in &curves {
        let at = |point: &Point| (columns.at(nines(point.quantile)), rows.at(point.us));
        line(&mut shapes, class, curve.iter().map(at));
    }
    Some(Chart {
        title: "Quantiles",
        note: "Which share of the calls took no longer than that.".to_owned(),
        shapes,
        rows: rows.labels(microseconds),
        columns: labels.filter(|label| label.at <= 100.0).collect(),
        legend: legend(curves.iter().map(|curve| (curve.0, curve.1))),
    })
}

fn heat_map(report: &Report) -> Option<Chart> {
    let slices = &report.timeline.slices;
    let together = slices.len().div_ceil(MOST_COLUMNS).max(1);
    let mut cells = std::collections::BTreeMap::<(usize, usize), u64>::new();
    for (index, slice) in slices.iter().enumerate() {
        for [bin, count] in &slice.bins {
            let row = (*bin as usize).saturating_sub(1) / BINS_PER_ROW;
            *cells.entry((index / together, row)).or_default() += count;
        }
    }
    let most = *cells.values().max()? as f64;
    let bound = |row: usize| bounds(1 + row * BINS_PER_ROW).0;
    let ends = cells
        .keys()
        .flat_map(|(_, row)| [bound(*row), bound(row + 1)]);
    let rows = Scale::logarithmic(ends)?;
    let columns = time(report);
    let width = report.timeline.slice_seconds * together as f64;
    let mut shapes = String::new();
    for ((column, row), count) in &cells {
        let left = columns.at(*column as f64 * width) * SIDE;
        let right = columns.at((column + 1) as f64 * width) * SIDE;
        let bottom = rows.at(bound(*row)) * SIDE;
        let top = rows.at(bound(row + 1)) * SIDE;
        // The eye tells apart what is several times as much.
        let heat = ((*count as f64).ln_1p() / most.ln_1p()).max(0.06);
        let _ = write!(
            shapes,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" opacity=\"{heat:.2}\"/>",
            SIDE - top,
            (right - left).max(1.0),
            top - bottom
        );
    }
    Some(Chart {
        title: "Heat map",
        note: "How many calls took how long, when: the stronger the colour, the more of them."
            .to_owned(),
        shapes,
        rows: rows.labels(microseconds),
        columns: columns.labels(seconds),
        legend: Vec::new(),
    })
}

/// The time of the bench.
fn time(report: &Report) -> Scale {
    Scale::linear(report.timeline.slices.len() as f64 * report.timeline.slice_seconds)
}

/// The next of 1, 2 or 5 times a power of ten, or a value between.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let factors = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];
    let factor = factors.into_iter().find(|factor| factor * power >= value);
    factor.unwrap_or(10.0) * power
}

fn grid(rows: &[Label]) -> String {
    let mut shapes = String::new();
    for Label { at, .. } in rows {
        let y = SIDE - at * SIDE / 100.0;
        let _ = write!(shapes, "<path class=\"grid\" d=\"M0 {y:.1}H1000\"/>");
    }
    shapes
}

fn line(shapes: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
    let mut path = String::new();
    for (x, y) in points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", x * SIDE, SIDE - y * SIDE);
    }
    let _ = write!(shapes, "<path class=\"line {class}\" d=\"{path}\"/>");
}

fn legend<'a>(lines: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<Line> {
    lines
        .map(|(class, name)| Line {
            class,
            name: name.to_owned(),
        })
        .collect()
}

fn microseconds(value: f64) -> String {
    match value {
        value if value < 1e3 => format!("{} µs", short(value)),
        value if value < 1e6 => format!("{} ms", short(value / 1e3)),
        value => seconds(value / 1e6),
    }
}

fn seconds(value: f64) -> String {
    match value {
        value if value < 120.0 => format!("{} s", short(value)),
        value if value < 7_200.0 => format!("{} min", short(value / 60.0)),
        value => format!("{} h", short(value / 3_600.0)),
    }
}

fn count(value: f64) -> String {
    match value {
        value if value < 10_000.0 => short(value),
        value if value < 1e6 => format!("{}k", short(value / 1e3)),
        value => format!("{}M", short(value / 1e6)),
    }
}

/// A number with two decimals at most.
fn short(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}
