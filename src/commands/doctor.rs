//! `msvc doctor`: what is installed, what is missing, and what each missing thing would be needed for.

use std::path::{Path, PathBuf};
use std::process::Command;

use anstyle::{AnsiColor, Style};
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::error::{Exit, Result, Silent};
use crate::infra::docker::connect;

/// Arguments of `msvc doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc doctor                  a table\n  \
    msvc doctor --format json    for a script\n\n\
    Exit code 1 when something is missing that every workspace needs.")]
pub struct DoctorArgs {}

/// One thing that was looked for.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    state: State,
    detail: String,
    needed_for: &'static str,
    required: bool,
}

/// How it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Found,
    /// It is there and of no use.
    Broken,
    Missing,
}

/// A program that is looked for on PATH.
struct Program {
    name: &'static str,
    names: &'static [&'static str],
    version: &'static [&'static str],
    /// The oldest version that will do.
    oldest: Option<(u32, u32)>,
    needed_for: &'static str,
    required: bool,
}

/// The oldest compiler that takes what is generated.
const OLDEST_RUST: (u32, u32) = (1, 88);

const PROGRAMS: &[Program] = &[
    Program {
        name: "cargo",
        names: &["cargo"],
        version: &["--version"],
        oldest: Some(OLDEST_RUST),
        needed_for: "`msvc run`: it builds the services (https://rustup.rs)",
        required: true,
    },
    Program {
        name: "rustc",
        names: &["rustc"],
        version: &["--version"],
        oldest: Some(OLDEST_RUST),
        needed_for: "`msvc run`: 1.88 or newer compiles the services (https://rustup.rs)",
        required: true,
    },
    Program {
        name: "C linker",
        names: &["cc", "gcc", "clang"],
        version: &["--version"],
        oldest: None,
        needed_for: "`msvc run`: rustc links with it (Debian: `apt-get install gcc`)",
        required: true,
    },
    Program {
        name: "git",
        names: &["git"],
        version: &["--version"],
        oldest: None,
        needed_for: "`msvc new`: puts a new workspace under version control",
        required: false,
    },
    Program {
        name: "consul",
        names: &["consul"],
        version: &["version"],
        oldest: None,
        needed_for: "nothing here: `msvc run` has a registry built in; a real one is used with CONSUL_HTTP_ADDR",
        required: false,
    },
    Program {
        name: "etcd",
        names: &["etcd"],
        version: &["--version"],
        oldest: None,
        needed_for: "nothing here: `msvc run` has its API built in; a real one is used with ETCDCTL_ENDPOINTS",
        required: false,
    },
];

/// Runs `msvc doctor`.
///
/// # Errors
/// Exit code 1 when something is missing that every workspace needs.
pub fn run(context: &Context, _args: DoctorArgs) -> Result {
    let mut findings: Vec<Finding> = PROGRAMS
        .iter()
        .map(|program| look_for(context, program))
        .collect();
    findings.push(docker(context));
    let is_healthy = findings
        .iter()
        .all(|finding| finding.state == State::Found || !finding.required);
    if context.printer.is_json() {
        context.printer.json(&serde_json::json!({
            "healthy": is_healthy,
            "version": env!("CARGO_PKG_VERSION"),
            "findings": findings,
        }))?;
    } else {
        context.printer.data(&table(context, &findings))?;
    }
    if is_healthy {
        Ok(())
    } else {
        Err(Silent(Exit::Failed).into())
    }
}

fn look_for(context: &Context, program: &Program) -> Finding {
    let given = context.environment.cargo.as_ref().map(PathBuf::from);
    let path = given.filter(|_| program.name == "cargo").or_else(|| {
        program
            .names
            .iter()
            .find_map(|name| which::which(name).ok())
    });
    let (state, detail) = match path {
        None => (State::Missing, "not on PATH".to_owned()),
        Some(path) => judge(program, &path),
    };
    Finding {
        name: program.name,
        state,
        detail,
        needed_for: program.needed_for,
        required: program.required,
    }
}

/// Whether a program that was found works, and is not too old.
fn judge(program: &Program, path: &Path) -> (State, String) {
    let output = match Command::new(path).args(program.version).output() {
        Ok(output) => output,
        Err(error) => return (State::Broken, format!("{}: {error}", path.display())),
    };
    let first_line = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        text.lines().next().unwrap_or_default().to_owned()
    };
    if !output.status.success() {
        // Such as the proxy of a toolchain manager that has no toolchain.
        let said = first_line(&output.stderr);
        let problem = format!("{} fails ({}): {said}", path.display(), output.status);
        return (State::Broken, problem);
    }
    let version = first_line(&output.stdout);
    if let Some(oldest) = program.oldest
        && let Some(found) = version_in(&version)
        && found < oldest
    {
        let (major, minor) = oldest;
        let problem = format!("{version}, which is older than {major}.{minor}");
        return (State::Broken, problem);
    }
    (State::Found, version)
}

/// The first two numbers of the first version in a line.
fn version_in(line: &str) -> Option<(u32, u32)> {
    line.split_whitespace().find_map(|word| {
        let mut numbers = word.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
}

/// Looks for a Docker engine that answers.
fn docker(context: &Context) -> Finding {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = match runtime {
        Err(error) => Err(error.to_string()),
        Ok(runtime) => runtime.block_on(async {
            let connected = connect::connect(&context.environment.docker).await;
            let connection = connected.map_err(|error| error.to_string())?;
            let version = connection.version().await;
            let version = version.map_err(|error| error.to_string())?;
            Ok(format!("engine {version} at {}", connection.address))
        }),
    };
    let (state, detail) = match answer {
        Ok(engine) => (State::Found, engine),
        Err(problem) => (State::Missing, problem),
    };
    Finding {
        name: "Docker",
        state,
        detail,
        needed_for: "`msvc up`: it runs what services need in containers; without it, what is built in",
        required: false,
    }
}

fn table(context: &Context, findings: &[Finding]) -> String {
    let paint = |color: AnsiColor, text: &str| {
        let style: Style = color.on_default().bold();
        if context.printer.colors_stdout() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    };
    let mut text = String::new();
    for finding in findings {
        let mark = match (finding.state, finding.required) {
            (State::Found, _) => paint(AnsiColor::Green, "ok      "),
            (State::Broken, _) => paint(AnsiColor::Red, "broken  "),
            (State::Missing, true) => paint(AnsiColor::Red, "missing "),
            (State::Missing, false) => paint(AnsiColor::Yellow, "optional"),
        };
        text.push_str(&format!("{mark} {:<9} {}\n", finding.name, finding.detail));
        if finding.state != State::Found {
            text.push_str(&format!("         {:<9} for {}\n", "", finding.needed_for));
        }
    }
    text
}
