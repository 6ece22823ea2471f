//! A report as one HTML page that needs nothing beside itself: no script, no font, no network.

use serde::Serialize;
use tera::{Context, Tera};

use super::charts::charts;
use super::table::{self, ROWS, cells, time};
use super::text::{load, place, totals};
use super::{Quantiles, Report};

const PAGE: &str = include_str!("page.html.tera");

/// A row of the table of latencies.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    cells: Vec<String>,
}

/// Renders the page.
pub fn html(report: &Report) -> String {
    let mut columns: Vec<(&str, &Quantiles)> = vec![("latency", &report.latency)];
    let others = [
        ("of OK calls", report.latency_ok.as_ref()),
        ("service time", report.service_time.as_ref()),
        (
            "first message",
            report.streams.as_ref().map(|all| &all.first_message),
        ),
        ("gap", report.streams.as_ref().map(|all| &all.gap)),
        (
            "echo",
            report.streams.as_ref().and_then(|all| all.echo.as_ref()),
        ),
    ];
    columns.extend(
        others
            .into_iter()
            .filter_map(|(name, all)| Some((name, all?))),
    );
    let rows = ROWS.iter().chain(&MEANS).map(|(name, read)| Row {
        name,
        cells: columns.iter().map(|(_, all)| time(read(all))).collect(),
    });
    let thresholds = report.thresholds.iter();
    let thresholds: Vec<[String; 3]> = thresholds
        .map(|judged| {
            let verdict = judged.verdict.to_string();
            [judged.threshold.clone(), verdict, judged.shown()]
        })
        .collect();
    let changes = report.comparison.iter().flat_map(|all| &all.metrics);
    let changes: Vec<[String; 5]> = changes.map(cells).collect();
    let mut context = Context::new();
    context.insert("changes", &changes);
    context.insert(
        "baseline",
        &report.comparison.as_ref().map(|all| &all.baseline),
    );
    context.insert("verdict", report.verdict.kind.name());
    context.insert("why", &report.verdict.why);
    context.insert("method", &report.subject.method);
    context.insert("place", &place(report));
    context.insert("load", &load(report));
    context.insert("totals", &totals(report));
    context.insert("charts", &charts(report));
    let heads: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    context.insert("heads", &heads);
    context.insert("rows", &rows.collect::<Vec<_>>());
    context.insert("codes", &report.codes);
    context.insert("notes", &report.notes);
    context.insert("invalid", &report.invalid);
    context.insert("thresholds", &thresholds);
    // Within a script, nothing may look like its end.
    let data = super::json(report).replace('<', "\\u003c");
    context.insert("data", &data);
    Tera::one_off(PAGE, &context, true).expect("the template is ours, and tested")
}

/// The rows below those of quantiles.
const MEANS: [table::Row; 2] = [
    ("mean", |all| all.mean_us),
    ("deviation", |all| all.deviation_us),
];
