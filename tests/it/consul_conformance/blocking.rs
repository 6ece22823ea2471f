//! Blocking queries: what wakes them, and what they say when nothing does.

use std::cmp::Ordering;
use std::future::Future;
use std::pin::pin;

use super::agents::{Differences, Pair, Side, within_deadline};
use super::barrier::Barrier;

type Write = (&'static str, &'static str, &'static str);

const REGISTER: &str = "agent/service/register";
/// Longer than any test.
const LONG: &str = "5m";
/// Long enough for a write, short enough for a test.
const SHORT: &str = "1s";
const ATTEMPTS: usize = 10;

/// How the index of the answer stands to the one that was waited on.
async fn blocked(side: &Side, path: &str, index: u64, wait: &str) -> Ordering {
    let sign = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{sign}index={index}&wait={wait}");
    side.ask_raw("GET", &path, "").await.1.cmp(&index)
}

async fn set_up(pair: &Pair) {
    for name in ["a", "b"] {
        let check = r#"{"TTL":"10m","Status":"passing"}"#;
        let body = format!(r#"{{"Name":"{name}","Check":{check}}}"#);
        pair.ask("PUT", REGISTER, &body).await;
    }
    for (key, value) in [("k", "1"), ("p/a", "1"), ("q", "1")] {
        pair.ask("PUT", &format!("kv/{key}"), value).await;
    }
    let (real, embedded) = pair.settled("GET", "health/state/any", "").await;
    assert_eq!(real, embedded);
}

/// The query waits, the write is done, and the query ends.
async fn woken(side: &Side, path: &str, (method, to, body): Write) -> Ordering {
    let index = side.index(path).await;
    let query = blocked(side, path, index, LONG);
    let write = side.ask(method, to, body);
    let what = format!("{}: {path} woken by {method} {to}", side.name);
    within_deadline(&what, async { tokio::join!(query, write).0 }).await
}

#[tokio::test]
async fn a_change_wakes_those_whom_it_concerns() {
    const STEPS: &[(&str, Write)] = &[
        (
            "health/service/a",
            ("PUT", "agent/check/fail/service:a", ""),
        ),
        (
            "health/service/a?passing",
            ("PUT", "agent/check/pass/service:a", ""),
        ),
        ("health/checks/a", ("PUT", "agent/check/warn/service:a", "")),
        (
            "health/state/critical",
            ("PUT", "agent/check/fail/service:a", ""),
        ),
        (
            "health/node/msvc",
            ("PUT", "agent/check/pass/service:a", ""),
        ),
        (
            "health/service/a",
            ("PUT", "agent/check/register", r#"{"Name":"n","TTL":"10m"}"#),
        ),
        ("health/service/a", ("PUT", "agent/check/pass/n", "")),
        ("health/service/b", ("PUT", "agent/check/deregister/n", "")),
        (
            "health/service/a",
            ("PUT", "agent/service/maintenance/a?enable=true", ""),
        ),
        (
            "health/service/a",
            ("PUT", "agent/service/maintenance/a?enable=false", ""),
        ),
        (
            "health/service/b",
            ("PUT", "agent/maintenance?enable=true", ""),
        ),
        (
            "health/service/b",
            ("PUT", "agent/maintenance?enable=false", ""),
        ),
        (
            "catalog/services",
            ("PUT", REGISTER, r#"{"Name":"b","ID":"b2"}"#),
        ),
        (
            "catalog/service/b",
            ("PUT", REGISTER, r#"{"Name":"b","ID":"b2","Port":1}"#),
        ),
        (
            "catalog/node/msvc",
            ("PUT", REGISTER, r#"{"Name":"b","ID":"b3"}"#),
        ),
        (
            "health/service/b",
            ("PUT", "agent/service/deregister/b3", ""),
        ),
        ("health/service/new", ("PUT", REGISTER, r#"{"Name":"new"}"#)),
        (
            "health/service/a",
            ("PUT", "agent/service/deregister/a", ""),
        ),
        (
            "catalog/service/b",
            ("PUT", "agent/service/deregister/b2", ""),
        ),
        (
            "catalog/services",
            ("PUT", "agent/service/deregister/b", ""),
        ),
        ("kv/k", ("PUT", "kv/k", "2")),
        ("kv/k", ("DELETE", "kv/k", "")),
        ("kv/k", ("PUT", "kv/k", "3")),
        ("kv/p/?recurse", ("PUT", "kv/p/b", "1")),
        ("kv/p/?recurse", ("PUT", "kv/p/b", "2")),
        ("kv/p/?keys", ("PUT", "kv/p/c", "1")),
        ("kv/p/?recurse", ("DELETE", "kv/p/b", "")),
        ("kv/p/?keys", ("DELETE", "kv/p/?recurse", "")),
        ("kv/p/?recurse", ("PUT", "kv/p/a", "1")),
        ("session/list", ("PUT", "session/create", "")),
    ];
    let Some(pair) = Pair::start().await else {
        return;
    };
    set_up(&pair).await;
    let mut differences = Differences::default();
    for (path, write) in STEPS {
        let outcomes = pair
            .both(async |side: &Side| woken(side, path, *write).await)
            .await;
        assert_eq!(outcomes.1, Ordering::Greater, "{path} {write:?}");
        differences.compare(&format!("{path} {write:?}"), outcomes);
        // The ids of sessions are random.
        if *path != "session/list" {
            differences.compare(path, pair.settled("GET", path, "").await);
        }
    }
}

#[tokio::test]
async fn a_change_does_not_wake_others() {
    const STEPS: &[(&str, Write)] = &[
        (
            "health/service/a",
            ("PUT", "agent/check/fail/service:b", ""),
        ),
        (
            "health/service/a",
            ("PUT", REGISTER, r#"{"Name":"b","ID":"b2"}"#),
        ),
        (
            "health/service/a",
            ("PUT", "agent/service/deregister/b2", ""),
        ),
        (
            "health/service/a",
            ("PUT", REGISTER, r#"{"Name":"a","Check":{"TTL":"10m"}}"#),
        ),
        (
            "health/service/a",
            ("PUT", "agent/check/pass/service:a?note=new", ""),
        ),
        (
            "catalog/services",
            ("PUT", "agent/check/pass/service:a", ""),
        ),
        ("catalog/nodes", ("PUT", REGISTER, r#"{"Name":"c"}"#)),
        (
            "catalog/node/msvc",
            ("PUT", "agent/check/warn/service:a", ""),
        ),
        ("kv/k", ("PUT", "kv/q", "2")),
        ("kv/k", ("PUT", "kv/k", "1")),
        ("kv/p/?recurse", ("PUT", "kv/q", "3")),
        ("kv/p/?keys", ("DELETE", "kv/q", "")),
    ];
    let Some(pair) = Pair::start().await else {
        return;
    };
    set_up(&pair).await;
    let mut differences = Differences::default();
    for (step, (path, (method, to, body))) in STEPS.iter().enumerate() {
        // No earlier write is to wake it.
        let settle = async |side: &Side| Barrier::Check.pass(side, step).await;
        within_deadline("the barrier", pair.both(settle)).await;
        let index_when_over = async |side: &Side| {
            let index = Side::index(side, path).await;
            let query = blocked(side, path, index, SHORT);
            let write = side.ask(method, to, body);
            tokio::join!(query, write).0
        };
        let outcomes = within_deadline(path, pair.both(index_when_over)).await;
        assert_eq!(outcomes.1, Ordering::Equal, "{path} {method} {to}");
        differences.compare(&format!("{path} {method} {to}"), outcomes);
    }
}

/// Checks turn from warning to critical and back while the query waits, which raises the index of
/// their table, but concerns nobody who asks for others. A query that comes after the write is
/// answered at once; one of many comes before.
#[tokio::test]
async fn a_table_that_changes_elsewhere_wakes_nobody() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    set_up(&pair).await;
    for (path, check) in [
        ("health/checks/a", "service:b"),
        ("health/state/passing", "service:b"),
        ("catalog/service/a", "service:a"),
    ] {
        let sleeps_through_one = async |side: &Side| {
            for step in 0..ATTEMPTS {
                Barrier::Check.pass(side, step).await;
                let index = side.index(path).await;
                let verb = if step.is_multiple_of(2) {
                    "warn"
                } else {
                    "fail"
                };
                let query = blocked(side, path, index, SHORT);
                let write = async {
                    side.ask("GET", "status/leader", "").await;
                    let to = format!("agent/check/{verb}/{check}");
                    side.ask("PUT", &to, "").await;
                };
                // The first write takes the check out of those that pass.
                if tokio::join!(query, write).0 == Ordering::Equal && step > 0 {
                    return true;
                }
            }
            false
        };
        let outcomes = within_deadline(path, pair.both(sleeps_through_one)).await;
        assert_eq!(outcomes, (true, true), "{path}");
    }
}

/// Whether it has not come yet.
async fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = std::future::ready(()) => true,
    }
}

#[tokio::test]
async fn an_index_from_the_future_blocks_and_one_from_the_past_does_not() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    set_up(&pair).await;
    let mut differences = Differences::default();
    for path in ["health/service/a", "catalog/services", "kv/k", "kv/p/?keys"] {
        for past in [0, 1] {
            let ask = async |side: &Side| blocked(side, path, past, LONG).await;
            let outcomes = within_deadline(path, pair.both(ask)).await;
            differences.compare(&format!("{path} index={past}"), outcomes);
        }
        let ask = async |side: &Side| {
            let index = Side::index(side, path).await + 1_000_000;
            blocked(side, path, index, "100ms").await
        };
        let outcomes = within_deadline(path, pair.both(ask)).await;
        assert_eq!(outcomes.1, Ordering::Less, "{path}");
        differences.compare(&format!("{path} in the future"), outcomes);
    }
    let stays = async |side: &Side| {
        let index = Side::index(side, "kv/k").await + 1_000_000;
        let mut query = pin!(blocked(side, "kv/k", index, LONG));
        let mut is_blocked = is_pending(query.as_mut()).await;
        for value in ["2", "3", "4"] {
            side.ask("PUT", "kv/k", value).await;
            is_blocked &= is_pending(query.as_mut()).await;
        }
        is_blocked
    };
    assert_eq!(pair.both(stays).await, (true, true));
}

#[tokio::test]
async fn a_service_may_be_waited_for_by_its_hash() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    pair.ask("PUT", REGISTER, r#"{"Name":"a"}"#).await;
    let wait = async |side: &Side| {
        let (now, _) = Side::ask_raw(side, "GET", "agent/service/a", "").await;
        let hash = now.body["ContentHash"].as_str().expect("a hash").to_owned();
        let path = format!("agent/service/a?hash={hash}&wait={LONG}");
        let write = side.ask("PUT", REGISTER, r#"{"Name":"a","Port":1}"#);
        tokio::join!(side.ask("GET", &path, ""), write).0
    };
    let (real, embedded) = within_deadline("another hash", pair.both(wait)).await;
    assert_eq!(real, embedded);
    assert_eq!(embedded.body["Port"], 1);
}
