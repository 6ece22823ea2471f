//! `msvc trace list --follow`.

use std::collections::HashMap;
use std::time::Duration;

use super::ListArgs;
use super::list::{search, unknown};
use super::source::{TraceError, failed, find, micros, now, source};
use crate::context::Context;
use crate::error::{Diagnostic, Result};
use crate::run::signals::Signals;
use crate::trace::render::{self, Colors};
use crate::trace::tree::Tree;

/// How often is looked for new traces.
const POLL: Duration = Duration::from_millis(500);
/// A trace is told when it did not change from one look to the next; one that still grows is told
/// when it is as old as this.
const LATEST: Duration = Duration::from_secs(10);

/// What is known of a trace while traces are followed.
enum Seen {
    /// So many spans at the last look.
    Growing(usize),
    Told,
}

pub(super) async fn follow(context: &Context, args: &ListArgs) -> Result {
    let printer = &context.printer;
    let jaeger = source(context, &args.from)?;
    let mut signals = Signals::listen()?;
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let colors = Colors(printer.colors_stdout());
    let mut is_away = false;
    // The first look is an answer or an error; later ones may fail for a while.
    let first = async {
        let found = find(&jaeger, args.service.as_deref(), &search(args)).await;
        let found = found.map_err(failed(&jaeger))?;
        let unknown = match found.is_empty() {
            true => unknown(&jaeger, args).await?,
            false => None,
        };
        Ok::<_, TraceError>((found, unknown))
    };
    let (found, unknown) = tokio::select! {
        first = first => first?,
        () = signals.next() => return Ok(()),
    };
    // It may come yet.
    if let Some(unknown) = unknown {
        printer.warning(&unknown);
        if let Some(hint) = unknown.hint() {
            printer.hint(hint);
        }
    }
    let mut answer = Ok(found);
    if !printer.is_json() {
        printer.line(render::heading().trim_end());
    }
    loop {
        match answer {
            Ok(trees) => {
                if std::mem::take(&mut is_away) {
                    printer.line(format!("{} answers again", jaeger.address()));
                }
                // What is no longer in the window need not be remembered.
                seen.retain(|id, _| trees.iter().any(|tree| tree.id == *id));
                for tree in &trees {
                    if !is_due(tree, &mut seen) {
                        continue;
                    }
                    match printer.is_json() {
                        true => printer.json_line(&render::summary_json(tree))?,
                        false => printer.data(&render::row(tree, colors))?,
                    }
                }
            }
            Err(problem) if !is_away => {
                is_away = true;
                let text = format!(
                    "{} does not answer ({problem}); trying on",
                    jaeger.address()
                );
                printer.warning(text);
            }
            Err(_) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = signals.next() => return Ok(()),
        }
        let search = search(args);
        answer = tokio::select! {
            answer = find(&jaeger, args.service.as_deref(), &search) => answer,
            () = signals.next() => return Ok(()),
        };
    }
}

/// Whether a trace is to be told now: it has all its spans, as it seems.
fn is_due(tree: &Tree, seen: &mut HashMap<String, Seen>) -> bool {
    let is_old = now().saturating_sub(tree.start) > micros(LATEST);
    let state = seen.entry(tree.id.clone()).or_insert(Seen::Growing(0));
    match state {
        Seen::Told => false,
        Seen::Growing(spans) if *spans == tree.spans || is_old => {
            *state = Seen::Told;
            true
        }
        Seen::Growing(spans) => {
            *spans = tree.spans;
            false
        }
    }
}
