//! `msvc trace list`.

use serde_json::json;

use super::ListArgs;
use super::source::{TraceError, failed, find, since, source};
use crate::context::Context;
use crate::duration;
use crate::error::Result;
use crate::infra::jaeger::Search;
use crate::trace::render::{self, Colors};

pub(super) fn search(args: &ListArgs) -> Search {
    Search {
        operation: args.operation.clone(),
        errors: args.errors,
        at_least: args.min_duration,
        at_most: args.max_duration,
        start: since(args.since),
        limit: usize::from(args.limit),
    }
}

pub(super) async fn list(context: &Context, args: &ListArgs) -> Result {
    let printer = &context.printer;
    let jaeger = source(context, &args.from)?;
    let failed = failed(&jaeger);
    let service = args.service.as_deref();
    let trees = find(&jaeger, service, &search(args))
        .await
        .map_err(&failed)?;
    if let (true, Some(service)) = (trees.is_empty(), service) {
        let known = jaeger.services().await.map_err(&failed)?;
        if !known.iter().any(|it| it == service) {
            return Err(TraceError::UnknownService {
                service: service.to_owned(),
                address: jaeger.address().to_owned(),
                known,
            }
            .into());
        }
    }
    if printer.is_json() {
        let traces: Vec<_> = trees.iter().map(render::summary_json).collect();
        return printer.json(&json!({ "traces": traces }));
    }
    if trees.is_empty() {
        let period = duration::exact(args.since);
        printer.line(format!(
            "no such traces within {period} at {}; spans arrive a second or two after their call",
            jaeger.address()
        ));
        return Ok(());
    }
    let colors = Colors(printer.colors_stdout());
    let rows = trees.iter().map(|tree| render::row(tree, colors));
    printer.data(&(render::heading() + &rows.collect::<String>()))
}
