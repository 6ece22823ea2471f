//! One attempt at a step.

use std::sync::Arc;

use chassis::trace::{Kind, Span, TraceContext};
use serde_json::Value;
use tokio::time::Instant;

use crate::definition::{Call, Definition};
use crate::machine::Doing;
use crate::{Failure, metrics};

/// Does or undoes a step, in a span and within its time.
pub(crate) async fn perform(
    definition: Arc<Definition>,
    saga: TraceContext,
    step: &'static str,
    doing: Doing,
    call: Call,
) -> Result<Value, Failure> {
    let name = match doing {
        Doing::Act => format!("step {step}"),
        Doing::Undo => format!("compensate {step}"),
    };
    // A task begins outside of all spans.
    let span = Span::new(Kind::Internal, name)
        .below(saga)
        .attribute("saga.name", definition.name)
        .attribute("saga.id", call.id.to_string())
        .attribute("saga.step", step)
        .attribute("saga.attempt", i64::from(call.attempt));
    let limit = definition.policy(step).timeout;
    let began = Instant::now();
    let work = async {
        let work = definition.perform(step, doing, call);
        // The services that it calls are told how long it waits.
        let work = chassis::deadline::scope(Some(began + limit), work);
        let outcome = tokio::time::timeout(limit, work).await;
        outcome.unwrap_or_else(|_| Err(Failure::retry(format!("no answer within {limit:?}"))))
    };
    let outcome = span.run(work).await;
    let outcome_name = match &outcome {
        Ok(_) => "ok",
        Err(Failure::Retry(_)) => "retry",
        Err(Failure::Refused(_)) => "refused",
    };
    metrics::step(definition.name, step, doing, outcome_name, began.elapsed());
    outcome
}
