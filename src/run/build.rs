//! Building with cargo, and showing what it is doing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdout, Command};

use crate::error::Diagnostic;
use crate::printer::Printer;
use crate::run::{cargo_progress, process};

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
            Self::NoProgram(name) => Some(format!("`{}` makes one", main_file(name))),
            Self::Failed { .. } => None,
        }
    }
}

/// Where the program of a service begins, below the workspace's folder.
fn main_file(service: &str) -> String {
    format!("services/{service}/src/main.rs")
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
    // Features as all members together want them: with those of some alone, dependencies would be built
    // once more for each choice of services, and for each `cargo build`.
    command.arg("--workspace");
    for service in &options.services {
        command.args(["--bin", service]);
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
    let (programs, said) = tokio::join!(
        programs(stdout, printer),
        cargo_progress::show(stderr, printer)
    );
    let status = child.wait().await.map_err(|source| BuildError::NoCargo {
        cargo: PathBuf::from(&options.cargo),
        source,
    })?;
    group.0 = None;
    if !status.success() {
        if let Some(missing) = said.lacking {
            return Err(BuildError::NoProgram(missing));
        }
        let said = said.unprinted + &programs.said;
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
