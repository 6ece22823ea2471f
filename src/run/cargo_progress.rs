//! What cargo says while it builds, and what of it is shown.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::printer::Printer;

/// How often a line tells of progress where lines are not redrawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(2);

/// What cargo said that matters once it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What a quiet printer did not print.
    pub unprinted: String,
    /// The program that the workspace does not have, printed or not.
    pub lacking: Option<String>,
}

/// Shows cargo's own progress (`Building [=> ] 12/155: tonic, hyper`) as ours, and from its first
/// error on all that it says.
pub async fn show(mut stderr: impl AsyncRead + Unpin, printer: &Printer) -> Said {
    let mut screen = Screen::new(printer);
    // A read may end anywhere, also within a character.
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        pending.extend_from_slice(&buffer[..read]);
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let whole = pending.iter().rposition(is_end).map_or(0, |end| end + 1);
        for line in pending[..whole].split_inclusive(is_end) {
            screen.show(line);
        }
        pending.drain(..whole);
    }
    screen.show(&pending);
    screen.bar.finish_and_clear();
    screen.said
}

/// What is shown of cargo's lines so far.
struct Screen<'a> {
    printer: &'a Printer,
    bar: ProgressBar,
    is_failing: bool,
    last_line: Instant,
    said: Said,
}

impl<'a> Screen<'a> {
    fn new(printer: &'a Printer) -> Self {
        Self {
            printer,
            // How much there is to do is known when cargo says so.
            bar: printer.progress("Building", 0),
            is_failing: false,
            last_line: Instant::now(),
            said: Said::default(),
        }
    }

    /// Shows a line with its end, if it has one.
    fn show(&mut self, raw: &[u8]) {
        let raw = String::from_utf8_lossy(raw);
        let line = console::strip_ansi_codes(&raw);
        self.is_failing |= line.starts_with("error");
        if let Some(name) = lacking(&line) {
            self.said.lacking.get_or_insert_with(|| name.to_owned());
        }
        match Line::parse(&line, self.is_failing) {
            Line::Progress(progress) => self.progress(progress),
            Line::Passing(text) => self.bar.set_message(text),
            Line::Detail(text) => {
                self.printer.detail(&text);
                self.bar.set_message(text);
            }
            Line::News(text) if self.printer.is_quiet() => {
                self.said.unprinted += &format!("\n{text}");
            }
            Line::News(text) => self.printer.line(&text),
            Line::Empty => {}
        }
    }

    fn progress(&mut self, progress: Progress) {
        let Progress {
            done,
            total,
            crates,
        } = progress;
        if self.bar.length() != Some(total) {
            self.bar.finish_and_clear();
            self.bar = self.printer.progress("Building", total);
        }
        self.bar.set_position(done);
        self.bar.set_message(crates.clone());
        if !self.printer.is_live() && self.last_line.elapsed() >= PLAIN_INTERVAL {
            self.last_line = Instant::now();
            self.printer
                .step("Building", format!("{done}/{total} {crates}"));
        }
    }
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

/// The program that cargo, in its own words, finds nowhere.
fn lacking(line: &str) -> Option<&str> {
    let (_, after) = line.split_once("no bin target named `")?;
    let (name, _) = after.split_once('`')?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;
    use crate::cli::GlobalArgs;

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

    #[tokio::test]
    async fn characters_cut_by_a_read_and_a_last_line_without_an_end_are_told() {
        let quiet = GlobalArgs {
            quiet: true,
            ..GlobalArgs::default()
        };
        let printer = Printer::new(&quiet, &Environment::default());
        // Characters of two bytes after seven: a read of an even size ends within one.
        let long = format!("error: {}", "ü".repeat(5000));
        let said = format!("{long}\nerror: the last");
        let told = show(said.as_bytes(), &printer).await;
        assert_eq!(told.unprinted, format!("\n{long}\nerror: the last"));
        assert_eq!(told.lacking, None);
    }

    #[tokio::test]
    async fn a_program_that_is_nowhere_is_known_whether_or_not_it_is_printed() {
        let line = "error: no bin target named `alpha` in default-run packages\n";
        for quiet in [false, true] {
            let args = GlobalArgs {
                quiet,
                ..GlobalArgs::default()
            };
            let printer = Printer::new(&args, &Environment::default());
            let colored = format!(
                "\u{1b}[1m\u{1b}[91merror\u{1b}[0m{}",
                &line["error".len()..]
            );
            for line in [line, &colored] {
                let told = show(line.as_bytes(), &printer).await;
                assert_eq!(told.lacking.as_deref(), Some("alpha"), "{line}");
                assert_eq!(told.unprinted.is_empty(), !quiet, "{line}");
            }
        }
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
