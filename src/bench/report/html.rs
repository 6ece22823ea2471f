//! Reports as one HTML page that needs nothing beside itself: no script, no font, no network.

use serde::Serialize;
use tera::{Context, Tera};

use super::charts::{Chart, charts};
use super::table::{self, METHOD_HEADS, ROWS, cells, methods, time};
use super::text::{grouped, heading, load, looked_at, place, totals};
use super::{CodeCount, Quantiles, Report, Reports};

const PAGE: &str = include_str!("page.html.tera");

/// A row of the table of latencies.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    cells: Vec<String>,
}

/// What calls ended with: its name, how many of them, and samples of its messages with theirs.
#[derive(Serialize)]
struct Code {
    name: &'static str,
    count: String,
    samples: Vec<[String; 2]>,
}

/// What the page shows of a report.
#[derive(Serialize)]
struct Section {
    title: String,
    place: String,
    load: String,
    verdict: &'static str,
    why: String,
    invalid: Vec<String>,
    totals: Vec<(&'static str, String)>,
    codes: Vec<Code>,
    notes: Vec<String>,
    heads: Vec<&'static str>,
    rows: Vec<Row>,
    /// Each threshold, its verdict and what was measured.
    thresholds: Vec<[String; 3]>,
    /// Each metric of a comparison, before, now, by how much, and the verdict.
    changes: Vec<[String; 5]>,
    baseline: Option<String>,
    /// What was found in responses.
    responses: Vec<String>,
    charts: Vec<Chart>,
}

/// Renders the page; of a mix, all calls together stand first.
pub fn html(reports: &Reports) -> String {
    let whole = reports.whole();
    let parts = match reports.is_mixed() {
        true => reports.parts(),
        false => &[],
    };
    let sections: Vec<Section> = [whole].into_iter().chain(parts).map(section).collect();
    let mut context = Context::new();
    context.insert("title", whole.subject.title());
    context.insert("sections", &sections);
    context.insert("method_heads", &METHOD_HEADS);
    context.insert("methods", &methods(parts));
    // Within a script, nothing may look like its end.
    let data = serde_json::to_string(reports).expect("reports serialize");
    let data = data.replace('<', "\\u003c");
    context.insert("data", &data);
    Tera::one_off(PAGE, &context, true).expect("the template is ours, and tested")
}

fn section(report: &Report) -> Section {
    let columns = columns(report);
    let rows = ROWS.iter().chain(&MEANS).map(|(name, read)| Row {
        name,
        cells: columns.iter().map(|(_, all)| time(read(all))).collect(),
    });
    let thresholds = report.thresholds.iter().map(|judged| {
        let verdict = judged.verdict.to_string();
        [judged.threshold.clone(), verdict, judged.shown()]
    });
    let comparison = report.comparison.as_ref();
    let changes = comparison.into_iter().flat_map(|all| &all.metrics);
    Section {
        title: heading(report),
        place: place(report),
        load: load(report),
        verdict: report.verdict.kind.name(),
        why: report.verdict.why.clone(),
        invalid: report.invalid.clone(),
        totals: totals(report),
        codes: report.codes.iter().map(code).collect(),
        notes: report.notes.clone(),
        rows: rows.collect(),
        heads: columns.iter().map(|(name, _)| *name).collect(),
        thresholds: thresholds.collect(),
        changes: changes.map(cells).collect(),
        baseline: comparison.map(|all| all.baseline.clone()),
        responses: report.responses.as_ref().map(looked_at).unwrap_or_default(),
        charts: charts(report),
    }
}

fn code(code: &CodeCount) -> Code {
    let samples = code.samples.iter();
    Code {
        name: code.name,
        count: grouped(code.count),
        samples: samples
            .map(|sample| [sample.message.clone(), grouped(sample.count)])
            .collect(),
    }
}

/// The distributions of the table of latencies.
fn columns(report: &Report) -> Vec<(&'static str, &Quantiles)> {
    let streams = report.streams.as_ref();
    let columns = [
        ("latency", Some(&report.latency)),
        ("of OK calls", report.latency_ok.as_ref()),
        ("service time", report.service_time.as_ref()),
        ("first message", streams.map(|all| &all.first_message)),
        ("gap", streams.map(|all| &all.gap)),
        ("echo", streams.and_then(|all| all.echo.as_ref())),
    ];
    let known = columns.into_iter();
    known.filter_map(|(name, all)| Some((name, all?))).collect()
}

/// The rows below those of quantiles.
const MEANS: [table::Row; 2] = [
    ("mean", |all| all.mean_us),
    ("deviation", |all| all.deviation_us),
];
