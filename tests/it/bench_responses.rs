//! Responses that are looked at, one of many.

use serde_json::json;

use crate::bench::{HELLO, bench, codes, report};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;

#[test]
fn some_responses_are_looked_at_and_values_counted() {
    let server = ChatServer::start();
    for engine in ["native", "h2"] {
        for (method, data, field, values) in [
            (
                "SendMessage",
                HELLO,
                "message.room",
                json!([{ "value": "lobby", "count": 20 }]),
            ),
            (
                "WatchRoom",
                r#"{"room": "lobby", "limit": 3}"#,
                "message.author",
                json!([{ "value": "ada", "count": 40 }, { "value": "bob", "count": 20 }]),
            ),
        ] {
            let expected = format!("who={field}");
            let args = [
                method,
                "-d",
                data,
                "-n",
                "200",
                "-c",
                "10",
                "--sample",
                "10",
                "--engine",
                engine,
                "--expect",
                "message.id>0",
                "--expect",
                "message.sent_at~2026-01-02T",
                "--extract",
                &expected,
            ];
            let (exit, report) = report(&Sandbox::new(), &server.address(), &args);
            assert_eq!(
                (exit, codes(&report)),
                (0, json!([["OK", 200, []]])),
                "{report:#}"
            );
            assert_eq!(
                report["responses"],
                json!({
                    "every": 10,
                    "sampled": 20,
                    "failed": 0,
                    "unmet": [],
                    "extracted": [{ "name": "who", "values": values, "others": 0 }],
                })
            );
        }
    }
}

#[test]
fn a_response_that_is_not_what_was_expected_fails_the_bench() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let args = [
        "SendMessage",
        "-d",
        HELLO,
        "-n",
        "200",
        "--expect",
        "message.room==kitchen",
        "--expect",
        "message.id==42",
    ];
    let shown = bench(&sandbox, &server.address(), &args);
    let (report, said) = shown.split_once("--- stderr ---").expect("both");
    let (_, looked_at) = report
        .split_once("\n\n  responses")
        .expect("responses were looked at");
    // What was the limit comes after it, and is another thing each time.
    let (looked_at, _) = looked_at.split_once("\n\n").unwrap_or((looked_at, ""));
    insta::assert_snapshot!(looked_at, @r"
    of 2 calls looked at, one of 100: 2 not as expected
         message.room==kitchen does not hold of 2 messages
             lobby (2 times)
    ");
    assert_eq!(
        said.trim(),
        "error: responses of 2 of 2 calls are not what was expected: `message.room==kitchen`"
    );
    assert!(report.starts_with("exit: 1\n"), "{report}");
}

#[test]
fn fields_that_responses_do_not_have_are_told_before_the_bench() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let wrong = |args: &[&str]| {
        bench(
            &sandbox,
            &server.address(),
            &[&["SendMessage", "-d", "{}"], args].concat(),
        )
    };
    insta::assert_snapshot!(wrong(&["--expect", "message.rooom==x"]), @r"
    exit: 2
    --- stderr ---
    error: `message.rooom` cannot be found in responses
      caused by: `chat.v1.Message` has no field `rooom`: did you mean `room`?
    ");
    insta::assert_snapshot!(wrong(&["--extract", "a=mesage"]), @r"
    exit: 2
    --- stderr ---
    error: `mesage` cannot be found in responses
      caused by: `chat.v1.SendMessageResponse` has no field `mesage`: did you mean `message`?
    ");
    insta::assert_snapshot!(wrong(&["--expect", "message.room"]), @r"
    exit: 2
    --- stderr ---
    error: invalid value 'message.room' for '--expect <EXPR>': expected a field, one of `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, and a value, such as `user.id==7`

    For more information, try '--help'.
    ");
}
