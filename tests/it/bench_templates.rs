//! Requests that differ from call to call, as servers see them.

use std::collections::BTreeSet;

use prost::Message as _;
use serde_json::json;

use crate::bench::{bench, codes, protos, report};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;
use crate::support::chat_v1::SendMessageRequest;
use crate::support::http2::{Answer, EMPTY_MESSAGE, Http2Server};

const TEMPLATE: &str = r#"{"message": {"room": "room-{{seq}}", "author": "{{column name}}", "text": "{{uuid}}",
    "id": {{randomInt 0 1000000}}, "sentAt": {{now}}, "labels": {"k": "{{randomString 300}}"}}}"#;

/// What the calls of a bench by this engine carried: room, author, text, number and the request's id.
fn seen(engine: &str, seed: &str) -> BTreeSet<(String, String, String, u64, String)> {
    let (sandbox, server) = (
        Sandbox::new(),
        Http2Server::start(Answer::Trailers(EMPTY_MESSAGE, "0")),
    );
    std::fs::write(sandbox.path().join("names.csv"), "name\nAda\nBob\nCleo\n").expect("writable");
    let protos = protos();
    let load = [
        "SendMessage",
        "-d",
        TEMPLATE,
        "-H",
        "x-request-id: r-{{uuid}}",
        "-H",
        "x-fixed: yes",
        "--rows",
        "names.csv",
        "--seed",
        seed,
        "--engine",
        engine,
        "-n",
        "60",
        "-c",
        "6",
        "--connections",
        "3",
        "--threads",
        "3",
    ];
    let args: Vec<&str> = load
        .into_iter()
        .chain(protos.iter().map(String::as_str))
        .collect();
    let (exit, report) = report(&sandbox, &server.address(), &args);
    assert_eq!(
        (exit, codes(&report)),
        (0, json!([["OK", 60, []]])),
        "{report:#}"
    );
    let requests = server.requests();
    let bytes: usize = requests.iter().map(|(_, body)| body.len()).sum();
    assert_eq!(report["traffic"]["bytes_sent"], bytes, "{engine}");
    assert_eq!(report["bytes_per_call"], json!(null));
    assert_eq!(report["seed"].to_string(), seed);
    let each = requests.iter().map(|(headers, body)| {
        assert_eq!(headers["x-fixed"], "yes");
        let (prefix, body) = body.split_at(5);
        assert_eq!(prefix[1..], (body.len() as u32).to_be_bytes());
        let message = SendMessageRequest::decode(body).expect("a message").message;
        let message = message.expect("there is one");
        assert_eq!(message.labels["k"].len(), 300);
        assert!(message.sent_at.expect("set").seconds > 1_767_225_600);
        let id = headers["x-request-id"].to_str().expect("ASCII").to_owned();
        (message.room, message.author, message.text, message.id, id)
    });
    each.collect()
}

#[test]
fn every_call_has_a_request_of_its_own_and_both_engines_make_the_same_ones() {
    let all = seen("native", "7");
    assert_eq!(all.len(), 60);
    let rooms: BTreeSet<String> = all.iter().map(|call| call.0.clone()).collect();
    assert_eq!(
        rooms,
        (0..60).map(|number| format!("room-{number}")).collect()
    );
    for (room, author, ..) in &all {
        let number: usize = room["room-".len()..].parse().expect("a number");
        assert_eq!(author, ["Ada", "Bob", "Cleo"][number % 3]);
    }
    let texts: BTreeSet<&String> = all.iter().flat_map(|call| [&call.2, &call.4]).collect();
    assert_eq!(texts.len(), 120);
    assert_eq!(seen("h2", "7"), all);
    let others = seen("native", "8");
    assert!(others.iter().all(|call| !all.contains(call)));
}

#[test]
fn a_request_is_made_from_the_schema_where_none_is_given() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    for (method, example) in [
        (
            "SendMessage",
            r#"{"message":{"id":"1","room":"room","author":"author","text":"text","sentAt":"2026-01-31T12:00:00Z","kind":"KIND_TEXT","labels":{"key":"value"},"replyTo":"1"}}"#,
        ),
        ("Chat", r#"{"enter":{"room":"room","author":"author"}}"#),
    ] {
        let address = server.address();
        let mut command = sandbox.command(["bench", &address, method, "-n", "20"]);
        let output = command.output().expect("msvc starts");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!("Made {example} from the schema: there is no `-d`");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_template_that_is_none_is_told_before_anything_is_sent() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    std::fs::write(sandbox.path().join("rows.csv"), "id\n").expect("writable");
    let address = server.address();
    let wrong = |args: &[&str]| {
        bench(
            &sandbox,
            &address,
            &[&["SendMessage", "-n", "1"], args].concat(),
        )
    };
    insta::assert_snapshot!(wrong(&["-d", r#"{"message": {"text": "{{uuidd}}"}}"#]), @r#"
    exit: 2
    --- stderr ---
    error: -d:1:23: there is no generator `uuidd`: did you mean `uuid`?
       |
     1 | {"message": {"text": "{{uuidd}}"}}
       |                       ^^^^^^^^^
    "#);
    insta::assert_snapshot!(wrong(&["-d", "{{uuid}}", "--rows", "rows.csv"]), @r"
    exit: 2
    --- stderr ---
    error: `rows.csv` has no rows to read
      caused by: there are no rows in it
    ");
    insta::assert_snapshot!(wrong(&["-d", "{{uuid}}", "--rows", "rows.txt"]), @r"
    exit: 2
    --- stderr ---
    error: `rows.txt` is neither `.csv` nor `.jsonl`
    ");
    insta::assert_snapshot!(wrong(&["-H", "x-id: {{seqq}}"]), @r#"
    exit: 2
    --- stderr ---
            Made {"message":{"id":"1","room":"room","author":"author","text":"text","sentAt":"2026-01-31T12:00:00Z","kind":"KIND_TEXT","labels":{"key":"value"},"replyTo":"1"}} from the schema: there is no `-d`
    error: -H x-id:1:1: there is no generator `seqq`: did you mean `seq`?
       |
     1 | {{seqq}}
       | ^^^^^^^^
    "#);
    insta::assert_snapshot!(wrong(&["-H", "x-id: {{randomChoice a ü}}"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value 'x-id: {{randomChoice a ü}}' for '--header <K: V>': the value of `x-id` has characters outside printable ASCII: use a `-bin` key with base64

    For more information, try '--help'.
    ");
}
