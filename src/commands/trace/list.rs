//! `msvc trace list`.

use serde_json::json;

use super::ListArgs;
use super::source::{TraceError, failed, find, since, source};
use crate::context::Context;
use crate::duration;
use crate::error::Result;
use crate::infra::jaeger::{Jaeger, Search};
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

/// Which of the names that are asked for no span has, if one is such.
pub(super) async fn unknown(
    jaeger: &Jaeger,
    args: &ListArgs,
) -> Result<Option<TraceError>, TraceError> {
    let failed = failed(jaeger);
    let address = || jaeger.address().to_owned();
    if args.service.is_none() && args.operation.is_none() {
        return Ok(None);
    }
    let services = jaeger.services().await.map_err(&failed)?;
    if let Some(service) = &args.service
        && !services.contains(service)
    {
        return Ok(Some(TraceError::UnknownService {
            service: service.clone(),
            address: address(),
            known: services,
        }));
    }
    let Some(operation) = &args.operation else {
        return Ok(None);
    };
    let asked = services
        .into_iter()
        .filter(|it| args.service.as_ref().is_none_or(|service| service == it));
    let mut known = Vec::new();
    for service in asked {
        known.extend(jaeger.operations(&service).await.map_err(&failed)?);
    }
    known.sort();
    known.dedup();
    Ok(
        (!known.contains(operation)).then(|| TraceError::UnknownOperation {
            operation: operation.clone(),
            address: address(),
            known,
        }),
    )
}

pub(super) async fn list(context: &Context, args: &ListArgs) -> Result {
    let printer = &context.printer;
    let jaeger = source(context, &args.from)?;
    let trees = find(&jaeger, args.service.as_deref(), &search(args)).await;
    let trees = trees.map_err(failed(&jaeger))?;
    if trees.is_empty()
        && let Some(unknown) = unknown(&jaeger, args).await?
    {
        return Err(unknown.into());
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
