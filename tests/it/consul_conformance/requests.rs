//! Requests of all kinds, right and wrong, one after the other.

use serde_json::{Value, json};

use super::agents::{Answer, Differences, Pair};

type Case = (&'static str, &'static str, &'static str);

const REGISTER: &str = "agent/service/register";
const REGISTER_CHECK: &str = "agent/check/register";

/// Requests (method, path, body) whose answers are compared.
const CASES: &[Case] = &[
    (
        "PUT",
        REGISTER,
        r#"{"Name":"web","ID":"w1","Port":80,"Tags":["a","B"],"Check":{"TTL":"10m"}}"#,
    ),
    ("GET", "agent/service/w1", ""),
    ("GET", "agent/services", ""),
    ("GET", "agent/checks", ""),
    ("GET", "agent/service/none", ""),
    ("GET", "agent/service/", ""),
    ("GET", "health/service/web", ""),
    ("GET", "health/service/web?passing=true", ""),
    ("PUT", "agent/check/pass/service:w1", ""),
    ("GET", "health/service/web?passing", ""),
    ("GET", "health/service/web?passing=0", ""),
    ("GET", "health/service/web?passing=x", ""),
    ("GET", "health/service/web?tag=a&tag=b", ""),
    ("GET", "health/service/web?tag=a&tag=c", ""),
    ("GET", "catalog/service/web?tag=c&tag=a", ""),
    ("GET", "health/service/web?tag=", ""),
    ("GET", "catalog/service/web?tag=", ""),
    ("GET", "health/service/nobody", ""),
    ("GET", "health/service/consul", ""),
    ("GET", "health/service/web?stale", ""),
    ("GET", "health/service/web?consistent", ""),
    ("GET", "health/service/web?stale&consistent", ""),
    ("GET", "health/service/", ""),
    ("GET", "health/checks/web", ""),
    ("GET", "health/checks/none", ""),
    ("GET", "health/checks/", ""),
    ("GET", "health/node/msvc", ""),
    ("GET", "health/node/none", ""),
    ("GET", "health/node/", ""),
    ("GET", "health/state/any", ""),
    ("GET", "health/state/passing", ""),
    ("GET", "health/state/warning", ""),
    ("GET", "health/state/bogus", ""),
    ("GET", "health/state/", ""),
    ("GET", "catalog/services", ""),
    ("GET", "catalog/service/web", ""),
    ("GET", "catalog/service/none", ""),
    ("GET", "catalog/service/", ""),
    ("GET", "catalog/nodes", ""),
    ("GET", "catalog/node/msvc", ""),
    ("GET", "catalog/node/none", ""),
    ("GET", "catalog/node/", ""),
    ("GET", "catalog/node-services/msvc", ""),
    ("GET", "catalog/datacenters", ""),
    ("GET", "agent/health/service/id/w1", ""),
    ("GET", "agent/health/service/id/none", ""),
    ("GET", "agent/health/service/id/", ""),
    ("GET", "agent/health/service/name/web", ""),
    ("GET", "agent/health/service/name/none", ""),
    ("GET", "agent/health/service/name/", ""),
    ("GET", "agent/health/service/name/web?format=text", ""),
    // Registered again: the checks that are not named stay, or go.
    (
        "PUT",
        REGISTER,
        r#"{"Name":"web","ID":"w1","Meta":{"a":"b"},"Weights":{"Passing":5},"Address":"h",
            "EnableTagOverride":true,"TaggedAddresses":{"lan":{"Address":"x","Port":1}},
            "Checks":[{"TTL":"10m","Status":"passing"},{"CheckID":"own","Name":"n","TTL":"9m","Notes":"o"}]}"#,
    ),
    ("GET", "health/service/web", ""),
    ("GET", "catalog/service/web", ""),
    ("GET", "agent/service/w1", ""),
    ("GET", "agent/checks", ""),
    // The tags of before: where they may be overridden, a real agent takes those of the catalog
    // whenever it next synchronises.
    (
        "PUT",
        "agent/service/register?replace-existing-checks=true",
        r#"{"name":"web","id":"w1","check":{"ttl":"10m","status":"warning"},"enable_tag_override":true,"tags":["a","B"]}"#,
    ),
    ("GET", "agent/checks", ""),
    ("GET", "health/service/web", ""),
    ("GET", "agent/health/service/id/w1", ""),
    // A check of the node, and one of a service.
    (
        "PUT",
        REGISTER_CHECK,
        r#"{"Name":"n1","TTL":"10m","Status":"passing"}"#,
    ),
    (
        "PUT",
        REGISTER_CHECK,
        r#"{"Name":"n2","ID":"id2","TTL":"10m","ServiceID":"w1","Notes":"why"}"#,
    ),
    ("GET", "health/service/web", ""),
    ("GET", "agent/checks", ""),
    ("PUT", "agent/check/warn/id2?note=so%20so", ""),
    ("GET", "health/checks/web", ""),
    (
        "PUT",
        "agent/check/update/id2",
        r#"{"Status":"critical","Output":"out"}"#,
    ),
    ("GET", "health/checks/web", ""),
    ("PUT", "agent/check/deregister/id2", ""),
    ("PUT", "agent/check/deregister/n1", ""),
    ("PUT", "agent/check/deregister/none", ""),
    ("PUT", "agent/check/deregister/", ""),
    ("GET", "health/state/any", ""),
    (
        "PUT",
        REGISTER_CHECK,
        r#"{"Name":"short","TTL":"10m","OutputMaxSize":5}"#,
    ),
    ("PUT", "agent/check/pass/short?note=abcdefghij", ""),
    ("GET", "agent/checks", ""),
    ("PUT", "agent/check/deregister/short", ""),
    // Maintenance.
    (
        "PUT",
        "agent/service/maintenance/w1?enable=true&reason=broken",
        "",
    ),
    (
        "PUT",
        "agent/service/maintenance/w1?enable=true&reason=again",
        "",
    ),
    ("GET", "agent/checks", ""),
    ("GET", "health/checks/web", ""),
    ("GET", "agent/health/service/id/w1", ""),
    ("PUT", "agent/service/maintenance/w1?enable=false", ""),
    ("GET", "agent/checks", ""),
    ("PUT", "agent/service/maintenance/w1", ""),
    ("PUT", "agent/service/maintenance/w1?enable=x", ""),
    ("PUT", "agent/service/maintenance/?enable=true", ""),
    ("PUT", "agent/service/maintenance/none?enable=true", ""),
    ("PUT", "agent/maintenance?enable=true", ""),
    ("GET", "agent/checks", ""),
    ("GET", "health/service/web?passing", ""),
    ("PUT", "agent/maintenance?enable=false", ""),
    ("PUT", "agent/maintenance", ""),
    ("PUT", "agent/maintenance?enable=", ""),
    ("GET", "health/state/critical", ""),
    // Wrong requests.
    ("PUT", "agent/check/pass/none", ""),
    (
        "PUT",
        "agent/check/update/service:w1",
        r#"{"Status":"bad"}"#,
    ),
    ("PUT", "agent/check/update/service:w1", r#"{"Status":5}"#),
    ("PUT", "agent/check/update/service:w1", r#"{"Bogus":5}"#),
    ("PUT", "agent/check/update/service:w1", "{}"),
    ("PUT", "agent/check/update/service:w1", "x"),
    ("PUT", "agent/check/bogus/n1", ""),
    ("GET", "agent/check/pass/n1", ""),
    ("DELETE", "agent/services", ""),
    ("OPTIONS", "agent/services", ""),
    ("PUT", "catalog/services", ""),
    ("GET", REGISTER, ""),
    ("GET", "nothing", ""),
    ("GET", "", ""),
    ("GET", "agent", ""),
    ("GET", "agent/nothing", ""),
    ("GET", "kv", ""),
    ("GET", "health/service/web?index=abc", ""),
    ("GET", "health/service/web?index=-1", ""),
    ("GET", "health/service/web?index=", ""),
    ("GET", "health/service/web?wait=abc", ""),
    ("GET", "health/service/web?wait=5", ""),
    ("GET", "health/service/web?wait=-5s", ""),
    ("GET", "health/service/web?index=1&wait=", ""),
    // The key-value store.
    ("GET", "kv/?keys", ""),
    ("GET", "kv/?recurse", ""),
    ("GET", "kv/", ""),
    ("GET", "kv/none", ""),
    ("GET", "kv/none?keys", ""),
    ("GET", "kv/none?recurse", ""),
    ("PUT", "kv/a/b?flags=3", "hi"),
    ("PUT", "kv/a/b?flags=3", "hi"),
    ("GET", "kv/a/b", ""),
    ("GET", "kv/a/b?raw", ""),
    ("GET", "kv/a?recurse", ""),
    ("GET", "kv/a?recurse&keys", ""),
    ("GET", "kv/a/b?recurse&raw", ""),
    ("PUT", "kv/a/c/d", "1"),
    ("PUT", "kv/sp%20ace", "1"),
    ("PUT", "kv/pct%2Fslash", "1"),
    ("PUT", "kv/empty", ""),
    ("GET", "kv/empty", ""),
    ("GET", "kv/empty?raw", ""),
    ("GET", "kv/?keys", ""),
    ("GET", "kv/?keys&separator=/", ""),
    ("GET", "kv/a/?keys&separator=/", ""),
    ("GET", "kv/a/?keys&separator=", ""),
    ("PUT", "kv/a/b?cas=0", "x"),
    ("PUT", "kv/new?cas=0", "x"),
    ("PUT", "kv/a/b?cas=x", "x"),
    ("PUT", "kv/a/b?cas=", "x"),
    ("PUT", "kv/a/b?flags=-1", "x"),
    ("PUT", "kv/a/b?flags=18446744073709551615", "x"),
    ("GET", "kv/a/b", ""),
    ("PUT", "kv/a/b?cas=1&acquire=x", "x"),
    ("PUT", "kv/a/b?acquire=", "x"),
    ("PUT", "kv/a/b?release=", "x"),
    ("PUT", "kv/a/b?acquire=short", "x"),
    ("DELETE", "kv/a/b?recurse&cas=5", ""),
    ("DELETE", "kv/a/b?cas=0", ""),
    ("DELETE", "kv/a/b?cas=1", ""),
    ("DELETE", "kv/a/b?cas=x", ""),
    ("DELETE", "kv/none?cas=5", ""),
    ("DELETE", "kv/none", ""),
    ("DELETE", "kv/", ""),
    ("DELETE", "kv/a?recurse", ""),
    ("GET", "kv/a/b", ""),
    ("GET", "kv/a/?keys", ""),
    ("POST", "kv/a", ""),
    ("PATCH", "kv/a", ""),
    ("OPTIONS", "kv/a", ""),
    ("PUT", "kv/", ""),
    ("PUT", "kv//slash", "x"),
    ("DELETE", "kv/?recurse", ""),
    ("GET", "kv/?keys", ""),
    // Gone again.
    ("PUT", "agent/service/deregister/w1", ""),
    ("PUT", "agent/service/deregister/w1", ""),
    ("PUT", "agent/service/deregister/", ""),
    ("GET", "health/service/web", ""),
    ("GET", "agent/checks", ""),
];

/// Bodies of registrations that are refused, and some that are not.
const SERVICES: &[&str] = &[
    "",
    "xx",
    "[]",
    "null",
    "{}",
    r#"{"Name":"x""#,
    r#"{"Name":5}"#,
    r#"{"Name":"x","Port":"x"}"#,
    r#"{"Name":"x","Port":1.5}"#,
    r#"{"Name":"x","Port":[]}"#,
    r#"{"Name":"x","Tags":"x"}"#,
    r#"{"Name":"x","Tags":[1]}"#,
    r#"{"Name":"x","Meta":"x"}"#,
    r#"{"Name":"x","Meta":{"a":1}}"#,
    r#"{"Name":"x","Meta":{"bad key!":"x"}}"#,
    r#"{"Name":"x","Bogus":1}"#,
    r#"{"Name":"x","EnableTagOverride":"x"}"#,
    r#"{"Name":"x","Address":"0.0.0.0"}"#,
    r#"{"Name":"x","Weights":{"Passing":0}}"#,
    r#"{"Name":"x","Weights":{"Passing":"x"}}"#,
    r#"{"Name":"x","TaggedAddresses":{"lan":5}}"#,
    r#"{"Name":"x","TaggedAddresses":{"lan":{"Address":5}}}"#,
    r#"{"Name":"x","Check":[]}"#,
    r#"{"Name":"x","Checks":{}}"#,
    r#"{"Name":"x","Check":{"Name":"a"}}"#,
    r#"{"Name":"x","Check":{"TTL":"x"}}"#,
    r#"{"Name":"x","Check":{"TTL":"5"}}"#,
    r#"{"Name":"x","Check":{"TTL":"5x"}}"#,
    r#"{"Name":"x","Check":{"TTL":"-1m"}}"#,
    r#"{"Name":"x","Check":{"TTL":"1m","Bogus":1}}"#,
    r#"{"Name":"x","Check":{"TTL":"1m","Status":"bogus"}}"#,
    r#"{"Name":"x","Check":{"HTTP":5,"Interval":"1s"}}"#,
    r#"{"Name":"x","Check":{"HTTP":"http://127.0.0.1:1"}}"#,
    r#"{"Name":"x","Check":{"HTTP":"http://127.0.0.1:1","Interval":"1s","TTL":"3s"}}"#,
    r#"{"Name":"x","Check":{"Interval":"1s"}}"#,
    r#"{"Name":"x","Checks":[{"TTL":"1m","Name":5}]}"#,
    r#"{"Name":"port-is-any-number","Port":-70000}"#,
    r#"{"Name":"empty-check","Check":{}}"#,
    r#"{"Name":"trailing"} text"#,
];

const CHECKS: &[&str] = &[
    "",
    r#"{"TTL":"1m"}"#,
    r#"{"Name":"x"}"#,
    r#"{"Name":7}"#,
    r#"{"Name":"x","Notes":7,"TTL":"1m"}"#,
    r#"{"Name":"x","CheckID":"x","TTL":"1m"}"#,
    r#"{"Name":"x","Status":"bogus","TTL":"1m"}"#,
    r#"{"Name":"x","ServiceID":"none","TTL":"1m"}"#,
    r#"{"Name":"x","Args":["true"],"Interval":"1s"}"#,
    r#"{"Name":"x","HTTP":"http://127.0.0.1:1","Header":{"A":"b"},"Interval":"1s"}"#,
    r#"{"Name":"x","HTTP":"http://127.0.0.1:1","OutputMaxSize":-5,"Interval":"1s"}"#,
];

#[tokio::test]
async fn requests_are_answered_as_by_a_real_agent() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for case in CASES {
        let (method, path, body) = *case;
        let mut answers = pair.settled(method, path, body).await;
        // Go adds a page for browsers.
        if answers.0.status == 301 {
            answers.0.body = Value::Null;
            answers.0.headers.remove("content-type");
            answers.1.body = Value::Null;
        }
        differences.compare(&format!("{case:?}"), answers);
    }
}

/// Go's names of types without their fields.
fn without_fields(mut answer: Answer) -> Answer {
    if let Some(text) = answer.body.as_str() {
        let end = text
            .find(" struct {")
            .map_or(text.len(), |at| at + " struct".len());
        answer.body = json!(text[..end]);
    }
    answer
}

#[tokio::test]
async fn what_a_real_agent_refuses_is_refused_in_the_same_words() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    let services = SERVICES.iter().map(|body| (REGISTER, body));
    let checks = CHECKS.iter().map(|body| (REGISTER_CHECK, body));
    for (path, body) in services.chain(checks) {
        let (real, embedded) = pair.ask("PUT", path, body).await;
        let answers = (without_fields(real), without_fields(embedded));
        differences.compare(&format!("{path} {body}"), answers);
    }
    differences.compare(
        "what was let in",
        pair.ask("GET", "agent/services", "").await,
    );
    let value = "x".repeat(512 * 1024);
    differences.compare(
        "a value of 512 KiB",
        pair.ask("PUT", "kv/big", &value).await,
    );
    let value = format!("{value}x");
    differences.compare("one byte more", pair.ask("PUT", "kv/big", &value).await);
}

#[tokio::test]
async fn the_agent_tells_of_itself_what_a_real_one_does() {
    let Some(pair) = Pair::start().await else {
        return;
    };
    let mut differences = Differences::default();
    for (path, pointers) in [
        ("agent/self", &["/Config", "/Meta", "/Member"][..]),
        ("agent/members", &["/0"]),
    ] {
        let (real, embedded) = pair.ask("GET", path, "").await;
        for pointer in pointers {
            let part = |answer: &Answer| {
                let mut part = answer.body.pointer(pointer).cloned().expect("a part");
                // The test chose the ports.
                let fields = part.as_object_mut().expect("an object");
                fields.remove("Port");
                if let Some(tags) = fields.get_mut("Tags").and_then(Value::as_object_mut) {
                    tags.remove("port");
                }
                part
            };
            let parts = (part(&real), part(&embedded));
            differences.compare(&format!("{path} {pointer}"), parts);
        }
    }
    for path in ["status/leader", "status/peers"] {
        let shape = |answer: Answer| (answer.status, answer.headers, answer.body.is_string());
        let (real, embedded) = pair.ask("GET", path, "").await;
        differences.compare(path, (shape(real), shape(embedded)));
    }
}
