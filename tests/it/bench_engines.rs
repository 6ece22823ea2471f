//! The two engines of `msvc bench` against the same servers: they must find the same.
//!
//! The reference is the `h2` crate. The servers are tonic, grpcio (gRPC's C core), nghttpd (libnghttp2) and
//! scripts that use HTTP/2 in ways that good servers do not.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use h2::Reason;
use serde_json::{Value, json};

use crate::support::chat::{self, ChatServer};
use crate::support::http2::{Answer, EMPTY_MESSAGE, Http2Server, Manners};
use crate::support::script::{self, HEAD, OK, Script, flag, frame, kind, success, trailers};
use crate::support::{Sandbox, skip, stubs};

/// A request for `SendMessage` that succeeds.
const HELLO: &str = r#"{"message": {"room": "lobby", "author": "ada", "text": "hello"}}"#;

/// What an engine finds.
fn found(engine: &str, address: &str, args: &[&str]) -> Value {
    let sandbox = Sandbox::new();
    let folder = chat::proto_folder();
    let proto = folder.join(chat::PROTO);
    let output = sandbox
        .command([
            "bench", address, "--engine", engine, "--format", "json", "--proto",
        ])
        .arg(proto)
        .arg("-I")
        .arg(folder)
        .args(args)
        .output()
        .expect("msvc starts");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{engine}: {error}: {output:?}");
    });
    assert!(report["error"].is_null(), "{engine}: {report:#}");
    let codes = report["codes"].as_array().expect("codes").iter();
    let codes: Vec<Value> = codes
        .map(|code| {
            let samples = code["samples"].as_array().expect("samples").iter();
            let mut samples: Vec<String> = samples.map(Value::to_string).collect();
            samples.sort();
            json!([code["name"], code["count"], samples])
        })
        .collect();
    let calls = &report["calls"];
    json!({
        "codes": codes,
        "traffic": report["traffic"],
        "resent": calls["resent"],
        "left": [calls["unsent"], calls["abandoned"]],
        "exit": output.status.code(),
    })
}

/// What both find.
fn both(address: &str, args: &[&str]) -> Value {
    let native = found("native", address, args);
    let reference = found("h2", address, args);
    assert_eq!(native, reference, "{args:?}");
    native
}

fn codes(found: &Value) -> &Value {
    &found["codes"]
}

#[test]
fn they_agree_on_tonic() {
    let server = ChatServer::start();
    let two = r#"{"message": {"room": "a", "text": "1"}} {"message": {"room": "b", "text": "2"}}"#;
    let closed = HELLO.replace("lobby", "closed");
    for (method, data) in [
        ("SendMessage", HELLO),
        ("SendMessage", closed.as_str()),
        ("SendMessage", "{}"),
        ("WatchRoom", r#"{"room": "lobby", "limit": 3}"#),
        ("ImportMessages", two),
        ("ImportMessages", ""),
        (
            "Chat",
            r#"{"enter": {"room": "lobby", "author": "ada"}} {"say": "hello"}"#,
        ),
    ] {
        let args = [
            method,
            "-d",
            data,
            "-n",
            "300",
            "-c",
            "20",
            "--connections",
            "3",
        ];
        let found = both(&server.address(), &args);
        assert_eq!(codes(&found)[0][1], 300, "{found:#}");
    }
    let large = [
        "WatchRoom",
        "-d",
        r#"{"room": "large"}"#,
        "-n",
        "8",
        "-c",
        "4",
    ];
    both(&server.address(), &large);
    let open = ["SendMessage", "-d", HELLO, "--rate", "500", "-n", "200"];
    both(&server.address(), &open);
}

#[test]
fn they_agree_on_servers_on_h2() {
    let answers = [
        Answer::Trailers(EMPTY_MESSAGE, "0"),
        Answer::Trailers(EMPTY_MESSAGE, "14"),
        Answer::Trailers(EMPTY_MESSAGE, "nonsense"),
        Answer::Trailers(b"", "0"),
        Answer::Trailers(b"", "5"),
        Answer::Trailers(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "0"),
        Answer::Trailers(&[0, 0, 0, 0, 9, 1], "0"),
        Answer::Trailers(&[0, 0, 0, 0, 9, 1], "13"),
        Answer::Trailers(&[1, 0, 0, 0, 0], "0"),
        Answer::Trailers(b"hello", "0"),
        Answer::TrailersOnly("7", "not%20you"),
        Answer::TrailersOnly("0", "fine"),
        Answer::NoStatus,
        Answer::Http(200),
        Answer::Http(404),
        Answer::Http(503),
        Answer::Reset(Reason::CANCEL),
        Answer::Reset(Reason::INTERNAL_ERROR),
        Answer::Reset(Reason::ENHANCE_YOUR_CALM),
        Answer::Reset(Reason::NO_ERROR),
        Answer::Reset(Reason::REFUSED_STREAM),
    ];
    for answer in answers {
        let server = Http2Server::start(answer);
        let found = both(&server.address(), &["SendMessage", "-n", "40", "-c", "4"]);
        assert_eq!(codes(&found)[0][1], 40, "{answer:?}: {found:#}");
    }
}

#[test]
fn they_agree_on_servers_that_limit_calls() {
    for (calls_per_connection, max_streams) in [(None, Some(1)), (None, Some(3)), (Some(50), None)]
    {
        let server = Http2Server::start(Manners {
            answer: Answer::Trailers(EMPTY_MESSAGE, "0"),
            calls_per_connection,
            max_streams,
        });
        let args = ["SendMessage", "-n", "400", "-c", "20", "--connections", "2"];
        for engine in ["native", "h2"] {
            // How often calls are sent again depends on what was under way.
            let found = found(engine, &server.address(), &args);
            assert_eq!(
                *codes(&found),
                json!([["OK", 400, []]]),
                "{engine}: {found:#}"
            );
        }
    }
}

/// A status in trailers.
fn status(code: &str, message: &str) -> Vec<u8> {
    let head = [
        &b"\x00\x0bgrpc-status"[..],
        &[code.len() as u8],
        code.as_bytes(),
    ]
    .concat();
    let tail = [
        &b"\x00\x0cgrpc-message"[..],
        &[message.len() as u8],
        message.as_bytes(),
    ]
    .concat();
    [head, tail].concat()
}

/// An answer whose headers fill the table, are named by later ones, and push each other out of it.
fn by_the_table(stream: u32, call: usize) -> Vec<u8> {
    let message = frame(kind::DATA, 0, stream, EMPTY_MESSAGE);
    let code = (call / 10 % 3).to_string();
    // Every tenth call makes the entry that the nine after it name; large ones push out the older ones.
    let filler = [&b"\x40\x01x\x7f\xb1\x09"[..], &[b'y'; 1_328]].concat();
    let kept = [&filler[..], b"\x40\x0bgrpc-status\x01", code.as_bytes()].concat();
    let block = if call.is_multiple_of(10) {
        kept
    } else {
        b"\xbe".to_vec()
    };
    [
        frame(kind::HEADERS, flag::END_HEADERS, stream, HEAD),
        message,
        trailers(stream, &block),
    ]
    .concat()
}

/// An answer with all that frames can have, but for empty ones: of those, `h2` takes only a hundred.
fn ornate(stream: u32, call: usize) -> Vec<u8> {
    let mut head = vec![3, 0, 0, 0, 0, 9];
    head.extend_from_slice(&HEAD[..3]);
    head.extend([0; 3]);
    let flags = flag::PADDED | flag::PRIORITY;
    let ping = [call as u8; 8];
    [
        frame(kind::HEADERS, flags, stream, &head),
        frame(kind::CONTINUATION, 0, stream, &HEAD[3..8]),
        frame(kind::CONTINUATION, flag::END_HEADERS, stream, &HEAD[8..]),
        frame(kind::PING, 0, 0, &ping),
        frame(
            kind::DATA,
            flag::PADDED,
            stream,
            &[4, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        frame(0x77, 0xff, stream, b"unknown"),
        frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 1, 0]),
        frame(kind::DATA, 0, stream, &[2, b'a']),
        frame(kind::DATA, flag::PADDED, stream, &[0, b'b']),
        trailers(stream, OK),
    ]
    .concat()
}

/// Statuses and resets by turns.
fn moody(stream: u32, call: usize) -> Vec<u8> {
    let reset = |code: u32| frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes());
    let only = |block: &[u8]| trailers(stream, &[HEAD, block].concat());
    match call % 8 {
        0 => success(stream),
        1 => only(&status("5", "no%20one")),
        2 => only(&status("16", "%zz caf%C3%A9")),
        3 => reset(8),
        4 => reset(2),
        5 => only(&status("99", "")),
        6 => trailers(stream, b"\x08\x03429"),
        _ => [
            frame(kind::HEADERS, flag::END_HEADERS, stream, b"\x08\x03502"),
            frame(
                kind::DATA,
                flag::END_STREAM,
                stream,
                b"<html>a gateway</html>",
            ),
        ]
        .concat(),
    }
}

#[test]
fn they_agree_on_scripts() {
    let scripts: [(&str, Script); 6] = [
        ("plain", Script::default()),
        (
            "dribbling",
            Script {
                piece: 1,
                ..Script::default()
            },
        ),
        (
            "stingy",
            Script {
                is_stingy: true,
                ..Script::default()
            },
        ),
        (
            "by the table",
            Script {
                answer: by_the_table,
                ..Script::default()
            },
        ),
        (
            "ornate",
            Script {
                answer: ornate,
                piece: 7,
                ..Script::default()
            },
        ),
        (
            "moody",
            Script {
                answer: moody,
                // Its table holds nothing, and it takes few calls at a time.
                settings: &[(1, 0), (3, 5)],
                ..Script::default()
            },
        ),
    ];
    for (name, script) in scripts {
        let server = script::serve(script);
        let args = ["SendMessage", "-d", HELLO, "-n", "240", "-c", "8"];
        let found = both(&server.address(), &args);
        let counts = codes(&found).as_array().expect("codes").iter();
        let counts: u64 = counts.filter_map(|code| code[1].as_u64()).sum();
        assert_eq!(counts, 240, "{name}: {found:#}");
        let is_fine = found["exit"] == 0;
        assert!(is_fine, "{name}: {found:#}");
    }
}

#[test]
fn they_agree_on_servers_that_cut_calls_off() {
    fn vanishing(stream: u32, call: usize) -> Vec<u8> {
        match call {
            9 => Vec::new(),
            _ => success(stream),
        }
    }
    fn angry(stream: u32, call: usize) -> Vec<u8> {
        match call {
            9 => frame(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11]),
            _ => success(stream),
        }
    }
    fn lying(stream: u32, call: usize) -> Vec<u8> {
        match call {
            9 => frame(kind::DATA, 0, stream + 2, b"a stream that was never opened"),
            _ => success(stream),
        }
    }
    for (name, answer, message) in [
        (
            "vanishing",
            vanishing as fn(u32, usize) -> Vec<u8>,
            "the connection was lost: ",
        ),
        (
            "angry",
            angry,
            "the server closed the connection: detected excessive load generating behavior",
        ),
        ("lying", lying, "the server broke the rules of HTTP/2: "),
    ] {
        let server = script::serve(Script {
            answer,
            ..Script::default()
        });
        for engine in ["native", "h2"] {
            // Of one call at a time, every tenth is lost.
            let args = ["SendMessage", "-d", HELLO, "-n", "40", "-c", "1"];
            let found = found(engine, &server.address(), &args);
            let [ok, lost] = &codes(&found).as_array().expect("codes")[..] else {
                panic!("{name}, {engine}: {found:#}");
            };
            assert_eq!(
                (&ok[0], &ok[1]),
                (&json!("OK"), &json!(36)),
                "{name}, {engine}: {found:#}"
            );
            assert_eq!(
                (&lost[0], &lost[1]),
                (&json!("UNAVAILABLE"), &json!(4)),
                "{name}, {engine}"
            );
            let said = lost[2].to_string();
            assert!(said.contains(message), "{name}, {engine}: {said}");
        }
    }
}

/// A process that says where it listens; it ends when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Self {
            child,
            address: address.expect("it says where it listens"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn they_agree_on_grpcio() {
    let has_grpc = Command::new("python3").args(["-c", "import grpc"]).output();
    if !has_grpc.is_ok_and(|output| output.status.success()) {
        return skip("python3 has no grpcio (`pip install grpcio`)");
    }
    let script = include_str!("support/grpcio_server.py");
    let server = Server::start(Command::new("python3").args(["-c", script]));
    let closed = HELLO.replace("lobby", "closed");
    let large = HELLO.replace("lobby", "large");
    let two = r#"{"message": {"room": "a", "text": "1"}} {"message": {"room": "b", "text": "2"}}"#;
    for (method, data, count) in [
        ("SendMessage", HELLO, "300"),
        ("SendMessage", closed.as_str(), "100"),
        ("SendMessage", large.as_str(), "10"),
        ("WatchRoom", r#"{"room": "lobby"}"#, "100"),
        ("WatchRoom", r#"{"room": "closed"}"#, "100"),
        ("ImportMessages", two, "100"),
        ("Chat", r#"{"say": "one"} {"say": "two"}"#, "100"),
    ] {
        let args = [
            method,
            "-d",
            data,
            "-n",
            count,
            "-c",
            "10",
            "--connections",
            "2",
        ];
        let found = both(&server.address, &args);
        assert_eq!(codes(&found)[0][1].to_string(), count, "{found:#}");
        if data == closed && method == "SendMessage" {
            let denied = json!(["PERMISSION_DENIED", 100, codes(&found)[0][2]]);
            assert_eq!(*codes(&found), json!([denied]));
            assert!(
                denied.to_string().contains("closed: 100 % für dich"),
                "{denied}"
            );
        }
    }
}

#[test]
fn compressed_messages_are_understood_by_grpcio_and_counted() {
    let has_grpc = Command::new("python3").args(["-c", "import grpc"]).output();
    if !has_grpc.is_ok_and(|output| output.status.success()) {
        return skip("python3 has no grpcio (`pip install grpcio`)");
    }
    let script = include_str!("support/grpcio_server.py");
    let server = Server::start(Command::new("python3").args(["-c", script]));
    let text = "small ".repeat(1_000);
    let small = HELLO.replace("lobby", &text);
    let args = ["SendMessage", "-d", &small, "-n", "50", "-c", "5", "--gzip"];
    let found = both(&server.address, &args);
    assert_eq!(*codes(&found), json!([["OK", 50, []]]));
    let traffic = &found["traffic"];
    assert_eq!(traffic["messages_received"], 50, "{found:#}");
    // The server found the word in what it decompressed, and its answer of 100,000 bytes is smaller, too.
    let of = |bytes: &str| traffic[bytes].as_u64().expect("a number") / 50;
    assert!(
        of("bytes_sent") < 200 && of("bytes_received") < 1_000,
        "{found:#}"
    );
}

#[test]
fn they_agree_on_nghttpd() {
    if Command::new("nghttpd").arg("--version").output().is_err() {
        return skip("there is no nghttpd (Debian: nghttp2-server)");
    }
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("chat.v1.ChatService");
    std::fs::create_dir(&folder).expect("a folder");
    let large = [&[0, 0, 3, 0, 0][..], &vec![7; 3 << 16]].concat();
    std::fs::write(folder.join("SendMessage"), b"\0\0\0\0\x05hello").expect("writable");
    std::fs::write(folder.join("WatchRoom"), [&large[..], &large].concat()).expect("writable");
    let port = stubs::dead_port();
    let child = Command::new("nghttpd")
        .args([
            "--no-tls",
            "--address=127.0.0.1",
            "--trailer=grpc-status: 0",
            "-d",
        ])
        .arg(sandbox.path())
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("nghttpd starts");
    let server = Server {
        child,
        address: format!("127.0.0.1:{port}"),
    };
    while TcpStream::connect(&server.address).is_err() {
        std::thread::yield_now();
    }
    let args = [
        "SendMessage",
        "-d",
        HELLO,
        "-n",
        "2000",
        "-c",
        "100",
        "--connections",
        "4",
    ];
    let found = both(&server.address, &args);
    assert_eq!(*codes(&found), json!([["OK", 2_000, []]]));
    assert_eq!(found["traffic"]["bytes_received"], 20_000);
    let found = both(&server.address, &["WatchRoom", "-n", "50", "-c", "10"]);
    assert_eq!(*codes(&found), json!([["OK", 50, []]]));
    assert_eq!(found["traffic"]["messages_received"], 100);
}
