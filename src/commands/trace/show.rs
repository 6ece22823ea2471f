//! `msvc trace show`.

use super::ShowArgs;
use super::source::{TraceError, ever, failed, find, source};
use crate::context::Context;
use crate::error::Result;
use crate::infra::jaeger::{Jaeger, Search};
use crate::trace::render::{self, Colors};
use crate::trace::tree::Tree;

/// How many traces are looked through for the beginning of an id.
const MOST_LOOKED_THROUGH: usize = 1500;
/// The digits of an id that is whole at least.
const WHOLE_ID: usize = 16;

pub(super) async fn show(context: &Context, args: &ShowArgs) -> Result {
    let printer = &context.printer;
    let jaeger = source(context, &args.from)?;
    let tree = match &args.id {
        Some(id) => by_id(&jaeger, id).await?,
        None => newest(&jaeger).await?,
    };
    if printer.is_json() {
        return printer.json(&render::tree_json(&tree));
    }
    let colors = Colors(printer.colors_stdout());
    printer.data(&render::tree(&tree, args.details, colors))
}

async fn newest(jaeger: &Jaeger) -> Result<Tree, TraceError> {
    let search = Search {
        start: ever(),
        limit: 1,
        ..Search::default()
    };
    let mut found = find(jaeger, None, &search).await.map_err(failed(jaeger))?;
    found.pop().ok_or_else(|| TraceError::Empty {
        address: jaeger.address().to_owned(),
    })
}

async fn by_id(jaeger: &Jaeger, id: &str) -> Result<Tree, TraceError> {
    let id = id.to_ascii_lowercase();
    if id.is_empty() || !id.chars().all(|it| it.is_ascii_hexdigit()) || id.len() > 32 {
        return Err(TraceError::NotAnId(id));
    }
    let whole = match id.len() < WHOLE_ID {
        true => None,
        false => jaeger.trace(&id).await.map_err(failed(jaeger))?,
    };
    if let Some(trace) = whole {
        return Ok(Tree::new(&trace));
    }
    let search = Search {
        start: ever(),
        limit: MOST_LOOKED_THROUGH,
        ..Search::default()
    };
    let mut found = find(jaeger, None, &search).await.map_err(failed(jaeger))?;
    found.retain(|tree| tree.id.starts_with(&id));
    match found.len() {
        0 => Err(TraceError::Unknown {
            id,
            address: jaeger.address().to_owned(),
        }),
        1 => Ok(found.remove(0)),
        _ => Err(TraceError::Ambiguous {
            id,
            found: found.into_iter().map(|tree| tree.id).collect(),
        }),
    }
}
