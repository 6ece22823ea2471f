//! After each write: which indexes rose, which stayed.

use super::agents::{Differences, Pair, Side, within_deadline};
use super::barrier::Barrier;

type Write = (&'static str, &'static str, &'static str);

const REGISTER: &str = "agent/service/register";

/// What is written. Only steps that a real agent takes well: it lets a service that was renamed
/// away, or keys that went with a prefix above, fall back to an older index.
const WRITES: &[Write] = &[
    (
        "PUT",
        REGISTER,
        r#"{"Name":"a","ID":"a1","Check":{"TTL":"10m","Status":"passing"}}"#,
    ),
    (
        "PUT",
        REGISTER,
        r#"{"Name":"a","ID":"a1","Check":{"TTL":"10m","Status":"passing"}}"#,
    ),
    (
        "PUT",
        REGISTER,
        r#"{"Name":"a","ID":"a1","Port":8,"Check":{"TTL":"10m"}}"#,
    ),
    (
        "PUT",
        REGISTER,
        r#"{"Name":"a","ID":"a1","Port":8,"Check":{"TTL":"10m","Notes":"n"}}"#,
    ),
    ("PUT", "agent/check/pass/service:a1", ""),
    ("PUT", "agent/check/pass/service:a1?note=new", ""),
    ("PUT", "agent/check/warn/service:a1?note=new", ""),
    ("PUT", "agent/check/warn/service:a1?note=newer", ""),
    // The catalog learns of an output with the next registration.
    (
        "PUT",
        REGISTER,
        r#"{"Name":"a","ID":"a1","Port":8,"Check":{"TTL":"10m","Notes":"n"}}"#,
    ),
    ("PUT", REGISTER, r#"{"Name":"b","ID":"b1"}"#),
    ("PUT", REGISTER, r#"{"Name":"b","ID":"b2"}"#),
    ("PUT", "agent/check/register", r#"{"Name":"n","TTL":"10m"}"#),
    ("PUT", "agent/check/register", r#"{"Name":"n","TTL":"10m"}"#),
    ("PUT", "agent/check/pass/n", ""),
    ("PUT", "agent/check/deregister/n", ""),
    (
        "PUT",
        "agent/check/register",
        r#"{"Name":"s","TTL":"10m","ServiceID":"b1"}"#,
    ),
    ("PUT", "agent/check/pass/s", ""),
    ("PUT", "agent/check/deregister/s", ""),
    ("PUT", "agent/service/maintenance/b1?enable=true", ""),
    ("PUT", "agent/service/maintenance/b1?enable=false", ""),
    ("PUT", "agent/maintenance?enable=true", ""),
    ("PUT", "agent/maintenance?enable=false", ""),
    ("PUT", "agent/service/deregister/b2", ""),
    ("PUT", "agent/service/deregister/b1", ""),
    ("PUT", REGISTER, r#"{"Name":"b","ID":"b1"}"#),
    ("PUT", "agent/service/deregister/a1", ""),
    ("PUT", "agent/service/deregister/none", ""),
    ("PUT", "kv/k/1", "x"),
    ("PUT", "kv/k/1", "x"),
    ("PUT", "kv/k/2", "x"),
    ("PUT", "kv/z", "x"),
    ("PUT", "kv/k/1", "y"),
    ("PUT", "kv/k/1?flags=1", "y"),
    ("DELETE", "kv/k/2", ""),
    ("DELETE", "kv/none", ""),
    ("DELETE", "kv/z", ""),
    ("PUT", "kv/k/2/a", "y"),
    ("DELETE", "kv/k/2?recurse", ""),
    ("DELETE", "kv/none?recurse", ""),
    ("DELETE", "kv/k?recurse", ""),
    ("PUT", "session/create", ""),
    ("PUT", "session/create", r#"{"TTL":"x"}"#),
];

/// What is looked at with this barrier.
fn paths(barrier: Barrier) -> Vec<&'static str> {
    let table = match barrier {
        Barrier::Service => vec![
            "health/checks/a",
            "health/checks/none",
            "health/node/msvc",
            "health/state/any",
            "health/state/critical",
        ],
        Barrier::Check => vec!["catalog/services", "catalog/node/msvc"],
    };
    let own = [
        "health/service/a",
        "health/service/b",
        "catalog/service/a",
        "catalog/service/b",
        "catalog/nodes",
        "kv/k",
        "kv/k/1",
        "kv/k?recurse",
        "kv/k?keys",
        "kv/z",
        "kv/none",
        "kv/none?recurse",
        "kv/?recurse",
        "session/list",
    ];
    own.into_iter().chain(table).collect()
}

async fn run(pair: &Pair, barrier: Barrier) {
    let mut differences = Differences::default();
    let paths = paths(barrier);
    let snapshot = async |side: &Side| {
        let mut indexes = Vec::new();
        for path in &paths {
            indexes.push(Side::index(side, path).await);
        }
        indexes
    };
    let pass = |step| pair.both(async move |side: &Side| barrier.pass(side, step).await);
    within_deadline("the barrier", pass(0)).await;
    let mut before = pair.both(snapshot).await;
    for (step, (method, path, body)) in WRITES.iter().enumerate() {
        pair.ask(method, path, body).await;
        within_deadline("the barrier", pass(step + 1)).await;
        let after = pair.both(snapshot).await;
        let changes = |before: &[u64], after: &[u64]| {
            let changed = paths.iter().zip(before.iter().zip(after));
            let changed = changed.filter(|(_, (before, after))| before != after);
            let told = changed.map(|(path, (before, after))| match before < after {
                true => format!("{path} rose"),
                false => format!("{path} fell"),
            });
            told.collect::<Vec<_>>()
        };
        let changed = (changes(&before.0, &after.0), changes(&before.1, &after.1));
        differences.compare(&format!("{barrier:?} {method} {path} {body}"), changed);
        before = after;
    }
}

#[tokio::test]
async fn writes_raise_the_indexes_that_they_raise_at_a_real_agent() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    run(&pair, Barrier::Service).await;
}

#[tokio::test]
async fn writes_raise_the_tables_that_they_raise_at_a_real_agent() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    run(&pair, Barrier::Check).await;
}
