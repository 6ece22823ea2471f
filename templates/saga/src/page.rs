//! What `/sagas` shows.

use serde_json::{Map, Value, json};

use crate::store::{Filter, Seen, Store};
use crate::{Error, Status};

/// How many are shown unless the query says how many.
const LIMIT: u32 = 100;

/// The most that are shown.
const MAX_LIMIT: u32 = 10_000;

/// Those that `query` asks for.
pub(crate) async fn render(store: &Store, query: &str, now: i64) -> Result<Value, Error> {
    let seen = store.list(&filter(query)).await?;
    let sagas: Vec<Value> = seen.iter().map(|it| show(it, now)).collect();
    Ok(json!({ "sagas": sagas }))
}

fn filter(query: &str) -> Filter {
    let mut filter = Filter {
        limit: LIMIT,
        ..Filter::default()
    };
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match key {
            "saga" => filter.saga = Some(value.to_owned()),
            "id" => filter.id = Some(value.to_owned()),
            "status" => filter.status = Status::of(value),
            "limit" => filter.limit = value.parse().map_or(LIMIT, |it: u32| it.min(MAX_LIMIT)),
            _ => {}
        }
    }
    filter
}

/// Without inputs and outputs, which are not for everybody's eyes.
fn show(seen: &Seen, now: i64) -> Value {
    let seconds = |since: i64| now.saturating_sub(since) / 1_000_000;
    let steps = seen.journal.steps.iter().map(|(name, entry)| {
        let mut step = json!({ "state": entry.state, "attempts": entry.attempts });
        if entry.undo_attempts > 0 {
            step["compensations"] = entry.undo_attempts.into();
        }
        if let Some(error) = &entry.error {
            step["error"] = error.as_str().into();
        }
        (name.clone(), step)
    });
    json!({
        "saga": seen.key.saga,
        "id": &*seen.key.id,
        "status": seen.journal.status,
        "error": seen.journal.error,
        "steps": steps.collect::<Map<String, Value>>(),
        "worker": seen.owner,
        "age_seconds": seconds(seen.created_at),
        "unchanged_seconds": seconds(seen.updated_at),
    })
}
