//! What is sent ([`otlp`]), and what is asked ([`query`]).

mod otlp;
mod query;
mod search;

pub(super) use otlp::router as otlp_router;
pub(super) use query::router as query_router;
