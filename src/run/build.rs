//! Building with cargo, and showing what it is doing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdout, Command};

use crate::error::Diagnostic;
use crate::printer::Printer;
use crate::run::process;

/// How often a line tells of progress where lines are not redrawn.
const PLAIN_INTERVAL: Duration = Duration::from_secs(2);

/// Why there is nothing to run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo is not there.
    #[error("failed to start `{}`", .cargo.display())]
    NoCargo {
        /// What was called.
        cargo: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Cargo could not build.
    #[error("the build failed ({status}){said}")]
    Failed {
        /// How cargo ended.
        status: ExitStatus,
        /// What it said, where that was not printed as it came.
        said: String,
    },
    /// Cargo built no program of that name.
    #[error("the crate `{0}` has no program of its name")]
    NoProgram(String),
}

impl Diagnostic for BuildError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NoCargo { .. } => Some(
                "install Rust from https://rustup.rs, or set CARGO to where cargo is; \
                 `msvc doctor` shows what else is missing"
                    .to_owned(),
            ),
            Self::NoProgram(name) => Some(format!("`services/{name}/src/main.rs` makes one")),
            Self::Failed { .. } => None,
        }
    }
}

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The cargo to call.
    pub cargo: OsString,
    /// The workspace.
    pub root: PathBuf,
    /// The crates.
    pub services: Vec<String>,
    /// With optimisations.
    pub release: bool,
}

/// Builds and returns the program of each service.
///
/// # Errors
/// [`BuildError`]. Cargo's own errors are printed as they come.
pub async fn build(
    options: &BuildOptions,
    printer: &Printer,
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let color = if printer.colors_stderr() {
        "always"
    } else {
        "never"
    };
    let mut command = Command::new(&options.cargo);
    command.arg("build").arg(format!("--color={color}"));
    command.arg(if printer.colors_stderr() {
        "--message-format=json-diagnostic-rendered-ansi"
    } else {
        "--message-format=json"
    });
    if options.release {
        command.arg("--release");
    }
    for service in &options.services {
        command.args(["-p", service]);
    }
    let spawned = command
        .current_dir(&options.root)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "200")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C on the terminal is for this process, which ends cargo and all that it started.
        .process_group(0)
        .spawn();
    let mut child = spawned.map_err(|source| BuildError::NoCargo {
        cargo: PathBuf::from(&options.cargo),
        source,
    })?;
    let mut group = EndOnDrop(child.id());
    let (stdout, stderr) = match (child.stdout.take(), child.stderr.take()) {
        (Some(stdout), Some(stderr)) => (stdout, stderr),
        _ => unreachable!("both are piped"),
    };
    let started = Instant::now();
    let (programs, said) = tokio::join!(programs(stdout, printer), show_progress(stderr, printer));
    let status = child.wait().await.map_err(|source| BuildError::NoCargo {
        cargo: PathBuf::from(&options.cargo),
        source,
    })?;
    group.0 = None;
    if !status.success() {
        let said = said + &programs.said;
        return Err(BuildError::Failed { status, said });
    }
    let programs = programs.paths;
    if let Some(missing) = options
        .services
        .iter()
        .find(|name| !programs.contains_key(*name))
    {
        return Err(BuildError::NoProgram(missing.clone()));
    }
    let took = started.elapsed().as_secs_f64();
    printer.step(
        "Built",
        format!("{} in {took:.1} s", options.services.join(", ")),
    );
    Ok(programs)
}

/// Ends cargo, compilers and build scripts when nobody waits for them any more.
struct EndOnDrop(Option<u32>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            process::signal(pid, false);
        }
    }
}

/// What cargo's messages were about.
#[derive(Debug, Default)]
struct Programs {
    paths: BTreeMap<String, PathBuf>,
    /// The compiler's errors, where they were not printed.
    said: String,
}

/// Reads cargo's messages: the programs that it made; warnings and errors are printed, or, where
/// only problems are wanted, the errors kept.
async fn programs(stdout: ChildStdout, printer: &Printer) -> Programs {
    let mut programs = Programs::default();
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else {
            continue;
        };
        match message["reason"].as_str() {
            Some("compiler-message") => {
                if let Some(text) = message["message"]["rendered"].as_str() {
                    if !printer.is_quiet() {
                        printer.line(text.trim_end());
                    } else if message["message"]["level"] == "error" {
                        programs.said += &format!("\n{}", text.trim_end());
                    }
                }
            }
            Some("compiler-artifact") => {
                if let (Some(name), Some(path)) = (
                    message["target"]["name"].as_str(),
                    message["executable"].as_str(),
                ) {
                    programs
                        .paths
                        .insert(name.to_owned(), Path::new(path).to_owned());
                }
            }
            _ => {}
        }
    }
    programs
}

/// Shows cargo's own progress (`Building [=> ] 12/155: tonic, hyper`) as ours, and from its first
/// error on all that it says; returned where it was not printed.
async fn show_progress(mut stderr: ChildStderr, printer: &Printer) -> String {
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
            let line: String = pending.drain(..=end).collect();
            let line = console::strip_ansi_codes(&line).trim_end().to_owned();
            is_failing |= line.starts_with("error");
            if let Some(progress) = parse_progress(line.trim_start()) {
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
            } else if line.is_empty() {
                // Cargo clears its own progress with empty lines.
            } else if !is_failing && !is_news(line.trim_start()) {
                bar.set_message(line.trim_start().to_owned());
                printer.detail(line.trim_start());
            } else if printer.is_quiet() {
                said += &format!("\n{line}");
            } else {
                printer.line(&line);
            }
        }
    }
    bar.finish_and_clear();
    said
}

/// Whether a line of cargo's tells why nothing is built yet, or of something to be mended.
fn is_news(line: &str) -> bool {
    const NEWS: &[&str] = &["Blocking", "Updating", "Downloading", "warning"];
    NEWS.iter().any(|start| line.starts_with(start))
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
}
