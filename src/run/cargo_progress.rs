//! What cargo says while it builds, and what of it is shown.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;

use crate::printer::Printer;

/// How often a line tells of progress where lines are not redrawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(2);

/// Shows cargo's own progress (`Building [=> ] 12/155: tonic, hyper`) as ours, and from its first
/// error on all that it says; returned where it was not printed.
pub async fn show(mut stderr: ChildStderr, printer: &Printer) -> String {
    // How much there is to do is known when cargo says so.
    let mut bar = printer.progress("Building", 0);
    let mut said = String::new();
    let mut is_failing = false;
    let mut pending = String::new();
    let mut buffer = [0; 4096];
    let mut last_line = Instant::now();
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        pending.push_str(&String::from_utf8_lossy(&buffer[..read]));
        while let Some(end) = pending.find(['\r', '\n']) {
            let raw: String = pending.drain(..=end).collect();
            let line = console::strip_ansi_codes(&raw);
            is_failing |= line.starts_with("error");
            match Line::parse(&line, is_failing) {
                Line::Progress(progress) => {
                    if bar.length() != Some(progress.total) {
                        bar.finish_and_clear();
                        bar = printer.progress("Building", progress.total);
                    }
                    bar.set_position(progress.done);
                    bar.set_message(progress.crates.clone());
                    if !printer.is_live() && last_line.elapsed() >= PLAIN_INTERVAL {
                        last_line = Instant::now();
                        let Progress {
                            done,
                            total,
                            crates,
                        } = progress;
                        printer.step("Building", format!("{done}/{total} {crates}"));
                    }
                }
                Line::Passing(text) => bar.set_message(text),
                Line::Detail(text) => {
                    printer.detail(&text);
                    bar.set_message(text);
                }
                Line::News(text) if printer.is_quiet() => said += &format!("\n{text}"),
                Line::News(text) => printer.line(&text),
                Line::Empty => {}
            }
        }
    }
    bar.finish_and_clear();
    said
}

/// A line of cargo's, by what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// How much is built.
    Progress(Progress),
    /// The next one takes its place: `Downloading 3 crates, remaining bytes: 12KiB`.
    Passing(String),
    /// For those who want to know more.
    Detail(String),
    /// Why nothing is built yet, or what is to be mended.
    News(String),
    /// Cargo clears its own progress with empty lines.
    Empty,
}

impl Line {
    /// Reads a line with its end, which is a carriage return where cargo will write over it. All
    /// that cargo says once it is failing is news.
    fn parse(raw: &str, is_failing: bool) -> Self {
        const NEWS: &[&str] = &["Blocking", "Updating", "Downloading", "warning"];
        let line = raw.trim_end();
        let text = line.trim_start();
        if text.is_empty() {
            return Self::Empty;
        }
        if let Some(progress) = parse_progress(text) {
            return Self::Progress(progress);
        }
        if raw.ends_with('\r') {
            return Self::Passing(text.to_owned());
        }
        if is_failing || NEWS.iter().any(|start| text.starts_with(start)) {
            return Self::News(line.to_owned());
        }
        Self::Detail(text.to_owned())
    }
}

/// Where cargo is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    done: u64,
    total: u64,
    crates: String,
}

fn parse_progress(line: &str) -> Option<Progress> {
    let (_, after) = line.strip_prefix("Building")?.split_once(']')?;
    let (count, crates) = after.split_once(':').unwrap_or((after, ""));
    let (done, total) = count.trim().split_once('/')?;
    Some(Progress {
        done: done.parse().ok()?,
        total: total.parse().ok()?,
        crates: crates.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_progress_is_understood() {
        let progress = parse_progress("Building [=====>     ] 12/155: tonic, hyper");
        let expected = Progress {
            done: 12,
            total: 155,
            crates: "tonic, hyper".to_owned(),
        };
        assert_eq!(progress, Some(expected));
        assert_eq!(parse_progress("Compiling tonic v0.14.9"), None);
    }

    #[test]
    fn only_what_stays_on_cargos_screen_is_news() {
        for (raw, is_failing, expected) in [
            (
                " Downloading 3 crates, remaining bytes: 12KiB\r",
                false,
                Line::Passing("Downloading 3 crates, remaining bytes: 12KiB".to_owned()),
            ),
            (
                " Downloading crates ...\n",
                false,
                Line::News(" Downloading crates ...".to_owned()),
            ),
            (
                "   Compiling tonic v0.14.9\n",
                false,
                Line::Detail("Compiling tonic v0.14.9".to_owned()),
            ),
            (
                "  --> src/lib.rs:3:1\n",
                true,
                Line::News("  --> src/lib.rs:3:1".to_owned()),
            ),
            ("\r", true, Line::Empty),
        ] {
            assert_eq!(Line::parse(raw, is_failing), expected, "{raw:?}");
        }
    }
}
