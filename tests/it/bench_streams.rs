//! Calls that are streams: their messages one by one, both engines.

use serde_json::{Value, json};

use crate::bench::{bench, codes, number, protos, report};
use crate::support::Sandbox;
use crate::support::chat::ChatServer;
use crate::support::http2::{Answer, EMPTY_MESSAGE, Http2Server};

const TALK: &str = r#"{"enter": {"room": "lobby", "author": "ada"}} {"say": "{{seq}}"}"#;

fn both(address: &str, args: &[&str]) -> [Value; 2] {
    ["native", "h2"].map(|engine| {
        let args = [args, &["--engine", engine]].concat();
        let (exit, report) = report(&Sandbox::new(), address, &args);
        assert_eq!(exit, 0, "{engine}: {report:#}");
        report
    })
}

#[test]
fn each_message_waits_for_the_answer_to_the_one_before() {
    let server = ChatServer::start();
    let talk = [
        "Chat",
        "-d",
        TALK,
        "--messages",
        "6",
        "--ping-pong",
        "-n",
        "50",
        "-c",
        "5",
        "--connections",
        "2",
    ];
    for report in both(&server.address(), &talk) {
        assert_eq!(codes(&report), json!([["OK", 50, []]]));
        assert_eq!(report["messages_per_call"], 6);
        assert_eq!(report["messages"], json!({ "kind": "in_turn" }));
        // An answer to each, and one that tells that it is over.
        assert_eq!(report["traffic"]["messages_sent"], 300);
        assert_eq!(report["traffic"]["messages_received"], 350);
        let streams = &report["streams"];
        assert_eq!(streams["first_message"]["count"], 50, "{streams:#}");
        assert_eq!(streams["gap"]["count"], 300);
        assert_eq!(streams["echo"]["count"], 300);
        // A call is no shorter than what it waits for, one after the other, but for the rounding.
        let calls = number(&report["latency"]["mean_us"]) * 50.0;
        let echoes = number(&streams["echo"]["mean_us"]) * 300.0;
        assert!(echoes <= calls * 1.0001, "{echoes} of {calls}");
    }
}

#[test]
fn messages_are_sent_at_their_distance() {
    let server = ChatServer::start();
    let talk = [
        "Chat",
        "-d",
        TALK,
        "--messages",
        "5",
        "--message-interval",
        "40ms",
        "-n",
        "8",
        "-c",
        "4",
    ];
    for report in both(&server.address(), &talk) {
        assert_eq!(codes(&report), json!([["OK", 8, []]]));
        assert_eq!(
            report["messages"],
            json!({ "kind": "every", "interval_seconds": 0.04 })
        );
        assert_eq!(report["streams"]["echo"]["count"], 40);
        assert_eq!(report["streams"]["gap"]["count"], 40);
        // Four distances and the answer to the last message: no call can be shorter.
        assert!(
            number(&report["latency"]["min_us"]) >= 160_000.0,
            "{report:#}"
        );
    }
    // The server of this one sees all messages of a call, whatever the engine.
    let server = Http2Server::start(Answer::Trailers(EMPTY_MESSAGE, "0"));
    let protos = protos();
    let import = r#"{"message": {"room": "{{seq}}", "text": "x"}}"#;
    let import = [
        "ImportMessages",
        "-d",
        import,
        "--messages",
        "3",
        "--message-interval",
        "5ms",
        "-n",
        "2",
        "-c",
        "1",
        "-H",
        "x-id: {{seq}}",
    ];
    let args: Vec<&str> = import
        .into_iter()
        .chain(protos.iter().map(String::as_str))
        .collect();
    both(&server.address(), &args);
    let requests = server.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|(headers, body)| {
            (
                headers["x-id"].to_str().expect("ASCII").to_owned(),
                body.clone(),
            )
        })
        .collect();
    let body = |rooms: [&str; 3]| -> Vec<u8> {
        let message =
            |room: &str| [b"\0\0\0\0\x08\x0a\x06\x12\x01", room.as_bytes(), b"\"\x01x"].concat();
        rooms.iter().flat_map(|room| message(room)).collect()
    };
    let first = ("0".to_owned(), body(["0", "1", "2"]));
    let second = ("1".to_owned(), body(["3", "4", "5"]));
    assert_eq!(seen, [first.clone(), second.clone(), first, second]);
}

#[test]
fn the_times_of_messages_stand_in_the_report_of_a_stream() {
    let server = ChatServer::start();
    let watch = [
        "WatchRoom",
        "-d",
        r#"{"room": "lobby", "limit": 3}"#,
        "-n",
        "100",
    ];
    for report in both(&server.address(), &watch) {
        assert_eq!(report["streams"]["first_message"]["count"], 100);
        assert_eq!(report["streams"]["gap"]["count"], 200);
        assert_eq!(report["streams"]["echo"], Value::Null);
    }
    let sandbox = Sandbox::new();
    let shown = bench(&sandbox, &server.address(), &watch);
    let row = shown.lines().find(|line| line.contains("first message"));
    assert_eq!(
        row.map(str::split_whitespace).map(Iterator::collect),
        Some(vec!["first", "message", "gap"])
    );
    assert!(shown.contains("received/s"), "{shown}");
}

#[test]
fn a_call_that_is_never_answered_ends_in_time_whatever_it_still_had_to_say() {
    let server = Http2Server::start(Answer::Nothing);
    let protos = protos();
    for how in [&["--ping-pong"][..], &["--message-interval", "10ms"]] {
        for engine in ["native", "h2"] {
            let talk = [
                "Chat",
                "-d",
                TALK,
                "--messages",
                "1000",
                "-n",
                "3",
                "-c",
                "3",
                "--timeout",
                "200ms",
                "--engine",
                engine,
            ];
            let protos = protos.iter().map(String::as_str);
            let args: Vec<&str> = talk
                .into_iter()
                .chain(how.iter().copied())
                .chain(protos)
                .collect();
            let (exit, report) = report(&Sandbox::new(), &server.address(), &args);
            assert_eq!(exit, 4);
            assert_eq!(
                codes(&report),
                json!([["DEADLINE_EXCEEDED", 3, ["no answer within 200ms"]]])
            );
        }
    }
}

#[test]
fn options_for_streams_are_refused_where_there_is_none() {
    let (sandbox, server) = (Sandbox::new(), ChatServer::start());
    let wrong = |args: &[&str]| bench(&sandbox, &server.address(), args);
    insta::assert_snapshot!(wrong(&["WatchRoom", "-d", "{}", "--messages", "3"]), @r"
    exit: 2
    --- stderr ---
    error: `chat.v1.ChatService/WatchRoom` is no method that `--messages` is for: its requests are no stream
    ");
    insta::assert_snapshot!(wrong(&["ImportMessages", "-d", "{}", "--ping-pong"]), @r"
    exit: 2
    --- stderr ---
    error: `chat.v1.ChatService/ImportMessages` is no method that `--ping-pong` is for: it does not stream both ways
    ");
    insta::assert_snapshot!(wrong(&["Chat", "-d", "", "--messages", "3"]), @r"
    exit: 2
    --- stderr ---
    error: there are no messages to send: `-d` has none
    ");
}
