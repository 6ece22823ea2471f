//! `msvc logs`: what the infrastructure says, each line with the name of who says it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};
use clap::Args;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::StreamExt;

use crate::context::Context;
use crate::error::{Diagnostic, Exit, IoContext, IoFailure, Result, Silent};
use crate::infra::background;
use crate::infra::docker::error::DockerError;
use crate::infra::docker::logs::Wanted;
use crate::infra::resource::Resource;
use crate::infra::stack;
use crate::infra::state_file::{self, InfraState};
use crate::project;
use crate::run::signals::Signals;

/// The colours of the names, in their order.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Red,
];
/// How many lines may wait to be printed before the engine waits with its own.
const AHEAD: usize = 256;
/// Who says what is of no resource alone, where all is built in.
const EMBEDDED: &str = "embedded";
/// How often the log of what is built in is read again.
const LOOK: Duration = Duration::from_millis(100);

/// Arguments of `msvc logs`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    msvc logs                      what all have said\n  \
    msvc logs -f consul jaeger     two of them, and go on\n  \
    msvc logs --tail 20            the last lines of each")]
pub struct LogsArgs {
    /// Whose [default: all].
    #[arg(value_name = "RESOURCE")]
    pub resources: Vec<Resource>,
    /// Go on as lines come, until Ctrl-C.
    #[arg(short, long)]
    pub follow: bool,
    /// Only so many of the last lines of each.
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<usize>,
    /// Show when each line was said.
    #[arg(short, long)]
    pub timestamps: bool,
}

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// It is not there.
    #[error("`{0}` is not there")]
    NotThere(Resource),
}

impl Diagnostic for LogsError {
    fn hint(&self) -> Option<String> {
        let Self::NotThere(resource) = self;
        Some(format!(
            "`msvc up {resource}` starts it; `msvc status` says what there is"
        ))
    }

    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// Runs `msvc logs`.
///
/// # Errors
/// When a log cannot be read. Ctrl-C is the end of `--follow`, and a success; of anything else it is an
/// interruption, exit code 130.
pub fn run(context: &Context, args: LogsArgs) -> Result {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| IoFailure {
            attempt: "start the runtime".to_owned(),
            source,
        })?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            done = logs(context, &args) => done,
            () = signals.next() => match args.follow {
                true => Ok(()),
                false => Err(Silent(Exit::Interrupted).into()),
            },
        }
    });
    runtime.shutdown_background();
    outcome
}

/// A line, or why there are no more.
type Said = (usize, Result<String, DockerError>);

async fn logs(context: &Context, args: &LogsArgs) -> Result {
    let project = project::find(&context.directory)?;
    let state_folder = project.state_folder();
    if let Some(state) = state_file::built_in(&state_folder) {
        return built_in((context, args), &state_folder, &state).await;
    }
    let engine = match stack::engine(context, &project).await {
        Ok(engine) => engine,
        Err(DockerError::NoEngine(_)) if !state_file::was_started(&state_folder) => {
            return nothing(context, args);
        }
        Err(error) => return Err(error.into()),
    };
    let inventory = engine.inventory().await?;
    let mut sources: Vec<(Resource, String)> = Vec::new();
    for container in &inventory.containers {
        if let Some(resource) = container.seen.resource {
            sources.push((resource, container.seen.id.clone()));
        }
    }
    sources.sort();
    if sources.is_empty() {
        return nothing(context, args);
    }
    for resource in &args.resources {
        if !sources.iter().any(|(it, _)| it == resource) {
            return Err(LogsError::NotThere(*resource).into());
        }
    }
    sources.retain(|(it, _)| args.resources.is_empty() || args.resources.contains(it));
    let wanted = Wanted {
        tail: args.tail,
        follow: args.follow,
        timestamps: args.timestamps,
    };
    let (sender, mut lines) = mpsc::channel::<Said>(AHEAD);
    for (number, (_, id)) in sources.iter().enumerate() {
        let mut chunks = Box::pin(engine.lines(id, wanted));
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(chunk) = chunks.next().await {
                let is_last = chunk.is_err();
                if sender.send((number, chunk)).await.is_err() || is_last {
                    return;
                }
            }
        });
    }
    drop(sender);
    let width = sources
        .iter()
        .map(|(it, _)| it.name().len())
        .max()
        .unwrap_or(0);
    while let Some((number, chunk)) = lines.recv().await {
        for line in chunk?.lines() {
            show(context, (number, sources[number].0.name()), width, line)?;
        }
    }
    Ok(())
}

/// Where nothing runs, nobody says anything; who was named is missed.
fn nothing(context: &Context, args: &LogsArgs) -> Result {
    if let Some(missing) = args.resources.first() {
        return Err(LogsError::NotThere(*missing).into());
    }
    context.printer.line("nothing runs");
    context
        .printer
        .hint("`msvc up` starts what the services need");
    Ok(())
}

/// The log of the process that is all that is built in; it ends when that does.
async fn built_in(
    (context, args): (&Context, &LogsArgs),
    state_folder: &Path,
    state: &InfraState,
) -> Result {
    if let Some(missing) = args
        .resources
        .iter()
        .find(|it| !state.resources.contains_key(it))
    {
        return Err(LogsError::NotThere(*missing).into());
    }
    let names = state.resources.keys().map(|it| it.name());
    let names: Vec<&str> = names.chain([EMBEDDED]).collect();
    let is_meant =
        |name: &str| args.resources.is_empty() || args.resources.iter().any(|it| it.name() == name);
    let width = names.iter().filter(|it| is_meant(it)).map(|it| it.len());
    let width = width.max().unwrap_or(0);
    let path = background::log_path(state_folder);
    let mut seen = 0;
    loop {
        let lives = state_file::built_in(state_folder).is_some();
        let text = fs::read_to_string(&path).when("read", &path)?;
        // A line without its end is still being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text.get(seen..whole).unwrap_or_default().lines();
        let lines = lines.map(|line| (speaker(line, &names), line));
        let lines: Vec<(usize, &str)> = lines.filter(|(it, _)| is_meant(names[*it])).collect();
        let tail = args.tail.filter(|_| seen == 0).unwrap_or(lines.len());
        for (number, line) in &lines[lines.len().saturating_sub(tail)..] {
            show(context, (*number, names[*number]), width, line)?;
        }
        seen = whole;
        if !args.follow || !lives {
            return Ok(());
        }
        sleep(LOOK).await;
    }
}

/// The resource that a line speaks of, else the last of the names, which is all of it.
fn speaker(line: &str, names: &[&str]) -> usize {
    let mut words = line.split(|it: char| !it.is_ascii_alphanumeric());
    let found = words.find_map(|word| names.iter().position(|name| *name == word));
    found.unwrap_or(names.len() - 1)
}

fn show(context: &Context, (number, name): (usize, &str), width: usize, line: &str) -> Result {
    let printer = &context.printer;
    if printer.is_json() {
        return printer.json_line(&json!({ "resource": name, "line": line }));
    }
    let color = Color::Ansi(COLORS[number % COLORS.len()]);
    let style = Style::new().fg_color(Some(color));
    let name = format!("{name:>width$} |");
    let prefix = match printer.colors_stdout() {
        true => format!("{style}{name}{style:#}"),
        false => name,
    };
    printer.data(&format!("{prefix} {line}\n"))
}
