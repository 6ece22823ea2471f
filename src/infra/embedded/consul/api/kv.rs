//! `/v1/kv`: the key-value store.

use std::time::Instant;

use serde_json::{Value, json};

use super::super::state::{Condition, Registry};
use super::query::Query;
use super::reply::{Answer, Reply};

pub(super) fn read(registry: &Registry, key: &str, query: &Query) -> Answer {
    let kv = &registry.kv;
    let found = |value: Value, is_empty: bool| match is_empty {
        true => Reply::NotFound,
        false => Reply::Json(value),
    };
    if query.has("keys") {
        let separator = query.get("separator").unwrap_or_default();
        let (keys, index) = kv.keys(key, separator);
        // The root is always there.
        let is_missing = keys.is_empty() && !key.is_empty();
        return Answer::at(index, found(json!(keys), is_missing));
    }
    if query.has("recurse") {
        let (entries, index) = kv.list(key);
        let is_missing = entries.is_empty();
        return Answer::at(index, found(entries.into(), is_missing));
    }
    if key.is_empty() {
        return Answer::now(missing_key());
    }
    let (entry, index) = kv.get(key);
    let reply = match entry {
        None => Reply::NotFound,
        Some(entry) if query.has("raw") => Reply::Raw(entry.value.clone()),
        Some(entry) => Reply::Json(json!([entry.to_json(key)])),
    };
    Answer::at(index, reply)
}

pub(super) fn write(
    registry: &mut Registry,
    key: &str,
    (query, body): (&Query, &[u8]),
    now: Instant,
) -> Reply {
    if key.is_empty() {
        return missing_key();
    }
    if let Err(why) = query.at_most_one(&["cas", "acquire", "release"]) {
        return Reply::bad(&why);
    }
    let (flags, cas) = match (number(query, "flags"), number(query, "cas")) {
        (Ok(flags), Ok(cas)) => (flags.unwrap_or(0), cas),
        (Err(why), _) | (_, Err(why)) => return Reply::failed(&why),
    };
    let condition = match (cas, query.get("acquire"), query.get("release")) {
        (Some(index), ..) => Condition::Index(index),
        (_, Some(session), _) => Condition::Acquire(session.to_owned()),
        (.., Some(session)) => Condition::Release(session.to_owned()),
        _ => Condition::None,
    };
    match registry.put_key(key, (body.to_vec(), flags), &condition, now) {
        Ok(done) => Reply::Json(done.into()),
        Err(refusal) => refusal.into(),
    }
}

pub(super) fn delete(registry: &mut Registry, key: &str, query: &Query) -> Reply {
    if let Err(why) = query.at_most_one(&["recurse", "cas"]) {
        return Reply::bad(&why);
    }
    if query.has("recurse") {
        registry.delete_keys(key);
        return Reply::Json(true.into());
    }
    if key.is_empty() {
        return missing_key();
    }
    match number(query, "cas") {
        Ok(cas) => Reply::Json(registry.delete_key(key, cas).into()),
        Err(why) => Reply::failed(&why),
    }
}

fn missing_key() -> Reply {
    Reply::bad("Missing key name")
}

fn number(query: &Query, name: &str) -> Result<Option<u64>, String> {
    let number = |text: &str| {
        let refused = |_| format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
        text.parse().map_err(refused)
    };
    query.get(name).map(number).transpose()
}
