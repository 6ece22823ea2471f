//! Sessions and the locks that they hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::agents::{Answer, Differences, Pair, Side};

type Case = (&'static str, &'static str, &'static str);

/// A session that is made is called by its name later.
const NAMES: &[&str] = &["{one}", "{two}", "{three}"];
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

const CASES: &[Case] = &[
    ("GET", "session/list", ""),
    ("PUT", "session/create", r#"{"TTL":"5s"}"#),
    ("PUT", "session/create", r#"{"TTL":"25h"}"#),
    ("PUT", "session/create", r#"{"TTL":"x"}"#),
    ("PUT", "session/create", r#"{"TTL":5}"#),
    ("PUT", "session/create", r#"{"LockDelay":"x"}"#),
    ("PUT", "session/create", r#"{"Behavior":"x"}"#),
    ("PUT", "session/create", r#"{"Behavior":5}"#),
    ("PUT", "session/create", r#"{"Name":7}"#),
    ("PUT", "session/create", "x"),
    ("PUT", "session/create", r#"{"Node":"none"}"#),
    ("PUT", "session/create", r#"{"Checks":["none"]}"#),
    ("GET", "session/create", ""),
    ("PUT", "session/list", ""),
    ("GET", "session/none", ""),
    ("GET", "session/info/", ""),
    ("GET", "session/node/", ""),
    ("GET", "session/node/none", ""),
    (
        "GET",
        "session/info/11111111-1111-4111-8111-111111111111",
        "",
    ),
    (
        "PUT",
        "session/renew/11111111-1111-4111-8111-111111111111",
        "",
    ),
    ("PUT", "session/renew/short", ""),
    ("PUT", "session/renew/", ""),
    (
        "PUT",
        "session/destroy/11111111-1111-4111-8111-111111111111",
        "",
    ),
    ("PUT", "session/destroy/short", ""),
    ("PUT", "session/destroy/", ""),
    (
        "PUT",
        "kv/k?acquire=11111111-1111-4111-8111-111111111111",
        "x",
    ),
    (
        "PUT",
        "kv/k?release=11111111-1111-4111-8111-111111111111",
        "x",
    ),
    // One is released at once, two deletes, three has the defaults.
    (
        "PUT",
        "session/create",
        r#"{"Name":"first","TTL":"1h","LockDelay":"0s"}"#,
    ),
    (
        "PUT",
        "session/create",
        r#"{"Behavior":"delete","LockDelay":"0s","NodeChecks":[]}"#,
    ),
    ("PUT", "session/create", ""),
    ("GET", "session/info/{one}", ""),
    ("GET", "session/info/{two}", ""),
    ("GET", "session/info/{three}", ""),
    ("PUT", "session/renew/{one}", ""),
    ("PUT", "kv/lock?acquire={one}&flags=7", "one"),
    ("GET", "kv/lock", ""),
    ("PUT", "kv/lock?acquire={one}", "again"),
    ("GET", "kv/lock", ""),
    ("PUT", "kv/lock?acquire={two}", "two"),
    ("PUT", "kv/lock?release={two}", "two"),
    ("GET", "kv/lock", ""),
    ("PUT", "kv/lock?release={one}", "free"),
    ("GET", "kv/lock", ""),
    ("PUT", "kv/lock?acquire={two}", "two"),
    ("GET", "kv/lock", ""),
    ("PUT", "kv/lock", "without a lock"),
    ("GET", "kv/lock", ""),
    ("PUT", "session/destroy/{two}", ""),
    ("GET", "kv/lock", ""),
    ("GET", "session/info/{two}", ""),
    ("PUT", "kv/lock?acquire={two}", "gone"),
    ("PUT", "kv/other?acquire={one}", "one"),
    ("PUT", "session/destroy/{one}", ""),
    ("GET", "kv/other", ""),
    ("PUT", "kv/other?acquire={three}", "three"),
    ("GET", "kv/other", ""),
    ("PUT", "session/destroy/{three}", ""),
    ("GET", "kv/other", ""),
    ("GET", "session/list", ""),
    // The delay of three keeps the lock free.
    ("PUT", "session/create", r#"{"Name":"late"}"#),
    ("PUT", "kv/other?acquire={late}", "late"),
    ("PUT", "kv/other?acquire={one}", "gone"),
    ("PUT", "kv/other", "plain"),
    ("GET", "kv/other", ""),
];

/// The cases, with the ids of this side's sessions.
async fn run(side: &Side) -> Vec<Answer> {
    let mut ids: BTreeMap<&str, String> = BTreeMap::new();
    let mut names = NAMES.iter().chain(&["{late}"]);
    let mut answers = Vec::new();
    for (method, path, body) in CASES {
        let with_ids = ids.iter().fold((*path).to_owned(), |path, (name, id)| {
            path.replace(name, id)
        });
        let mut answer = side.ask(method, &with_ids, body).await;
        if let Some(id) = answer.body.get("ID").and_then(Value::as_str) {
            let name = names.next().expect("a name is left");
            ids.insert(name, id.to_owned());
        }
        answer.body = ids.iter().fold(answer.body, |body, (name, id)| {
            serde_json::from_str(&body.to_string().replace(id, name)).expect("JSON")
        });
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn sessions_lock_keys_as_at_a_real_agent() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let (real, embedded) = pair.both(run).await;
    let mut differences = Differences::default();
    for (case, answers) in CASES.iter().zip(real.into_iter().zip(embedded)) {
        differences.compare(&format!("{case:?}"), answers);
    }
}

/// Makes a session that holds a key and depends on a check.
async fn lock(side: &Side) -> String {
    let check = r#"{"Name":"n","TTL":"10m","Status":"passing"}"#;
    side.ask("PUT", "agent/check/register", check).await;
    let is_there = |answer: &Answer| answer.body.to_string().contains("\"n\"");
    side.until("the check is there", "health/state/passing", is_there)
        .await;
    let (made, _) = side
        .ask_raw(
            "PUT",
            "session/create",
            r#"{"Checks":["n"],"LockDelay":"0s"}"#,
        )
        .await;
    let id = made.body["ID"].as_str().expect("an id").to_owned();
    let got = side.ask("PUT", &format!("kv/lock?acquire={id}"), "x").await;
    assert_eq!(got.body, json!(true), "{}", side.name);
    id
}

#[tokio::test]
async fn a_session_ends_with_its_check() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    for path in ["agent/check/fail/n", "agent/check/deregister/n"] {
        let run = async |side: &Side| {
            let id = lock(side).await;
            side.ask("PUT", path, "").await;
            let is_free = |answer: &Answer| !answer.body.to_string().contains("Session");
            let key = side.until("the lock is free", "kv/lock", is_free).await;
            let gone = side.ask("GET", &format!("session/info/{id}"), "").await;
            // The check is there again for the next round.
            side.ask("PUT", "agent/check/deregister/n", "").await;
            let is_gone = |answer: &Answer| !answer.body.to_string().contains("\"n\"");
            side.until("the check is gone", "health/state/any", is_gone)
                .await;
            (
                key,
                gone,
                side.ask("GET", &format!("session/info/{UNKNOWN}"), "")
                    .await,
            )
        };
        let (real, embedded) = pair.both(run).await;
        assert_eq!(real, embedded, "{path}");
    }
}
